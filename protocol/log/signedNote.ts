import { CoalitionError } from '../errors.ts'
import { decodeBase64, encodeBase64, InvalidBase64Error } from './base64.ts'
import { isKeyName } from './verifierKey.ts'

/** Bytes of a note at most, and signature lines: what Go's sumdb client takes, so that what we write it can read. */
export const NOTE_SIZE_MAX_BYTES = 1_000_000
export const NOTE_SIGNATURES_MAX = 100

/** One signature line of a note. Says nothing yet of whether the signature is good. */
export type NoteSignature = {
  /** Name of the key that it claims. */
  name: string
  /** Id of that key, a uint32; name and id together say which key and which algorithm. */
  keyId: number
  /** As the algorithm has it, without the id; at least one byte. */
  signature: Uint8Array
}

/** A signed note (C2SP signed-note), read but not verified: `text` is worth nothing until `openNote` gives it. */
export type Note = {
  /** One or more lines, the last one's newline included. */
  text: string
  /** 1–100. */
  signatures: readonly NoteSignature[]
}

export class MalformedNoteError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('MALFORMED_NOTE', `This is not a signed note: ${reason}.`, {
      fix: 'A note is UTF-8 text without control characters, an empty line, and 1–100 lines “— NAME BASE64”, each ended by a newline.',
    })
  }
}

const NEWLINE = 0x0a
const SIGNATURE_PREFIX = '— '
const KEY_ID_SIZE_BYTES = 4
const KEY_ID_MAX = 2 ** 32 - 1

/**
 * The bytes of a note: its text, an empty line, its signature lines.
 *
 * @throws {MalformedNoteError} text, names, ids or signatures are not what a note can carry.
 */
export function encodeNote({ text, signatures }: Note): Uint8Array {
  if (!text.endsWith('\n')) throw new MalformedNoteError({ reason: 'its text does not end with a newline' })
  if (!text.isWellFormed()) throw new MalformedNoteError({ reason: 'its text is not Unicode' })
  assertSignatureCount(signatures.length)
  const bytes = new TextEncoder().encode(`${text}\n${signatures.map(encodeSignatureLine).join('')}`)
  assertNoteBytes(bytes)
  return bytes
}

/**
 * Exact inverse of `encodeNote`. Verifies nothing; see `openNote`.
 *
 * @throws {MalformedNoteError} too large, not UTF-8, control characters, no or too many signature lines, or a bad one.
 */
export function decodeNote(bytes: Uint8Array): Note {
  assertNoteBytes(bytes)
  const note = decodeUtf8(bytes)
  // The text may have empty lines of its own: the last one ends it.
  const end = note.lastIndexOf('\n\n') + 1
  const block = note.slice(end + 1)
  if (end === 0 || !block.endsWith('\n')) {
    throw new MalformedNoteError({ reason: 'it does not end with an empty line and signature lines' })
  }
  const lines = block.slice(0, -1).split('\n', NOTE_SIGNATURES_MAX + 1)
  assertSignatureCount(lines.length)
  return { text: note.slice(0, end), signatures: lines.map(decodeSignatureLine) }
}

function encodeSignatureLine({ name, keyId, signature }: NoteSignature): string {
  const isKeyId = Number.isInteger(keyId) && keyId >= 0 && keyId <= KEY_ID_MAX
  if (!isKeyName(name) || !isKeyId || signature.length === 0) {
    throw new MalformedNoteError({ reason: 'a signature has no key name, no key id or no bytes' })
  }
  const bytes = new Uint8Array(KEY_ID_SIZE_BYTES + signature.length)
  new DataView(bytes.buffer).setUint32(0, keyId)
  bytes.set(signature, KEY_ID_SIZE_BYTES)
  return `${SIGNATURE_PREFIX}${name} ${encodeBase64(bytes)}\n`
}

function decodeSignatureLine(line: string): NoteSignature {
  const [dash, name, text, ...rest] = line.split(' ', 4)
  const isLine = `${dash} ` === SIGNATURE_PREFIX && rest.length === 0
  if (!isLine || name === undefined || text === undefined || !isKeyName(name)) {
    throw new MalformedNoteError({ reason: 'a signature line is not “— NAME BASE64”' })
  }
  const bytes = decodeSignature(text)
  if (bytes.length <= KEY_ID_SIZE_BYTES) throw new MalformedNoteError({ reason: 'a signature has no bytes' })
  const keyId = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  return { name, keyId, signature: bytes.slice(KEY_ID_SIZE_BYTES) }
}

function decodeSignature(text: string): Uint8Array {
  try {
    return decodeBase64(text, 'signature')
  } catch (error) {
    if (error instanceof InvalidBase64Error) throw new MalformedNoteError({ reason: 'a signature is not base64' })
    throw error
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    // A byte order mark stays where it is: the signature is over these very bytes.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new MalformedNoteError({ reason: 'it is not UTF-8' })
  }
}

function assertNoteBytes(bytes: Uint8Array): void {
  if (bytes.length > NOTE_SIZE_MAX_BYTES) throw new MalformedNoteError({ reason: `it has ${bytes.length} bytes` })
  for (const byte of bytes) {
    if (byte < 0x20 && byte !== NEWLINE) throw new MalformedNoteError({ reason: 'it has a control character' })
  }
}

function assertSignatureCount(count: number): void {
  if (count === 0) throw new MalformedNoteError({ reason: 'it has no signature' })
  if (count > NOTE_SIGNATURES_MAX) throw new MalformedNoteError({ reason: 'it has more than 100 signatures' })
}
