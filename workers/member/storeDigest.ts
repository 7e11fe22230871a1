import { createHash } from 'node:crypto'

/** Binds a record to all that were stored before it, 32 bytes. */
export const chainHash = (previous: Uint8Array, record: Uint8Array): Uint8Array =>
  createHash('sha256').update(previous).update(record).digest()

export const checksum = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
