import { CoalitionError } from '../errors.ts'

/** The largest size of a log: what a commit's `uint64 logSize` can say (spec §4). */
export const LOG_SIZE_MAX = 2n ** 64n - 1n

export class InvalidLogSizeError extends CoalitionError {
  constructor({ field, size }: { field: string; size: bigint }) {
    super('INVALID_LOG_SIZE', `${field} is ${size}.`, { fix: 'Give a count of leaves, from 0 to 2^64 − 1.' })
  }
}

export class LeafOutOfRangeError extends CoalitionError {
  constructor({ index, size }: { index: bigint; size: bigint }) {
    super('LEAF_OUT_OF_RANGE', `A log of size ${size} has no leaf at index ${index}.`, {
      fix: 'Indexes count from 0; give one below the size, or a newer head of the log.',
    })
  }
}

/** @throws {InvalidLogSizeError} `size` is not a uint64; `field` names it in the message. */
export function assertLogSize(size: bigint, field: string): void {
  if (size < 0n || size > LOG_SIZE_MAX) throw new InvalidLogSizeError({ field, size })
}

/**
 * @throws {InvalidLogSizeError} `size` is not a uint64.
 * @throws {LeafOutOfRangeError} there is no leaf at `index` in a log of `size` leaves.
 */
export function assertLeafIndex({ index, size }: { index: bigint; size: bigint }): void {
  assertLogSize(size, 'size')
  if (index < 0n || index >= size) throw new LeafOutOfRangeError({ index, size })
}
