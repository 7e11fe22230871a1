import { CoalitionError } from '../errors.ts'

/** A witness's statement that, as of a time, this is the newest consistent head it has seen (C2SP tlog-cosignature). */
export type Cosignature = {
  /** POSIX time in seconds, 0 to 2^63 − 1. */
  timestampSeconds: bigint
  /** Ed25519, 64 bytes, over `encodeCosignedMessage`. */
  signature: Uint8Array
}

export class InvalidCosignatureError extends CoalitionError {
  constructor({ sizeBytes }: { sizeBytes: number }) {
    super('INVALID_COSIGNATURE', `These ${sizeBytes} bytes are not a cosignature/v1.`, {
      fix: 'A cosignature is 8 bytes of POSIX time below 2^63 and 64 bytes of Ed25519; a plain note signature has no time.',
      kind: 'refused',
    })
  }
}

const TIMESTAMP_SIZE_BYTES = 8
const TIMESTAMP_MAX = 2n ** 63n - 1n
const COSIGNATURE_SIZE_BYTES = TIMESTAMP_SIZE_BYTES + 64

/**
 * Time and signature of a `cosignature/v1` line, given its bytes behind the key id. Verifies nothing; see `openNote`.
 *
 * @throws {InvalidCosignatureError} not 72 bytes, or a time of 2^63 or later.
 */
export function decodeCosignature(bytes: Uint8Array): Cosignature {
  const sizeBytes = bytes.length
  if (sizeBytes !== COSIGNATURE_SIZE_BYTES) throw new InvalidCosignatureError({ sizeBytes })
  const timestampSeconds = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)
  if (timestampSeconds > TIMESTAMP_MAX) throw new InvalidCosignatureError({ sizeBytes })
  return { timestampSeconds, signature: bytes.slice(TIMESTAMP_SIZE_BYTES) }
}

/** What a witness signs: two header lines, then the whole text of the checkpoint, in UTF-8. */
export function encodeCosignedMessage(options: { timestampSeconds: bigint; text: Uint8Array }): Uint8Array {
  const header = new TextEncoder().encode(`cosignature/v1\ntime ${options.timestampSeconds}\n`)
  const message = new Uint8Array(header.length + options.text.length)
  message.set(header)
  message.set(options.text, header.length)
  return message
}

export type IsCosignedParameters = {
  /** The checkpoint's text in UTF-8. */
  message: Uint8Array
  /** The line's bytes behind the key id. */
  signature: Uint8Array
  /** Checks the witness's Ed25519 key. */
  isEd25519: (message: Uint8Array, signature: Uint8Array) => boolean
}

/** Whether `signature` is a well-formed cosignature over `message`. Never throws. */
export function isCosigned({ message, signature, isEd25519 }: IsCosignedParameters): boolean {
  let cosignature: Cosignature
  try {
    cosignature = decodeCosignature(signature)
  } catch {
    return false
  }
  const { timestampSeconds } = cosignature
  return isEd25519(encodeCosignedMessage({ timestampSeconds, text: message }), cosignature.signature)
}
