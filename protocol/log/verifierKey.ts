import { CoalitionError } from '../errors.ts'
import { sha256 } from '../hash.ts'
import { decodeBase64, encodeBase64, InvalidBase64Error } from './base64.ts'

/** What a note key signs with: the note's text (C2SP signed-note), or a timestamped cosignature (C2SP tlog-cosignature). */
export type NoteAlgorithm = 'ed25519' | 'cosignature/v1'

/** The public half of a note key. */
export type VerifierKey = {
  /** Key name: for a member of a committee its log's origin (spec §6). No white space, no plus sign. */
  name: string
  algorithm: NoteAlgorithm
  /** Ed25519 public key, 32 bytes (RFC 8032), in both algorithms. */
  publicKey: Uint8Array
}

export class InvalidVerifierKeyError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('INVALID_VERIFIER_KEY', `This is not a verifier key: ${reason}.`, {
      fix: 'Write NAME+ID+KEY: eight lower-case hex digits for the id, base64 of 0x01 or 0x04 and 32 bytes for the key.',
    })
  }
}

const ALGORITHM_BYTES: Record<NoteAlgorithm, number> = { ed25519: 0x01, 'cosignature/v1': 0x04 }
const PUBLIC_KEY_SIZE_BYTES = 32
/** Characters of a written verifier key at most; names in use have fewer than 100. */
const VERIFIER_KEY_LENGTH_MAX = 1024

/** Whether `name` may stand in a signature line: not empty, no Unicode white space, no plus sign, no control character. */
export const isKeyName = (name: string): boolean => name.isWellFormed() && /^[^\p{White_Space}\p{Cc}+]+$/u.test(name)

/** @throws {InvalidVerifierKeyError} the name or the length of the public key is not as signed notes have it. */
export function assertVerifierKey({ name, publicKey }: VerifierKey): void {
  if (!isKeyName(name)) throw new InvalidVerifierKeyError({ reason: 'its name is empty or has a space or plus sign' })
  if (publicKey.length !== PUBLIC_KEY_SIZE_BYTES) {
    throw new InvalidVerifierKeyError({ reason: `its public key has ${publicKey.length} bytes` })
  }
}

/**
 * Key id, a uint32: the first four bytes of SHA-256(name ‖ 0x0A ‖ algorithm byte ‖ public key) (C2SP signed-note).
 *
 * It is a name and no commitment: another key with the same id is found in seconds, and fails to verify.
 *
 * @throws {InvalidVerifierKeyError} the name or the length of the public key is not as signed notes have it.
 */
export function deriveKeyId(key: VerifierKey): number {
  assertVerifierKey(key)
  const name = new TextEncoder().encode(`${key.name}\n`)
  const message = new Uint8Array(name.length + 1 + PUBLIC_KEY_SIZE_BYTES)
  message.set(name)
  message.set(encodeKey(key), name.length)
  const digest = sha256(message)
  return new DataView(digest.buffer, digest.byteOffset).getUint32(0)
}

/**
 * A verifier key as people pass it on, `NAME+ID+KEY` (C2SP signed-note).
 *
 * @throws {InvalidVerifierKeyError} the name or the length of the public key is not as signed notes have it.
 */
export const encodeVerifierKey = (key: VerifierKey): string =>
  `${key.name}+${formatKeyId(deriveKeyId(key))}+${encodeBase64(encodeKey(key))}`

/**
 * Exact inverse of `encodeVerifierKey`.
 *
 * @throws {InvalidVerifierKeyError} longer than 1,024 characters, not three parts, an unknown algorithm, a wrong length, or an id of another key.
 */
export function decodeVerifierKey(vkey: string): VerifierKey {
  if (vkey.length > VERIFIER_KEY_LENGTH_MAX) throw new InvalidVerifierKeyError({ reason: 'it is too long' })
  const [, name, id, text] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/s.exec(vkey) ?? []
  if (name === undefined || id === undefined || text === undefined) {
    throw new InvalidVerifierKeyError({ reason: 'it is not NAME+ID+KEY' })
  }
  const [algorithmByte, ...publicKey] = decodeKey(text)
  const algorithm = (Object.keys(ALGORITHM_BYTES) as NoteAlgorithm[]).find(
    (known) => ALGORITHM_BYTES[known] === algorithmByte,
  )
  if (algorithm === undefined) throw new InvalidVerifierKeyError({ reason: 'its algorithm is unknown' })
  const key: VerifierKey = { name, algorithm, publicKey: Uint8Array.from(publicKey) }
  if (formatKeyId(deriveKeyId(key)) !== id) throw new InvalidVerifierKeyError({ reason: 'its id is of another key' })
  return key
}

/** A key id as verifier keys and messages write it: eight lower-case hex digits. */
export const formatKeyId = (keyId: number): string => keyId.toString(16).padStart(8, '0')

const encodeKey = ({ algorithm, publicKey }: VerifierKey): Uint8Array =>
  Uint8Array.of(ALGORITHM_BYTES[algorithm], ...publicKey)

function decodeKey(text: string): Uint8Array {
  try {
    return decodeBase64(text, 'key')
  } catch (error) {
    if (error instanceof InvalidBase64Error) throw new InvalidVerifierKeyError({ reason: 'its key is not base64' })
    throw error
  }
}
