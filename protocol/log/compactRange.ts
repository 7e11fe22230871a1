import { CoalitionError } from '../errors.ts'
import { assertLogSize } from './logSize.ts'
import { assertHash, hashNode } from './treeHash.ts'
import { countOnes } from './treeNode.ts'

/**
 * All of a log that appending needs: its size and the roots of the complete subtrees it is made of (spec §6).
 *
 * A value: nothing here changes the range it was given, so a proposal can be executed on it and thrown away.
 */
export type CompactRange = {
  /** Leaves, 0 to 2^64 − 1. */
  readonly size: bigint
  /** One hash for each 1 in the binary form of `size`, largest subtree first: at most 64. */
  readonly hashes: readonly Uint8Array[]
}

export class InvalidCompactRangeError extends CoalitionError {
  constructor({ size, count }: { size: bigint; count: number }) {
    super('INVALID_COMPACT_RANGE', `A log of ${size} leaves is not made of ${count} complete subtree(s).`, {
      fix: 'Give one hash for each 1 in the binary form of the size, largest subtree first; rebuild the range from its tiles.',
    })
  }
}

/** The range of a log without leaves. */
export const EMPTY_RANGE: CompactRange = { size: 0n, hashes: [] }

/** @throws {InvalidCompactRangeError} its hashes are not as many, or as long, as its size says. */
export function assertCompactRange({ size, hashes }: CompactRange): void {
  assertLogSize(size, 'size')
  if (hashes.length !== countOnes(size)) throw new InvalidCompactRangeError({ size, count: hashes.length })
  for (const hash of hashes) assertHash(hash, 'hashes')
}

/** Told of each complete subtree as it is closed; `level` 0 is a leaf. At each level they come in order of index. */
export type OnNode = (level: number, hash: Uint8Array) => void

/** `appendLeafHashes` with one leaf hash. */
export const appendLeafHash = (range: CompactRange, leafHash: Uint8Array): CompactRange =>
  appendLeafHashes(range, [leafHash])

/**
 * The range after `leafHashes`, in order: one hash for each leaf on average, O(log n) memory beside the input.
 *
 * @param onNode - sees every hash that the appended leaves complete; see `appendToTiles`.
 * @throws {HashLengthError} a leaf hash is not 32 bytes.
 * @throws {InvalidLogSizeError} the log would have more than 2^64 − 1 leaves.
 * @throws {InvalidCompactRangeError} the range has fewer hashes than its size says.
 */
export function appendLeafHashes(
  range: CompactRange,
  leafHashes: readonly Uint8Array[],
  onNode?: OnNode,
): CompactRange {
  assertLogSize(range.size + BigInt(leafHashes.length), 'size')
  const hashes = range.hashes.slice()
  let size = range.size
  for (const leafHash of leafHashes) {
    assertHash(leafHash, 'leafHash')
    onNode?.(0, leafHash)
    let hash = leafHash
    const merges = countTrailingOnes(size)
    for (let level = 1; level <= merges; level++) {
      const left = hashes.pop()
      if (left === undefined) throw new InvalidCompactRangeError({ size: range.size, count: range.hashes.length })
      hash = hashNode(left, hash)
      onNode?.(level, hash)
    }
    hashes.push(hash)
    size += 1n
  }
  // Only the last hash can still be the caller's array: copied, the range stays a value whatever becomes of that.
  if (size !== range.size) hashes.push(Uint8Array.from(hashes.pop()!))
  return { size, hashes }
}

/** How many subtrees the next leaf closes. Done on 32 bits at a time: bigint shifts would cost as much as a hash. */
function countTrailingOnes(size: bigint): number {
  const zeros = ~Number(BigInt.asUintN(32, size))
  return zeros === 0 ? 32 + countTrailingOnes(size >> 32n) : 31 - Math.clz32(zeros & -zeros)
}
