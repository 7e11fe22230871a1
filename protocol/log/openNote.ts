import { isEqualBytes } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import type { NoteVerifier } from './noteVerifier.ts'
import { decodeNote, type NoteSignature } from './signedNote.ts'
import { formatKeyId } from './verifierKey.ts'

export type OpenedNote = {
  /** Signed by every key of `verified`. */
  text: string
  /** Good signatures of known keys, one a key, in the note's order; at least one. */
  verified: readonly NoteSignature[]
  /** Signatures of keys that no verifier was given for: neither good nor bad, only unknown. */
  unverified: readonly NoteSignature[]
}

export class NoteSignatureError extends CoalitionError {
  constructor({ name, keyId }: { name: string; keyId: number }) {
    super('NOTE_SIGNATURE', `The signature of ${name}+${formatKeyId(keyId)} is not over this text.`, {
      fix: 'Treat the note as forged or damaged; fetch it again, from another member if need be.',
      kind: 'refused',
    })
  }
}

export class NoteUnverifiedError extends CoalitionError {
  constructor() {
    super('NOTE_UNVERIFIED', 'No signature of the note is of a key that was given.', {
      fix: 'Give the verifier keys that you trust for this note’s origin; take them from its config, not from the note.',
      kind: 'refused',
    })
  }
}

export class AmbiguousVerifierError extends CoalitionError {
  constructor({ name, keyId }: { name: string; keyId: number }) {
    super('AMBIGUOUS_VERIFIER', `Two verifiers were given for ${name}+${formatKeyId(keyId)}.`, {
      fix: 'Give each key once; where two keys share an id, one of their owners has to choose another key.',
    })
  }
}

export type OpenNoteParameters = {
  /** The note's bytes as they were received; at most 1,000,000. */
  note: Uint8Array
  /** Keys that the caller trusts; `createNoteVerifier` makes one from a verifier key. */
  verifiers: readonly NoteVerifier[]
}

/**
 * Reads a note and verifies the signatures of known keys, as Go's sumdb client does (C2SP signed-note).
 *
 * Signatures of unknown keys are set aside, even under a known name. Of several by one key the first counts.
 *
 * @throws {MalformedNoteError} the bytes are not a signed note.
 * @throws {NoteSignatureError} a known key's signature is wrong: that refuses the note whatever else it carries.
 * @throws {NoteUnverifiedError} no known key has signed it.
 * @throws {AmbiguousVerifierError} two verifiers have the name and id of a signature.
 */
export function openNote({ note, verifiers }: OpenNoteParameters): OpenedNote {
  const { text, signatures } = decodeNote(note)
  const message = new TextEncoder().encode(text)
  const verified: NoteSignature[] = []
  const unverified: NoteSignature[] = []
  for (const line of signatures) {
    const [verifier, second] = verifiers.filter((verifier) => isSameKey(verifier, line))
    if (second !== undefined) throw new AmbiguousVerifierError(line)
    if (verifier === undefined) {
      if (!unverified.some((seen) => isSameKey(seen, line) && isEqualBytes(seen.signature, line.signature)))
        unverified.push(line)
    } else if (!verified.some((seen) => isSameKey(seen, line))) {
      if (!verifier.isSigned(message, line.signature)) throw new NoteSignatureError(line)
      verified.push(line)
    }
  }
  if (verified.length === 0) throw new NoteUnverifiedError()
  return { text, verified, unverified }
}

type KeyReference = { name: string; keyId: number }

const isSameKey = (a: KeyReference, b: KeyReference): boolean => a.keyId === b.keyId && a.name === b.name
