import type { Branded } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { type Checkpoint, decodeCheckpoint } from './checkpoint.ts'
import type { NoteVerifier } from './noteVerifier.ts'
import { openNote } from './openNote.ts'
import type { NoteSignature } from './signedNote.ts'

/** A head that members of its committee have signed. Only `verifyCheckpoint` makes one. */
export type VerifiedCheckpoint = Branded<
  Checkpoint & {
    /** Good signatures of known keys, the log's own and witnesses', in the note's order. */
    verified: readonly NoteSignature[]
    /** Signatures of unknown keys. */
    unverified: readonly NoteSignature[]
  },
  'VerifiedCheckpoint'
>

export class CheckpointOriginError extends CoalitionError {
  constructor({ origin, expected }: { origin: string; expected: string }) {
    super('CHECKPOINT_ORIGIN', `The checkpoint is of ${origin}, not of ${expected}.`, {
      fix: 'Ask for the checkpoint of the log that you mean; a key may sign for more logs than one.',
      kind: 'refused',
    })
  }
}

export class CheckpointSignaturesError extends CoalitionError {
  constructor({ count, countMin }: { count: number; countMin: number }) {
    super(
      'CHECKPOINT_SIGNATURES',
      `${count} key(s) of the log have signed the checkpoint; ${countMin} are asked for.`,
      {
        fix: 'Ask again when more members are at work, join the lines of other members’ checkpoints of this size, or ask for fewer.',
        kind: 'refused',
      },
    )
  }
}

export class CheckpointWitnessesError extends CoalitionError {
  constructor({ count, countMin }: { count: number; countMin: number }) {
    super('CHECKPOINT_WITNESSES', `${count} witness(es) have cosigned the checkpoint; ${countMin} are asked for.`, {
      fix: 'Read the checkpoint below a member’s /witnessed/, or one that is older; give the witnesses’ keys as they publish them.',
      kind: 'refused',
    })
  }
}

export type VerifyCheckpointParameters = {
  /** The note's bytes as they were received; at most 1,000,000. */
  note: Uint8Array
  /** The log that the caller means; `encodeLogOrigin(componentKey)` for a component's. */
  origin: string
  /** Keys that the caller trusts, from the component's config or its registry. */
  verifiers: readonly NoteVerifier[]
  /** How many keys of the log itself, those named as its origin, must have signed. Default 1; f + 1 has an honest one. */
  signaturesMin?: number
  /** How many witnesses, keys of another name than the origin, must have cosigned; several of one name are one. Default 0. */
  witnessesMin?: number
}

/**
 * Verifies a checkpoint's signatures and origin (spec §6; C2SP tlog-checkpoint).
 *
 * A member's signature is its word alone. What binds a committee is a quorum's, a certificate or an anchored head: compare
 * size and root with one, or prove consistency with it, before relying on more than `signaturesMin` members' honesty.
 *
 * @throws {MalformedNoteError} the bytes are not a signed note.
 * @throws {NoteSignatureError} a known key's signature is wrong.
 * @throws {NoteUnverifiedError} no known key has signed it.
 * @throws {AmbiguousVerifierError} two verifiers have the name and id of a signature.
 * @throws {MalformedCheckpointError} the signed text is not a checkpoint.
 * @throws {CheckpointOriginError} it is of another log.
 * @throws {CheckpointSignaturesError} fewer than `signaturesMin` of the log's own keys have signed it.
 * @throws {CheckpointWitnessesError} fewer than `witnessesMin` others have.
 */
export function verifyCheckpoint(parameters: VerifyCheckpointParameters): VerifiedCheckpoint {
  const { note, origin, verifiers, signaturesMin = 1, witnessesMin = 0 } = parameters
  const { text, verified, unverified } = openNote({ note, verifiers })
  const checkpoint = decodeCheckpoint(text)
  if (checkpoint.origin !== origin) throw new CheckpointOriginError({ origin: checkpoint.origin, expected: origin })
  const count = verified.filter(({ name }) => name === origin).length
  if (count < signaturesMin) throw new CheckpointSignaturesError({ count, countMin: signaturesMin })
  const witnesses = new Set(verified.flatMap(({ name }) => (name === origin ? [] : [name]))).size
  if (witnesses < witnessesMin) throw new CheckpointWitnessesError({ count: witnesses, countMin: witnessesMin })
  return { ...checkpoint, verified, unverified } as VerifiedCheckpoint
}
