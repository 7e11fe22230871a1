import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { CoalitionError } from './errors.ts'

/** Bytes as text: `0x` and an even number of lower-case hex digits, so that `===`, Map keys and logs work (spec §2). */
export type Hex = `0x${string}`

declare const brand: unique symbol
/** A `Base` that only the function that checked it can make. */
export type Branded<Base, Name extends string> = Base & { readonly [brand]: Name }

/** 32 bytes, `0x` and 64 lower-case hex digits (spec §2). */
export type UniqueId = Hex

export class InvalidHexError extends CoalitionError {
  constructor({ field, expected }: { field: string; expected: string }) {
    super('INVALID_HEX', `${field} is not ${expected}.`, {
      fix: 'Write 0x and lower-case hex digits, two a byte, of exactly the length asked for.',
    })
  }
}

const HEX_PATTERN = /^0x(?:[0-9a-f]{2})*$/

/** Whether `value` is lower-case hex of whole bytes, and of `sizeBytes` bytes where that is given. Never throws. */
export function isHex(value: unknown, sizeBytes?: number): value is Hex {
  if (typeof value !== 'string' || (sizeBytes !== undefined && value.length !== 2 + 2 * sizeBytes)) return false
  return HEX_PATTERN.test(value)
}

/** @throws {InvalidHexError} `value` is not lower-case hex, or not of `sizeBytes` bytes. */
export function assertHex(value: unknown, options: { field: string; sizeBytes?: number }): asserts value is Hex {
  const { field, sizeBytes } = options
  if (isHex(value, sizeBytes)) return
  const expected = sizeBytes === undefined ? 'lower-case hex' : `${sizeBytes} bytes of lower-case hex`
  throw new InvalidHexError({ field, expected })
}

/** From here on the runtime's own way over hex, and over comparing, is faster than the call costs. */
const LONG_SIZE_BYTES = 128

/** The bytes that `hex` spells; `hex` must have passed `assertHex` or come from our own code. */
export function fromHex(hex: Hex): Uint8Array {
  if (hex.length < 2 * LONG_SIZE_BYTES || typeof Buffer === 'undefined') return hexToBytes(hex.slice(2))
  const { buffer, byteOffset, length } = Buffer.from(hex.slice(2), 'hex')
  if (2 * length !== hex.length - 2) throw new RangeError('not hex')
  return new Uint8Array(buffer, byteOffset, length)
}

/** `bytes` as lower-case hex with `0x`. */
export function toHex(bytes: Uint8Array): Hex {
  if (bytes.length < LONG_SIZE_BYTES || typeof Buffer === 'undefined') return `0x${bytesToHex(bytes)}`
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`
}

/** All of `parts`, one after the other. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Constant shape, not constant time: for public values only. */
export function isEqualBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  if (a.length >= LONG_SIZE_BYTES && typeof Buffer !== 'undefined') return Buffer.compare(a, b) === 0
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
