import { assertLeafIndex, assertLogSize } from './logSize.ts'
import { assertHash } from './treeHash.ts'
import { bitLength, coverRange, type TreeNode } from './treeNode.ts'
import { foldRight } from './treeRoot.ts'
import { assertGrows } from './verifyConsistency.ts'

/**
 * Which stored hashes a proof is made of, found out before anything is read.
 *
 * Planning is pure and reading is not, so that one plan serves a store that answers at once and a log behind HTTP:
 * `completePlan` with a node reader, or `tilesOf` and `completeFromTiles` with tiles (spec §6).
 */
export type ProofPlan = {
  /** Leaves of the log that is read; its tiles have the widths of this size. */
  readonly size: bigint
  /** One element for each hash of the answer: adjacent complete subtrees, largest first, to be joined into it. */
  readonly elements: readonly (readonly TreeNode[])[]
}

/** Gives the stored root of a complete subtree. Called for nodes of the plan alone. */
export type HashReader = (node: TreeNode) => Uint8Array

/**
 * Plans the inclusion proof of the leaf at `index` in the first `size` leaves (RFC 9162 §2.1.3.1).
 *
 * @throws {LeafOutOfRangeError} `index` is not below `size`.
 * @throws {InvalidLogSizeError} `size` is not a uint64.
 */
export function planInclusion({ index, size }: { index: bigint; size: bigint }): ProofPlan {
  assertLeafIndex({ index, size })
  return { size, elements: planSiblings({ index, size, fromLevel: 0 }) }
}

/**
 * Plans the consistency proof between the first `size1` and the first `size2` leaves (RFC 9162 §2.1.4.1).
 *
 * @throws {EmptyLogConsistencyError} `size1` is 0 and `size2` is not: nothing is to be proven.
 * @throws {LogShrinksError} `size2` is less than `size1`.
 * @throws {InvalidLogSizeError} a size is not a uint64.
 */
export function planConsistency({ size1, size2 }: { size1: bigint; size2: bigint }): ProofPlan {
  assertGrows({ size1, size2 })
  if (size1 === size2) return { size: size2, elements: [] }
  // The last complete subtree of the old log: the proof climbs from it, as an inclusion proof climbs from a leaf.
  const last = coverRange({ start: 0n, end: size1 }).at(-1)!
  const siblings = planSiblings({ index: size1 - 1n, size: size2, fromLevel: last.level })
  // Where it is the whole old log its hash is root1, which the verifier has (RFC 9162 §2.1.4.2).
  return { size: size2, elements: last.index === 0n ? siblings : [[last], ...siblings] }
}

/**
 * Plans reading the compact range of the first `size` leaves: `{ size, hashes: completePlan(plan, read) }`.
 *
 * @throws {InvalidLogSizeError} `size` is not a uint64.
 */
export function planRange({ size }: { size: bigint }): ProofPlan {
  assertLogSize(size, 'size')
  return { size, elements: coverRange({ start: 0n, end: size }).map((node) => [node]) }
}

/**
 * The proof that `plan` stands for, from hashes that `read` gives: O(log n) of them, at most two a level.
 *
 * @returns Hashes in the order that the verifiers take.
 * @throws {HashLengthError} `read` gave something that is not 32 bytes.
 */
export const completePlan = (plan: ProofPlan, read: HashReader): Uint8Array[] =>
  plan.elements.map((nodes) =>
    foldRight(
      nodes.map((node) => {
        const hash = read(node)
        assertHash(hash, 'stored hash')
        return hash
      }),
    ),
  )

/** What stands beside the path from the leaf at `index` to the root of `size` leaves, from `fromLevel` up. */
function planSiblings(options: { index: bigint; size: bigint; fromLevel: number }): (readonly TreeNode[])[] {
  const { index, size, fromLevel } = options
  const elements: (readonly TreeNode[])[] = []
  // Below this level the path to the leaf and the path to the last leaf are apart.
  const forkLevel = bitLength(index ^ (size - 1n))
  for (let level = fromLevel; level < forkLevel; level++) {
    const sibling = (index >> BigInt(level)) ^ 1n
    // At the fork's foot the sibling holds the last leaf, and need not be complete.
    const start = sibling << BigInt(level)
    elements.push(level === forkLevel - 1 ? coverRange({ start, end: size }) : [{ level, index: sibling }])
  }
  // From the fork up the path runs along the right edge: only left siblings are left.
  for (let level = Math.max(forkLevel, fromLevel); level < bitLength(index); level++) {
    const position = index >> BigInt(level)
    if (position & 1n) elements.push([{ level, index: position - 1n }])
  }
  return elements
}
