import { InvalidArgumentError, Option } from 'commander'
import { getAddress } from 'viem/utils'
import { COMPONENT_KINDS } from '../client/readComponent.ts'
import { type Hex, isHex } from '../protocol/bytes.ts'

/** What several commands take, as commander hands it over: refused here, before anything is read. */

/** For whatever is done with any component of a config. */
export const componentOption = (): Option =>
  new Option('--component <name>', 'which of the config’s components').choices(COMPONENT_KINDS).default('chronicle')

/** Lower case, from lower case or from letters whose case is the EIP-55 checksum. */
export function toAddress(text: string): Hex {
  const address = text.replace(/[A-F]/g, (digit) => digit.toLowerCase())
  if (!isHex(address, 20)) throw new InvalidArgumentError('Give an address: 0x and 40 hex digits.')
  if (text !== address && text !== getAddress(address))
    throw new InvalidArgumentError(
      'Its upper and lower case is not its EIP-55 checksum, so a digit may be wrong. Copy it again, or give it in lower case.',
    )
  return address
}

/** A stable id, or a CitizenId20, the first 20 bytes of one. */
export function toCitizen(text: string): Hex {
  if (!isHex(text, 32) && !isHex(text, 20)) throw new InvalidArgumentError('Give 32 or 20 bytes of lower-case hex.')
  return text
}

export function toStableId(text: string): Hex {
  if (!isHex(text, 32)) throw new InvalidArgumentError('Give 32 bytes of lower-case hex.')
  return text
}

export function toSignature(text: string): Hex {
  if (!isHex(text, 64) && !isHex(text, 65)) throw new InvalidArgumentError('Give 64 or 65 bytes of lower-case hex.')
  return text
}

export function toSequence(text: string): bigint {
  if (!/^[1-9][0-9]{0,18}$/.test(text) || BigInt(text) >= 1n << 63n)
    throw new InvalidArgumentError('Give a whole number from 1 to 2^63 − 1.')
  return BigInt(text)
}

export function toSeconds(text: string): number {
  const seconds = Number(text)
  if (!(seconds >= 1 && seconds <= 86_400)) throw new InvalidArgumentError('Give 1 to 86400 seconds.')
  return seconds
}

const RFC3339_PATTERN = /^(\d{4}-\d{2}-\d{2})[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/

/** Milliseconds since the Unix epoch; negative for a time before it. */
export function toTimeMs(text: string): number {
  const date = RFC3339_PATTERN.exec(text)?.[1]
  // The runtime reads the 30th of February as the 2nd of March.
  const isDay = date !== undefined && new Date(Date.parse(date)).toJSON()?.startsWith(date)
  const ms = /^\d{1,12}$/.test(text) ? Number(text) * 1_000 : isDay ? Date.parse(text.replace(' ', 'T')) : Number.NaN
  if (Number.isNaN(ms))
    throw new InvalidArgumentError('Give an RFC 3339 time, as 2026-03-01T00:00:00Z, or seconds since 1970.')
  return ms
}

export function toIndex(text: string): bigint {
  if (!/^(?:0|[1-9][0-9]{0,18})$/.test(text) || BigInt(text) >= 1n << 63n)
    throw new InvalidArgumentError('Give a whole number from 0 to 2^63 − 1, without leading zeros.')
  return BigInt(text)
}
