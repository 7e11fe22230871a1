import { CoalitionError, countOf } from '../../protocol/errors.ts'
import { encodeAddCheckpoint } from '../../protocol/log/addCheckpoint.ts'
import { LOG_SIZE_MAX } from '../../protocol/log/logSize.ts'
import { createNoteVerifier } from '../../protocol/log/noteVerifier.ts'
import { openNote } from '../../protocol/log/openNote.ts'
import { decodeNote, type NoteSignature } from '../../protocol/log/signedNote.ts'
import type { VerifierKey } from '../../protocol/log/verifierKey.ts'

/** A witness as an operator names it: where it takes checkpoints, and its `cosignature/v1` key. */
export type Witness = {
  /** Submission prefix, http or https, without a slash at the end. */
  url: string
  key: VerifierKey
}

/** 16 lines of a name of up to 1,024 characters and 72 bytes in base64. */
const ANSWER_SIZE_MAX_BYTES = 1 << 15

export class WitnessUnreachableError extends CoalitionError {
  constructor({ name, reason, cause }: { name: string; reason: string; cause?: unknown }) {
    super('WITNESS_UNREACHABLE', `The witness ${name} gives no usable answer: ${reason}.`, {
      fix: 'Check its URL in WITNESSES, and that it is up; the member goes on and asks again by itself.',
      isRetryable: true,
      cause,
    })
  }
}

export class WitnessRefusedError extends CoalitionError {
  constructor({ name, reason }: { name: string; reason: string }) {
    super('WITNESS_REFUSED', `The witness ${name} refuses the checkpoint: ${reason}.`, {
      fix: 'Have its operator configure this log: its origin, and the note keys of the committee’s members.',
      kind: 'refused',
    })
  }
}

/** Ordinary: another member was there before, or this one has been away. */
export class WitnessConflictError extends CoalitionError {
  /** Leaves of the checkpoint that the witness has cosigned last. */
  readonly size: bigint
  constructor({ name, size }: { name: string; size: bigint }) {
    super('WITNESS_CONFLICT', `The witness ${name} has cosigned ${countOf(size, 'entry')} last.`, {
      fix: 'Prove that the checkpoint extends those.',
      isRetryable: true,
    })
    this.size = size
  }
}

export class WitnessContradictsError extends CoalitionError {
  constructor({ name, size }: { name: string; size: bigint }) {
    super(
      'WITNESS_CONTRADICTS',
      `The witness ${name} has cosigned another log of ${countOf(size, 'entry')} under this origin.`,
      {
        fix: 'Somebody showed it another history, signed by members: stop, keep its checkpoint and this log, and compare.',
        kind: 'refused',
      },
    )
  }
}

export class CosignatureRefusedError extends CoalitionError {
  constructor({ name, cause }: { name: string; cause?: unknown }) {
    super('COSIGNATURE_REFUSED', `What the witness ${name} answers is not its cosignature of this checkpoint.`, {
      fix: 'Compare its key in WITNESSES with the one that its operator publishes.',
      kind: 'refused',
      cause,
    })
  }
}

export type AddCheckpointParameters = {
  /** The checkpoint, signed by at least one member. */
  note: Uint8Array
  /** Its leaves. */
  size: bigint
  /** Leaves of the checkpoint that the witness has cosigned last. */
  oldSize: bigint
  /** From `oldSize` to `size`. */
  proof: readonly Uint8Array[]
  /** Milliseconds for all of it. */
  timeoutMs: number
  /** Gives up earlier. */
  signal?: AbortSignal
}

/**
 * Asks a witness for its cosignature of a checkpoint (C2SP tlog-witness).
 *
 * @returns its line, verified with the key that the operator gave; lines of other keys are left out.
 * @throws {WitnessConflictError} it has cosigned another size last, and says which.
 * @throws {WitnessContradictsError} it has cosigned another root of this very size.
 * @throws {WitnessRefusedError} it does not know the log or the key, or the proof does not convince it.
 * @throws {CosignatureRefusedError} its answer is not its cosignature of this checkpoint.
 * @throws {WitnessUnreachableError} no answer in time, or none that the protocol knows.
 */
export async function addCheckpoint(
  { url, key }: Witness,
  { note, size, oldSize, proof, timeoutMs, signal }: AddCheckpointParameters,
): Promise<NoteSignature> {
  const { name } = key
  const signals = [AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])]
  let status: number
  let answer: Uint8Array
  try {
    const response = await fetch(`${url}/add-checkpoint`, {
      method: 'POST',
      body: encodeAddCheckpoint({ oldSize, proof, note }) as Uint8Array<ArrayBuffer>,
      redirect: 'error',
      signal: AbortSignal.any(signals),
    })
    status = response.status
    answer = await readBody(response, { name })
  } catch (cause) {
    if (cause instanceof CoalitionError) throw cause
    const isLate = cause instanceof Error && cause.name === 'TimeoutError'
    throw new WitnessUnreachableError({ name, reason: isLate ? `none within ${timeoutMs} ms` : 'no connection', cause })
  }
  const refuse = (reason: string): never => {
    throw new WitnessRefusedError({ name, reason })
  }
  switch (status) {
    case 200:
      return openCosignature(answer, { note, key })
    case 400:
      return refuse('it calls the request malformed (400)')
    case 403:
      return refuse('it trusts none of the keys that signed (403)')
    case 404:
      return refuse('it does not know the log (404)')
    case 409:
      throw conflict(answer, { name, size, oldSize })
    case 422:
      return refuse('the consistency proof does not hold for it (422)')
    default:
      throw new WitnessUnreachableError({ name, reason: `it answers ${status}` })
  }
}

function conflict(answer: Uint8Array, { name, size, oldSize }: { name: string; size: bigint; oldSize: bigint }): Error {
  const [, digits] = /^(0|[1-9][0-9]{0,19})\n$/.exec(new TextDecoder().decode(answer)) ?? []
  const lastSize = digits === undefined ? undefined : BigInt(digits)
  // Asked with its own size it can only mean the root; of that answer's body the protocol says nothing.
  if (oldSize === size && (lastSize === undefined || lastSize === size)) {
    return new WitnessContradictsError({ name, size })
  }
  if (lastSize === undefined || lastSize > LOG_SIZE_MAX || lastSize === oldSize) {
    return new WitnessUnreachableError({ name, reason: 'its conflict (409) names no other size' })
  }
  return new WitnessConflictError({ name, size: lastSize })
}

function openCosignature(answer: Uint8Array, { note, key }: { note: Uint8Array; key: VerifierKey }): NoteSignature {
  const { name } = key
  const verifier = createNoteVerifier(key)
  const joined = new Uint8Array(note.length + answer.length)
  joined.set(note)
  joined.set(answer, note.length)
  try {
    const { text, verified } = openNote({ note: joined, verifiers: [verifier] })
    // An answer with an empty line would make another text of it.
    if (text === decodeNote(note).text) return verified[0]!
  } catch (cause) {
    if (!(cause instanceof CoalitionError)) throw cause
    throw new CosignatureRefusedError({ name, cause })
  }
  throw new CosignatureRefusedError({ name })
}

async function readBody(response: Response, { name }: { name: string }): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.length
    if (sizeBytes > ANSWER_SIZE_MAX_BYTES) throw new WitnessUnreachableError({ name, reason: 'its answer is too long' })
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}
