import { ed25519 } from '@noble/curves/ed25519.js'
import { encodeNote, type NoteSignature } from './signedNote.ts'
import { deriveKeyId, InvalidVerifierKeyError, type VerifierKey } from './verifierKey.ts'

/** Signs with one note key that stays where it is. Where signing is asynchronous, sign first and use `encodeNote`. */
export type NoteSigner = {
  readonly name: string
  /** A uint32; see `deriveKeyId`. */
  readonly keyId: number
  /** The signature, without the key id, over `message`, a note's text in UTF-8. */
  sign(message: Uint8Array): Uint8Array
}

export type SignNoteParameters = {
  /** One or more lines, the last one's newline included. */
  text: string
  /** One or more, each of another key. */
  signers: readonly NoteSigner[]
  /** Signatures that the note carries already, kept before the new ones; those by the same keys are replaced. */
  signatures?: readonly NoteSignature[]
}

/**
 * Signs `text` and gives the note's bytes (C2SP signed-note).
 *
 * @throws {MalformedNoteError} text or signatures are not what a note can carry, or they are more than 100.
 */
export function signNote({ text, signers, signatures = [] }: SignNoteParameters): Uint8Array {
  const message = new TextEncoder().encode(text)
  const kept = signatures.filter(
    ({ name, keyId }) => !signers.some((signer) => signer.name === name && signer.keyId === keyId),
  )
  const added = signers.map((signer) => ({
    name: signer.name,
    keyId: signer.keyId,
    signature: signer.sign(message),
  }))
  return encodeNote({ text, signatures: [...kept, ...added] })
}

/**
 * A signer by @noble/curves from an Ed25519 seed: for tests and browsers. Services keep the seed elsewhere and
 * bring a `NoteSigner` of their own.
 *
 * @returns The signer and its public half, which `encodeVerifierKey` writes down.
 * @throws {InvalidVerifierKeyError} `name` is not a key name, or the seed is not 32 bytes.
 */
export function createEd25519Signer(options: { name: string; seed: Uint8Array }): NoteSigner & { key: VerifierKey } {
  const { name } = options
  if (options.seed.length !== 32) throw new InvalidVerifierKeyError({ reason: 'its seed is not 32 bytes' })
  const seed = Uint8Array.from(options.seed)
  const key: VerifierKey = { name, algorithm: 'ed25519', publicKey: ed25519.getPublicKey(seed) }
  return { name, keyId: deriveKeyId(key), key, sign: (message) => ed25519.sign(message, seed) }
}
