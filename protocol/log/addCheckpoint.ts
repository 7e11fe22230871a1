import { encodeBase64 } from './base64.ts'
import { assertHash } from './treeHash.ts'

/** Lines of a consistency proof that a witness takes at the most. */
const PROOF_LINES_MAX = 63

export type AddCheckpoint = {
  /** Leaves of the checkpoint that the witness has cosigned last; 0 where it has none. */
  oldSize: bigint
  /** RFC 9162 §2.1.4.1 from `oldSize` to the checkpoint's size; empty from 0, and where the sizes are equal. */
  proof: readonly Uint8Array[]
  /** The checkpoint as a signed note. */
  note: Uint8Array
}

/**
 * The body of a request to a witness's `add-checkpoint` (C2SP tlog-witness).
 *
 * @throws {HashLengthError} a hash of the proof is not 32 bytes.
 * @throws {RangeError} the proof is longer than any is, or the size is negative.
 */
export function encodeAddCheckpoint({ oldSize, proof, note }: AddCheckpoint): Uint8Array {
  if (oldSize < 0n || proof.length > PROOF_LINES_MAX) throw new RangeError('no proof has this size or length')
  for (const hash of proof) assertHash(hash, 'proof')
  const head = new TextEncoder().encode([`old ${oldSize}`, ...proof.map(encodeBase64), '', ''].join('\n'))
  const body = new Uint8Array(head.length + note.length)
  body.set(head)
  body.set(note, head.length)
  return body
}
