import { createPublicKey, sign as signBytes, verify } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'
import { createNoteSigningKey, type UnlockedKey } from '../../client/keystore.ts'
import { fromHex } from '../../protocol/bytes.ts'
import type { NoteVerifier } from '../../protocol/log/noteVerifier.ts'
import type { NoteSigner } from '../../protocol/log/signNote.ts'
import { deriveKeyId, type VerifierKey } from '../../protocol/log/verifierKey.ts'
import type { Member } from '../../protocol/wire/committee.ts'

/** Signs the checkpoints of the log `origin` with a member's note key (spec §6). */
export function createCheckpointSigner(options: {
  key: Pick<UnlockedKey, 'noteSeed' | 'noteKey'>
  origin: string
}): NoteSigner {
  const { key, origin } = options
  const signingKey = createNoteSigningKey(key.noteSeed)
  return {
    name: origin,
    keyId: deriveKeyId({ name: origin, algorithm: 'ed25519', publicKey: fromHex(key.noteKey) }),
    sign: (message) => new Uint8Array(signBytes(null, message, signingKey)),
  }
}

/**
 * Verifiers of those members that have a note key, by Node.js' own Ed25519: at two heads a second and up to 255 peers a
 * portable one costs too much. It accepts nothing that `createNoteVerifier` refuses; a key for which it would is left out.
 */
export const createMemberVerifiers = (members: readonly Member[], { origin }: { origin: string }): NoteVerifier[] =>
  members.flatMap(({ noteKey }) => {
    if (noteKey === undefined) return []
    const verifier = createNodeVerifier({ name: origin, algorithm: 'ed25519', publicKey: fromHex(noteKey) })
    return verifier === undefined ? [] : [verifier]
  })

/** Ed25519's SubjectPublicKeyInfo up to the key's 32 bytes (RFC 8410 §4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

function createNodeVerifier(key: VerifierKey): NoteVerifier | undefined {
  try {
    if (ed25519.Point.fromBytes(key.publicKey).isSmallOrder()) return undefined
  } catch {
    return undefined // no point of the curve
  }
  const der = Buffer.concat([SPKI_PREFIX, key.publicKey])
  const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' })
  return {
    name: key.name,
    keyId: deriveKeyId(key),
    isSigned: (message, signature) => signature.length === 64 && verify(null, message, publicKey, signature),
  }
}
