import { z } from 'zod'
import { fromHex, type Hex, isHex, toHex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { hashLeaf } from '../log/treeHash.ts'
import { verifyInclusion } from '../log/verifyInclusion.ts'
import { type VerifiedCommit, verifyCertificate } from './certificate.ts'
import { deriveBodyDigest } from './commit.ts'
import { type CommitRecord, decodeCommitRecord, encodeCommitRecord } from './commitRecord.ts'
import { encodeEnvelope, type SignedEnvelope } from './envelope.ts'

/** Proof that an envelope was decided: a certified commit, and the envelope's place under its batch root (spec §5.3). */
export type Acknowledgement = {
  record: CommitRecord
  /** The envelope's place in the batch, from 0. */
  index: number
  /** Envelopes of the batch. */
  count: number
  /** RFC 9162 inclusion proof to `record.body.batchRoot`. */
  proof: readonly Uint8Array[]
}

export class AcknowledgementRefusedError extends CoalitionError {
  constructor({ reason, cause }: { reason: string; cause?: unknown }) {
    super('ACKNOWLEDGEMENT_REFUSED', `An acknowledgement does not hold: ${reason}.`, {
      fix: 'Wait for another member’s; a job’s result is only a hint until it is proven.',
      kind: 'refused',
      cause,
    })
  }
}

export type VerifyAcknowledgementParameters = {
  acknowledgement: Acknowledgement
  /** What was sent. */
  envelope: SignedEnvelope
  /** The committee of the commit's epoch, strictly ascending. */
  signers: readonly Hex[]
}

/** @throws {AcknowledgementRefusedError} the certificate or the inclusion does not hold, or it is another component's. */
export function verifyAcknowledgement(parameters: VerifyAcknowledgementParameters): VerifiedCommit {
  const { acknowledgement, envelope, signers } = parameters
  const { record, index, count, proof } = acknowledgement
  if (record.commit.component !== envelope.component) {
    throw new AcknowledgementRefusedError({ reason: 'it is of another component' })
  }
  if (deriveBodyDigest(record.body) !== record.commit.body) {
    throw new AcknowledgementRefusedError({ reason: 'its body is not what the commit names' })
  }
  try {
    verifyInclusion({
      index: BigInt(index),
      size: BigInt(count),
      root: fromHex(record.body.batchRoot),
      leafHash: hashLeaf(encodeEnvelope(envelope)),
      proof,
    })
    return verifyCertificate({ ...record, signers })
  } catch (cause) {
    if (!(cause instanceof CoalitionError)) throw cause
    throw new AcknowledgementRefusedError({ reason: cause.message, cause })
  }
}

const PROOF_HASHES_MAX = 32
const ACKNOWLEDGEMENT = z.strictObject({
  record: z.string(),
  index: z.int().min(0),
  count: z.int().min(1),
  proof: z.array(z.custom<Hex>((value) => isHex(value, 32))).max(PROOF_HASHES_MAX),
})

/** As a job's result carries it. */
export const encodeAcknowledgement = ({ record, index, count, proof }: Acknowledgement): string =>
  JSON.stringify({ record: encodeCommitRecord(record), index, count, proof: proof.map(toHex) })

/** @throws {AcknowledgementRefusedError | MalformedCommitRecordError} not of this form. */
export function decodeAcknowledgement(text: unknown): Acknowledgement {
  let json: unknown
  try {
    json = JSON.parse(String(text))
  } catch {
    throw new AcknowledgementRefusedError({ reason: 'it is not JSON' })
  }
  const parsed = ACKNOWLEDGEMENT.safeParse(json)
  if (!parsed.success) throw new AcknowledgementRefusedError({ reason: 'it has not the form of one' })
  const { record, index, count, proof } = parsed.data
  return { record: decodeCommitRecord(record), index, count, proof: proof.map(fromHex) }
}
