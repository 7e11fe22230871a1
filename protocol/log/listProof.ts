import { assertLeafIndex } from './logSize.ts'
import { assertHash } from './treeHash.ts'
import { joinPairs } from './treeRoot.ts'

/** Every node of the tree over a list: `levels[0]` are the leaf hashes, the last level is the root alone. */
export type TreeLevels = readonly (readonly Uint8Array[])[]

/**
 * All nodes of the RFC 9162 tree over a list that is wholly in memory, such as a commit's envelopes (spec §4).
 *
 * An odd last node moves up unchanged, which is the RFC's split at the largest power of two below the length. Build
 * it once where many proofs of one list are wanted. No leaf: no level.
 *
 * @throws {HashLengthError} a leaf hash is not 32 bytes.
 */
export function buildLevels(leafHashes: readonly Uint8Array[]): TreeLevels {
  if (leafHashes.length === 0) return []
  for (const leafHash of leafHashes) assertHash(leafHash, 'leafHashes')
  const levels: (readonly Uint8Array[])[] = [leafHashes]
  for (let below = leafHashes; below.length > 1; below = levels[levels.length - 1]!) levels.push(joinPairs(below))
  return levels
}

/**
 * Inclusion proof of the leaf at `index` of a list, for `verifyInclusion` with `size` the list's length.
 *
 * @returns Siblings from the leaf up, RFC 9162 §2.1.3.1.
 * @throws {LeafOutOfRangeError} the list has no such leaf.
 * @throws {HashLengthError} a leaf hash is not 32 bytes.
 */
export const proveInclusionInList = (leafHashes: readonly Uint8Array[], index: number): Uint8Array[] =>
  proveInclusionInLevels(buildLevels(leafHashes), index)

/** `proveInclusionInList` without hashing anything again. @throws {LeafOutOfRangeError} there is no such leaf. */
export function proveInclusionInLevels(levels: TreeLevels, index: number): Uint8Array[] {
  assertLeafIndex({ index: BigInt(index), size: BigInt(levels[0]?.length ?? 0) })
  const proof: Uint8Array[] = []
  let position = index
  for (const level of levels.slice(0, -1)) {
    const sibling = level[position % 2 === 0 ? position + 1 : position - 1]
    if (sibling !== undefined) proof.push(sibling)
    position = Math.floor(position / 2)
  }
  return proof
}
