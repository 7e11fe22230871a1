import { CoalitionError } from '../errors.ts'
import { sha256 } from '../hash.ts'

/** Bytes of a SHA-256 hash: a leaf hash, a node or a root of a log. */
export const HASH_SIZE_BYTES = 32

export class HashLengthError extends CoalitionError {
  constructor({ field, sizeBytes }: { field: string; sizeBytes: number }) {
    super('HASH_LENGTH', `${field} has ${sizeBytes} bytes.`, {
      fix: `Give a SHA-256 hash: exactly ${HASH_SIZE_BYTES} bytes, decoded from hex or base64.`,
    })
  }
}

/** @throws {HashLengthError} `hash` is not 32 bytes; `field` names it in the message. */
export function assertHash(hash: Uint8Array, field: string): void {
  if (hash.length !== HASH_SIZE_BYTES) throw new HashLengthError({ field, sizeBytes: hash.length })
}

// RFC 9162 §2.1.1: the prefixes keep a leaf from being read as a node, and so a node's children as an entry.
const LEAF_PREFIX = 0x00
const NODE_PREFIX = 0x01

// Hashing is synchronous and copies what it reads, so one buffer serves every call and none is left to collect.
const leafScratch = new Uint8Array(1 + 1024)
const nodeScratch = new Uint8Array(1 + 2 * HASH_SIZE_BYTES)
leafScratch[0] = LEAF_PREFIX
nodeScratch[0] = NODE_PREFIX

/**
 * Hash of a leaf, SHA-256(0x00 ‖ entry), 32 bytes (RFC 9162 §2.1.1).
 *
 * Takes an entry of any length: `batchRoot` and `extensionsRoot` have larger ones than a log (spec §4, §6).
 */
export function hashLeaf(entry: Uint8Array): Uint8Array {
  const sizeBytes = 1 + entry.length
  const message = sizeBytes <= leafScratch.length ? leafScratch.subarray(0, sizeBytes) : new Uint8Array(sizeBytes)
  message.set(entry, 1)
  return sha256(message)
}

/**
 * Hash of an inner node, SHA-256(0x01 ‖ left ‖ right), 32 bytes (RFC 9162 §2.1.1).
 *
 * @throws {HashLengthError} a child is not 32 bytes.
 */
export function hashNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  assertHash(left, 'left')
  assertHash(right, 'right')
  nodeScratch.set(left, 1)
  nodeScratch.set(right, 1 + HASH_SIZE_BYTES)
  return sha256(nodeScratch)
}

/** Root of a log without leaves: SHA-256 of nothing (RFC 9162 §2.1.1). A fresh copy on each call. */
export const hashEmptyTree = (): Uint8Array => sha256(new Uint8Array(0))
