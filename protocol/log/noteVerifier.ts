import { ed25519 } from '@noble/curves/ed25519.js'
import { isCosigned } from './cosignature.ts'
import { deriveKeyId, type VerifierKey } from './verifierKey.ts'

/** Checks the signatures of one note key. An interface, so that a runtime's own Ed25519 can stand in. */
export type NoteVerifier = {
  readonly name: string
  /** A uint32; see `deriveKeyId`. */
  readonly keyId: number
  /** Whether `signature`, without the key id, is this key's over `message`, a note's text in UTF-8. Never throws. */
  isSigned(message: Uint8Array, signature: Uint8Array): boolean
}

/**
 * A verifier by @noble/curves for either algorithm.
 *
 * @throws {InvalidVerifierKeyError} the name or the length of the public key is not as signed notes have it.
 */
export function createNoteVerifier(key: VerifierKey): NoteVerifier {
  const { name, algorithm } = key
  const publicKey = Uint8Array.from(key.publicKey)
  const isEd25519 = (message: Uint8Array, signature: Uint8Array): boolean =>
    // RFC 8032, not ZIP 215: keys and signatures have one encoding each, and a key of small order signs nothing.
    signature.length === 64 && ed25519.verify(signature, message, publicKey, { zip215: false })
  return {
    name,
    keyId: deriveKeyId(key),
    isSigned: (message, signature) =>
      algorithm === 'ed25519' ? isEd25519(message, signature) : isCosigned({ message, signature, isEd25519 }),
  }
}
