import { assertCompactRange, type CompactRange } from './compactRange.ts'
import { assertHash, hashEmptyTree, hashNode } from './treeHash.ts'

/**
 * Root of the RFC 9162 tree over `leafHashes`: `batchRoot` and `extensionsRoot` of a commit (spec §4).
 *
 * @returns 32 bytes; for an empty list SHA-256 of nothing.
 * @throws {HashLengthError} a leaf hash is not 32 bytes.
 */
export function rootOf(leafHashes: readonly Uint8Array[]): Uint8Array {
  for (const leafHash of leafHashes) assertHash(leafHash, 'leafHashes')
  let level = leafHashes
  while (level.length > 1) level = joinPairs(level)
  return level.length === 0 ? hashEmptyTree() : Uint8Array.from(level[0]!)
}

/**
 * Root of the log that `range` stands for, 32 bytes (RFC 9162 §2.1.1).
 *
 * @throws {InvalidCompactRangeError} its hashes are not as many as its size says.
 */
export function rootOfRange(range: CompactRange): Uint8Array {
  assertCompactRange(range)
  return range.size === 0n ? hashEmptyTree() : Uint8Array.from(foldRight(range.hashes))
}

/** Joins adjacent complete subtrees, largest first, into the root of the tree they make; `hashes` is not empty. */
export function foldRight(hashes: readonly Uint8Array[]): Uint8Array {
  let root = hashes[hashes.length - 1]!
  for (let i = hashes.length - 2; i >= 0; i--) root = hashNode(hashes[i]!, root)
  return root
}

/** One level of the tree over a list, from the level below; an odd last node moves up unchanged. */
export function joinPairs(below: readonly Uint8Array[]): Uint8Array[] {
  const above: Uint8Array[] = []
  for (let i = 0; i + 1 < below.length; i += 2) above.push(hashNode(below[i]!, below[i + 1]!))
  if (below.length % 2 === 1) above.push(below[below.length - 1]!)
  return above
}
