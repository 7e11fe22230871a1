import { CoalitionError } from '../errors.ts'

/** A chain id as people write it: a number, or decimal digits where a JSON number could be rounded (spec §3). */
export type ChainId = number | string

/** What the text form looks like; its value is at most 2^64 − 1. */
export const CHAIN_ID_PATTERN = /^[1-9][0-9]{0,19}$/
const CHAIN_ID_MAX = 2n ** 64n - 1n

export class InvalidChainIdError extends CoalitionError {
  constructor({ field }: { field: string }) {
    super('INVALID_CHAIN_ID', `${field} is not a chain id.`, {
      fix: 'Write a whole number from 1 to 2^64 − 1, as a decimal string where it is above 2^53 − 1.',
    })
  }
}

/** @throws {InvalidChainIdError} zero, too large, not whole, or a string that is not plain decimal digits. */
export function toChainId(value: ChainId, options: { field: string }): bigint {
  const isWellFormed =
    typeof value === 'string' ? CHAIN_ID_PATTERN.test(value) : Number.isSafeInteger(value) && value > 0
  const chainId = isWellFormed ? BigInt(value) : 0n
  if (chainId === 0n || chainId > CHAIN_ID_MAX) throw new InvalidChainIdError(options)
  return chainId
}
