import { decodeAbiParameters, encodeAbiParameters, parseAbiParameters } from 'viem/utils'
import { fromHex, type Hex, isEqualBytes, toHex } from '../bytes.ts'
import { ADDRESSES_MAX, assertAddressList } from './addressList.ts'
import type { CertifiedCommit } from './certificate.ts'
import { COMMIT_TYPE } from './commit.ts'
import type { Committee } from './committee.ts'
import { assertReason, RETIREMENT_REASON_SIZE_MAX_BYTES } from './governance.ts'
import { SIGNATURE_SIZE_BYTES } from './signature.ts'
import { deriveTypehash } from './typedData.ts'

/**
 * The end of another component's epoch, with all that proves it: its last commit, the certificate, the committee that made the
 * certificate, and what `commit.next` commits to beside what stands in the commit itself (spec §4, §10).
 */
export type RecordedEnd = CertifiedCommit & {
  /** The committee of `commit.epoch`, as its hash commits to it. */
  committee: Committee
} & (
    | {
        kind: 'recordRotation'
        /** The epoch that it began. */
        newEpoch: bigint
        newCommitteeHash: Hex
      }
    | {
        kind: 'recordRetirement'
        /** Component key of what takes its place, or zero. */
        successor: Hex
        reason: string
      }
  )

const STRUCTS = `Certificate(uint32 round,uint256 signers,bytes signatures)${COMMIT_TYPE}`
const PROOF = 'Commit commit,Certificate certificate,address[] signers,bytes32 details'

export const RECORD_ROTATION_TYPEHASH: Hex = deriveTypehash(
  `RecordRotation(${PROOF},uint64 newEpoch,bytes32 newCommitteeHash)${STRUCTS}`,
)
export const RECORD_RETIREMENT_TYPEHASH: Hex = deriveTypehash(
  `RecordRetirement(${PROOF},bytes32 successor,string reason)${STRUCTS}`,
)

const ABI_STRUCTS = [
  'struct Commit { bytes32 component; uint64 epoch; uint64 height; bytes32 body; uint64 logSize; bytes32 logRoot; bytes32 state; uint64 timestampMs; bool anchor; bytes32 next; }',
  'struct Certificate { uint32 round; uint256 signers; bytes signatures; }',
] as const
const ROTATION_FIELDS = parseAbiParameters([
  'bytes32 typehash, Commit commit, Certificate certificate, address[] signers, bytes32 details, uint64 newEpoch, bytes32 newCommitteeHash',
  ...ABI_STRUCTS,
])
const RETIREMENT_FIELDS = parseAbiParameters([
  'bytes32 typehash, Commit commit, Certificate certificate, address[] signers, bytes32 details, bytes32 successor, string reason',
  ...ABI_STRUCTS,
])

/** A commit of ten words, some twenty of heads, offsets and lengths, and the lists at their longest. */
const SIZE_MAX_BYTES = 32 * 32 + ADDRESSES_MAX * (32 + SIGNATURE_SIZE_BYTES) + RETIREMENT_REASON_SIZE_MAX_BYTES

/**
 * `abi.encode(TYPEHASH, commit, certificate, signers, details, newEpoch, newCommitteeHash)`, or `…, successor, reason)`.
 *
 * @throws whatever `assertAddressList` throws for the committee.
 * @throws {InvalidGovernanceError} the reason is too long.
 */
export function encodeRecordedEnd(end: RecordedEnd): Uint8Array {
  const { commit, certificate, committee } = end
  const list = 'committee.signers'
  assertAddressList(committee.signers, { list, field: (index) => `${list}[${index}]` })
  if (end.kind === 'recordRetirement') assertReason(end.reason)
  const proof = [commit, certificate, committee.signers, committee.details] as const
  return fromHex(
    end.kind === 'recordRotation'
      ? encodeAbiParameters(ROTATION_FIELDS, [RECORD_ROTATION_TYPEHASH, ...proof, end.newEpoch, end.newCommitteeHash])
      : encodeAbiParameters(RETIREMENT_FIELDS, [RECORD_RETIREMENT_TYPEHASH, ...proof, end.successor, end.reason]),
  )
}

/** The exact inverse of `encodeRecordedEnd`; undefined for whatever else. Says nothing of what it proves. */
export function decodeRecordedEnd(bytes: Uint8Array): RecordedEnd | undefined {
  if (bytes.length > SIZE_MAX_BYTES) return undefined
  try {
    const end = decodeFields(bytes)
    return end !== undefined && isEqualBytes(encodeRecordedEnd(end), bytes) ? end : undefined
  } catch {
    return undefined
  }
}

function decodeFields(bytes: Uint8Array): RecordedEnd | undefined {
  switch (toHex(bytes.subarray(0, 32))) {
    case RECORD_ROTATION_TYPEHASH: {
      const [, commit, certificate, signers, details, newEpoch, newCommitteeHash] = decodeAbiParameters(
        ROTATION_FIELDS,
        bytes,
      )
      const committee = { signers: signers.map(toLowerCase), details }
      return { kind: 'recordRotation', commit, certificate, committee, newEpoch, newCommitteeHash }
    }
    case RECORD_RETIREMENT_TYPEHASH: {
      const [, commit, certificate, signers, details, successor, reason] = decodeAbiParameters(RETIREMENT_FIELDS, bytes)
      const committee = { signers: signers.map(toLowerCase), details }
      return { kind: 'recordRetirement', commit, certificate, committee, successor, reason }
    }
    default:
      return undefined
  }
}

const toLowerCase = (address: string): Hex => address.toLowerCase() as Hex
