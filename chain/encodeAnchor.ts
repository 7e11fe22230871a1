import { type Hex, toHex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import type { CertifiedCommit } from '../protocol/wire/certificate.ts'
import { ZERO_BYTES32 } from '../protocol/wire/commit.ts'
import { deriveCommitteeHash, deriveDetails, type Member } from '../protocol/wire/committee.ts'
import { hashRetirementMarker, hashRotation } from '../protocol/wire/next.ts'
import type { Head } from './head.ts'

/** What `commit.next` commits to, beside what the commit itself says. */
export type Next =
  | { kind: 'rotation'; newCommitteeHash: Hex }
  | {
      kind: 'retirement'
      /** Component key, or zero. */
      successor: Hex
      /** At most `REASON_SIZE_BYTES_MAX` bytes of UTF-8. */
      reason: string
    }

export const REASON_SIZE_BYTES_MAX = 256

export class CommitNotAnchorableError extends CoalitionError {
  constructor({ height, reason }: { height: bigint; reason: string }) {
    super('COMMIT_NOT_ANCHORABLE', `The commit of height ${height} cannot be anchored: ${reason}.`, {
      fix: 'Anchor a commit that the machine marked, of the head’s epoch, with its own committee, proof and next.',
      kind: 'refused',
    })
  }
}

export type EncodeAnchorParameters = {
  /** The newest head, as its event gave it. */
  previous: Head
  certified: CertifiedCommit
  /** The committee of the commit's epoch, in ascending order of signer. */
  members: readonly Member[]
  /** RFC 9162 consistency proof from `previous.logSize` to the commit's; empty from an empty log. */
  consistencyProof: readonly Uint8Array[]
  /** Present exactly where `commit.next` is not zero. */
  next?: Next | undefined
}

/**
 * The one argument of the registry's `anchor` (contracts/libraries/AnchorCall.sol draws it).
 *
 * Says what is wrong with a commit that the packed form could not even express, because the chain could only answer
 * that another digest was signed. Signatures and proof are the chain's to check, or `verifyCertificate`'s before.
 *
 * @throws {CommitNotAnchorableError} not marked, of another epoch, or with another committee or `next` than given.
 */
export function encodeAnchor(parameters: EncodeAnchorParameters): Hex {
  const { previous, certified, members, consistencyProof, next } = parameters
  const { commit, certificate } = certified
  const refuse = (reason: string): never => {
    throw new CommitNotAnchorableError({ height: commit.height, reason })
  }
  if (!commit.anchor) refuse('it is not marked for the chain')
  if (commit.epoch !== previous.epoch) refuse(`it is of epoch ${commit.epoch} and the head of ${previous.epoch}`)
  if (deriveCommitteeHash(members) !== previous.committeeHash) refuse('the members are not the head’s committee')
  if (commit.next !== hashNext(next, commit)) refuse('its next is not what was given')

  const isSigner = (_: unknown, index: number): boolean => ((certificate.signers >> BigInt(index)) & 1n) === 1n
  const absentees = members.filter((member, index) => !isSigner(member, index))
  const signatureCount = (certificate.signatures.length - 2) / 128
  if (members.length - absentees.length !== signatureCount) refuse('it has not one signature a signer')
  const nodes = previous.logSize === 0n ? [commit.logRoot] : consistencyProof.map(toHex)
  if (nodes.length > 255 || (previous.logSize === 0n && consistencyProof.length > 0)) refuse('the proof is too long')

  return concat([
    commit.component,
    previous.committeeHash,
    previous.logRoot,
    previous.state,
    uint(previous.epoch, 8),
    uint(previous.height, 8),
    uint(previous.logSize, 8),
    uint(previous.timestampMs, 8),
    uint(previous.anchorIndex, 8),
    uint(previous.anchoredAt, 8),
    commit.body,
    commit.state,
    uint(commit.height, 8),
    uint(commit.logSize, 8),
    uint(commit.timestampMs, 8),
    uint(certificate.round, 4),
    uint(members.length - 1, 1),
    uint(signatureCount - 1, 1),
    uint(nodes.length, 1),
    uint(next === undefined ? 0 : next.kind === 'rotation' ? 1 : 2, 1),
    deriveDetails(members),
    uint(certificate.signers, Math.ceil(members.length / 8)),
    certificate.signatures,
    ...absentees.map(({ signer }) => signer),
    ...nodes,
    ...encodeNext(next, refuse),
  ])
}

function hashNext(next: Next | undefined, commit: CertifiedCommit['commit']): Hex {
  const { component, epoch, height } = commit
  if (next === undefined) return ZERO_BYTES32
  return next.kind === 'rotation'
    ? hashRotation({ component, newEpoch: epoch + 1n, newCommitteeHash: next.newCommitteeHash })
    : hashRetirementMarker({ component, successor: next.successor, effectiveHeight: height, reason: next.reason })
}

function encodeNext(next: Next | undefined, refuse: (reason: string) => never): Hex[] {
  if (next === undefined) return []
  if (next.kind === 'rotation') return [next.newCommitteeHash]
  const reason = new TextEncoder().encode(next.reason)
  if (reason.length > REASON_SIZE_BYTES_MAX) refuse(`its reason has ${reason.length} bytes`)
  return [next.successor, toHex(reason)]
}

const concat = (parts: readonly Hex[]): Hex => `0x${parts.map((part) => part.slice(2)).join('')}`

const uint = (value: bigint | number, sizeBytes: number): Hex => {
  const digits = value.toString(16)
  if (digits.length > 2 * sizeBytes || digits.startsWith('-'))
    throw new RangeError(`${value} does not fit ${sizeBytes} bytes`)
  return `0x${digits.padStart(2 * sizeBytes, '0')}`
}
