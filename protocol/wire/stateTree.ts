import { fromHex, type Hex, toHex } from '../bytes.ts'
import { keccak256 } from '../hash.ts'
import { packWords } from './typedData.ts'

/** One thing that a state machine holds, such that a third party can check it alone (spec §4). */
export type StateItem = {
  /** keccak-256 of the item's type string, so that no item can be read as another kind. */
  typehash: Hex
  /** 32 bytes; unique among the items of its type. */
  key: Hex
  /** 32 bytes: the value itself where it fits a word, else the keccak-256 of its encoding. */
  value: Hex
}

/** The double keccak-256 of `abi.encode(typehash, key, value)`: a leaf can never be taken for a node (spec §4). */
export const hashStateItem = ({ typehash, key, value }: StateItem): Hex =>
  toHex(keccak256(keccak256(packWords([typehash, key, value]))))

const EMPTY_ROOT: Hex = toHex(keccak256(new Uint8Array(0)))

/**
 * Root of the state tree over `items`, in any order: leaves sorted, pairs hashed sorted, so that OpenZeppelin's
 * `MerkleProof` verifies it and its JavaScript `SimpleMerkleTree` builds the same one. No item: keccak-256 of nothing.
 */
export function deriveStateRoot(items: readonly StateItem[]): Hex {
  return items.length === 0 ? EMPTY_ROOT : toHex(buildTree(items.map(hashStateItem))[0]!)
}

/** Proves items of one state, whose tree is built once. */
export type StateProver = {
  readonly root: Hex
  /** Siblings from the item's leaf up to the root, for `MerkleProof.verify`. @throws {RangeError} no such item. */
  prove(item: StateItem): Hex[]
}

export function createStateProver(items: readonly StateItem[]): StateProver {
  const tree = buildTree(items.map(hashStateItem))
  const indexOf = new Map(
    tree.slice(Math.max(0, items.length - 1)).map((leaf, at) => [toHex(leaf), items.length - 1 + at]),
  )
  return {
    root: items.length === 0 ? EMPTY_ROOT : toHex(tree[0]!),
    prove(item) {
      let index = indexOf.get(hashStateItem(item))
      if (index === undefined) throw new RangeError('the state holds no such item')
      const proof: Hex[] = []
      for (; index > 0; index = (index - 1) >> 1) proof.push(toHex(tree[index % 2 === 0 ? index - 1 : index + 1]!))
      return proof
    },
  }
}

/** One proof; for several of the same state see `createStateProver`. @throws {RangeError} no such item. */
export const proveStateItem = (items: readonly StateItem[], item: StateItem): Hex[] =>
  createStateProver(items).prove(item)

/** Whether `proof` leads from `item` to `root`. */
export function isStateItemUnder(root: Hex, { item, proof }: { item: StateItem; proof: readonly Hex[] }): boolean {
  let node = fromHex(hashStateItem(item))
  for (const sibling of proof) node = hashSortedPair(node, fromHex(sibling))
  return toHex(node) === root
}

/** A complete binary tree in one array, root first; the sorted leaves fill the end from right to left. */
function buildTree(leaves: readonly Hex[]): Uint8Array[] {
  const sorted = [...leaves].sort().map(fromHex)
  const tree: Uint8Array[] = new Array(Math.max(0, 2 * sorted.length - 1))
  sorted.forEach((leaf, position) => {
    tree[tree.length - 1 - position] = leaf
  })
  for (let index = tree.length - 1 - sorted.length; index >= 0; index--) {
    tree[index] = hashSortedPair(tree[2 * index + 1]!, tree[2 * index + 2]!)
  }
  return tree
}

function hashSortedPair(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(64)
  const [low, high] = compareBytes(a, b) <= 0 ? [a, b] : [b, a]
  bytes.set(low)
  bytes.set(high, 32)
  return keccak256(bytes)
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return 0
}
