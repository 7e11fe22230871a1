import { z } from 'zod'
import { type Hex, isHex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { ADDRESSES_MAX } from './addressList.ts'
import type { Certificate } from './certificate.ts'
import { type Body, type Commit, deriveBodyDigest } from './commit.ts'
import { decodeJson, hexOf, toDecimal, uint64 } from './decodeJson.ts'
import { SIGNATURE_SIZE_BYTES } from './signature.ts'

/** A commit with all that a stranger needs to check it, as members serve it under `/commit/HEIGHT` (spec §6). */
export type CommitRecord = { commit: Commit; body: Body; certificate: Certificate }

export class MalformedCommitRecordError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('MALFORMED_COMMIT_RECORD', `What was served is no commit: ${reason}.`, {
      fix: 'Ask another member; if this one runs the same release, treat it as faulty.',
      kind: 'refused',
    })
  }
}

const uint32 = z
  .int()
  .min(0)
  .max(2 ** 32 - 1)
const bitmap = z
  .string()
  .regex(/^0x(?:0|[1-9a-f][0-9a-f]{0,63})$/, 'not a uint256 in hex')
  .transform(BigInt)
const signatures = z.custom<Hex>(
  (value) => isHex(value) && value.length <= 2 + 2 * SIGNATURE_SIZE_BYTES * ADDRESSES_MAX,
  'not signatures in hex',
)

const RECORD = z.strictObject({
  commit: z.strictObject({
    component: hexOf(32),
    epoch: uint64,
    height: uint64,
    body: hexOf(32),
    logSize: uint64,
    logRoot: hexOf(32),
    state: hexOf(32),
    timestampMs: uint64,
    anchor: z.boolean(),
    next: hexOf(32),
  }),
  body: z.strictObject({ parent: hexOf(32), batchRoot: hexOf(32), extensionsRoot: hexOf(32), machineVersion: uint32 }),
  certificate: z.strictObject({ round: uint32, signers: bitmap, signatures }),
})

/** The JSON text of a record: uint64 as decimal strings, the bitmap as hex without leading zeros, bytes as hex. */
export function encodeCommitRecord({ commit, body, certificate }: CommitRecord): string {
  const signers = `0x${certificate.signers.toString(16)}`
  return JSON.stringify({ commit, body, certificate: { ...certificate, signers } }, toDecimal)
}

/**
 * Decodes what `encodeCommitRecord` gives. The body is checked against the commit; the certificate is not yet.
 *
 * @throws {MalformedCommitRecordError}
 */
export function decodeCommitRecord(text: string): CommitRecord {
  const refuse = (reason: string) => new MalformedCommitRecordError({ reason })
  const record = decodeJson(text, { shape: RECORD, refuse })
  if (deriveBodyDigest(record.body) !== record.commit.body) throw refuse('its body is not what the commit names')
  return record
}
