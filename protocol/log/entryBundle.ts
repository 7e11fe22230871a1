import { CoalitionError, countOf } from '../errors.ts'
import { TILE_WIDTH } from './tile.ts'

/** Bytes of one entry at most: its length is written in 16 bits (spec §6). */
export const ENTRY_SIZE_MAX_BYTES = 65_535

const LENGTH_SIZE_BYTES = 2

export class EntryTooLargeError extends CoalitionError {
  constructor({ sizeBytes }: { sizeBytes: number }) {
    super('ENTRY_TOO_LARGE', `A log entry has ${sizeBytes} bytes.`, {
      fix: `Keep an entry to ${ENTRY_SIZE_MAX_BYTES} bytes; log the hash of what is larger, and serve it elsewhere.`,
    })
  }
}

export class InvalidEntryBundleError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('INVALID_ENTRY_BUNDLE', `An entry bundle is not as C2SP tlog-tiles has it: ${reason}.`, {
      fix: `A bundle is 1 to ${TILE_WIDTH} entries, each behind its length in two bytes, and nothing else. Fetch it again, from another member if need be.`,
      kind: 'refused',
    })
  }
}

/** @throws {EntryTooLargeError} `entry` has more bytes than a bundle can say. */
export function assertEntry(entry: Uint8Array): void {
  if (entry.length > ENTRY_SIZE_MAX_BYTES) throw new EntryTooLargeError({ sizeBytes: entry.length })
}

/**
 * The bytes served at `tile/entries/…`: each entry behind its length, uint16, big-endian (C2SP tlog-tiles).
 *
 * @throws {InvalidEntryBundleError} no entry, or more than 256.
 * @throws {EntryTooLargeError} an entry has more than 65,535 bytes.
 */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length < 1 || entries.length > TILE_WIDTH) {
    throw new InvalidEntryBundleError({ reason: `it has ${entries.length} entries` })
  }
  let sizeBytes = 0
  for (const entry of entries) {
    assertEntry(entry)
    sizeBytes += LENGTH_SIZE_BYTES + entry.length
  }
  const bytes = new Uint8Array(sizeBytes)
  let offset = 0
  for (const entry of entries) {
    bytes[offset] = entry.length >> 8
    bytes[offset + 1] = entry.length & 0xff
    bytes.set(entry, offset + LENGTH_SIZE_BYTES)
    offset += LENGTH_SIZE_BYTES + entry.length
  }
  return bytes
}

/**
 * Exact inverse of `encodeEntryBundle` for a bundle of `width` entries. The entries are views of `bytes`.
 *
 * @throws {InvalidEntryBundleError} fewer or more entries than `width`, a cut entry or trailing bytes.
 */
export function decodeEntryBundle(bytes: Uint8Array, { width }: { width: number }): Uint8Array[] {
  const entries: Uint8Array[] = []
  let offset = 0
  while (offset < bytes.length) {
    if (entries.length === width)
      throw new InvalidEntryBundleError({ reason: `it goes on after ${countOf(width, 'entry')}` })
    const start = offset + LENGTH_SIZE_BYTES
    if (start > bytes.length) throw new InvalidEntryBundleError({ reason: 'it ends inside a length' })
    const end = start + ((bytes[offset]! << 8) | bytes[offset + 1]!)
    if (end > bytes.length) throw new InvalidEntryBundleError({ reason: 'it ends inside an entry' })
    entries.push(bytes.subarray(start, end))
    offset = end
  }
  if (entries.length < width || width < 1 || width > TILE_WIDTH) {
    throw new InvalidEntryBundleError({ reason: `it has ${countOf(entries.length, 'entry')} instead of ${width}` })
  }
  return entries
}
