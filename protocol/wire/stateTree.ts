import { fromHex, type Hex, toHex } from '../bytes.ts'
import { keccak256 } from '../hash.ts'
import { packWords } from './typedData.ts'

/** One thing that a state machine holds, such that a third party can check it alone (spec §4). */
export type StateItem = {
  /** keccak-256 of the item's type string, so that no item can be read as another kind. */
  readonly typehash: Hex
  /** 32 bytes; unique among the items of its type. */
  readonly key: Hex
  /** 32 bytes: the value itself where it fits a word, else the keccak-256 of its encoding. */
  readonly value: Hex
}

/** The double keccak-256 of `abi.encode(typehash, key, value)`: a leaf can never be taken for a node (spec §4). */
export const hashStateItem = (item: StateItem): Hex => toHex(leafOf(item).hash)

type Leaf = {
  hash: Uint8Array
  /** Its first four bytes as a number: what most comparisons come to, without reaching for the hash. */
  head: number
}

/** Of every item that is still held: one that its machine keeps from commit to commit is hashed once. */
const leaves = new WeakMap<StateItem, Leaf>()

function leafOf(item: StateItem): Leaf {
  const known = leaves.get(item)
  if (known !== undefined) return known
  const { typehash, key, value } = item
  const hash = keccak256(keccak256(packWords([typehash, key, value])))
  const leaf = { hash, head: new DataView(hash.buffer, hash.byteOffset).getUint32(0) }
  leaves.set(item, leaf)
  return leaf
}

const EMPTY_ROOT: Hex = toHex(keccak256(new Uint8Array(0)))

/**
 * Root of the state tree over `items`, in any order: leaves sorted, pairs hashed sorted, so that OpenZeppelin's
 * `MerkleProof` verifies it and its JavaScript `SimpleMerkleTree` builds the same one. No item: keccak-256 of nothing.
 */
export function deriveStateRoot(items: readonly StateItem[]): Hex {
  return items.length === 0 ? EMPTY_ROOT : toHex(nodeAt(buildTree(items), 0))
}

/** Proves items of one state, whose tree is built once. */
export type StateProver = {
  readonly root: Hex
  /** Siblings from the item's leaf up to the root, for `MerkleProof.verify`. @throws {RangeError} no such item. */
  prove(item: StateItem): Hex[]
}

export function createStateProver(items: readonly StateItem[]): StateProver {
  const tree = buildTree(items)
  const first = items.length - 1
  const indexOf = new Map(items.map((_, position) => [toHex(nodeAt(tree, first + position)), first + position]))
  return {
    root: items.length === 0 ? EMPTY_ROOT : toHex(nodeAt(tree, 0)),
    prove(item) {
      let index = indexOf.get(hashStateItem(item))
      if (index === undefined) throw new RangeError('the state holds no such item')
      const proof: Hex[] = []
      for (; index > 0; index = (index - 1) >> 1)
        proof.push(toHex(nodeAt(tree, index % 2 === 0 ? index - 1 : index + 1)))
      return proof
    },
  }
}

/** One proof; for several of the same state see `createStateProver`. @throws {RangeError} no such item. */
export const proveStateItem = (items: readonly StateItem[], item: StateItem): Hex[] =>
  createStateProver(items).prove(item)

/** Whether `proof` leads from `item` to `root`. */
export function isStateItemUnder(root: Hex, { item, proof }: { item: StateItem; proof: readonly Hex[] }): boolean {
  let node = leafOf(item).hash
  for (const sibling of proof) node = hashSortedPair(node, fromHex(sibling))
  return toHex(node) === root
}

/** A complete binary tree in one array of nodes, root first; the sorted leaves fill the end from right to left. */
function buildTree(items: readonly StateItem[]): Uint8Array {
  const sorted = items.map(leafOf).sort((a, b) => a.head - b.head || compareBytes(a.hash, b.hash))
  const tree = new Uint8Array(NODE_SIZE_BYTES * Math.max(0, 2 * sorted.length - 1))
  sorted.forEach((leaf, position) => {
    tree.set(leaf.hash, tree.length - NODE_SIZE_BYTES * (position + 1))
  })
  for (let index = sorted.length - 2; index >= 0; index--) {
    const node = hashSortedPair(nodeAt(tree, 2 * index + 1), nodeAt(tree, 2 * index + 2))
    tree.set(node, NODE_SIZE_BYTES * index)
  }
  return tree
}

const NODE_SIZE_BYTES = 32

const nodeAt = (tree: Uint8Array, index: number): Uint8Array =>
  tree.subarray(NODE_SIZE_BYTES * index, NODE_SIZE_BYTES * (index + 1))

function hashSortedPair(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 * NODE_SIZE_BYTES)
  const [low, high] = compareBytes(a, b) <= 0 ? [a, b] : [b, a]
  bytes.set(low)
  bytes.set(high, NODE_SIZE_BYTES)
  return keccak256(bytes)
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return 0
}
