import { decodeAbiParameters, encodeAbiParameters, parseAbiParameters } from 'viem/utils'
import { assertHex, fromHex, type Hex, isEqualBytes, toHex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { keccak256 } from '../hash.ts'
import { ZERO_BYTES32 } from './commit.ts'
import { assertMembers, deriveCommitteeHash, type Member } from './committee.ts'
import { hashRotation, RETIREMENT_MARKER_TYPEHASH, type RetirementMarker } from './next.ts'
import { deriveTypehash } from './typedData.ts'

/** Bytes of a retirement's reason at the most, as the registry takes them. */
export const RETIREMENT_REASON_SIZE_MAX_BYTES = 256

/**
 * What a member asks of its own committee, whatever the component's machine is (spec §5.1, §9). It is decided when a quorum
 * of the epoch's members stand by the very same bytes; one member alone changes nothing.
 */
export type GovernanceCommand =
  | {
      kind: 'approveRotation'
      /** The epoch that the new committee begins: one above the current. */
      newEpoch: bigint
      /** The whole next committee, strictly ascending by signer. */
      members: readonly Member[]
    }
  | {
      kind: 'approveRetirement'
      /** The epoch whose members decide it: an approval is of no use in another. */
      epoch: bigint
      /** Component key of what takes its place, or zero. */
      successor: Hex
      /** For people; at most 256 bytes of UTF-8. */
      reason: string
    }

/** What a decided rotation leaves in the component's log: the whole committee that the new epoch begins with. */
export type CommitteeRotated = { newEpoch: bigint; members: readonly Member[] }

export class InvalidGovernanceError extends CoalitionError {
  constructor({ reason, cause }: { reason: string; cause?: unknown }) {
    super('INVALID_GOVERNANCE', `The approval cannot be read: ${reason}.`, {
      fix: 'Name every member of the next committee in ascending order of signer, or a successor and a reason of at most 256 bytes.',
      cause,
    })
  }
}

export const APPROVE_ROTATION_TYPEHASH: Hex = deriveTypehash(
  'ApproveRotation(uint64 newEpoch,address[] signers,bytes32[] noteKeys)',
)
export const APPROVE_RETIREMENT_TYPEHASH: Hex = deriveTypehash(
  'ApproveRetirement(uint64 epoch,bytes32 successor,string reason)',
)
export const COMMITTEE_ROTATED_TYPEHASH: Hex = deriveTypehash(
  'CommitteeRotated(uint64 newEpoch,address[] signers,bytes32[] noteKeys)',
)

const COMMITTEE_FIELDS = parseAbiParameters('bytes32 typehash, uint64 newEpoch, address[] signers, bytes32[] noteKeys')
const RETIREMENT_FIELDS = parseAbiParameters('bytes32 typehash, uint64 epoch, bytes32 successor, string reason')
const MARKER_FIELDS = parseAbiParameters(
  'bytes32 typehash, bytes32 component, bytes32 successor, uint64 effectiveHeight, string reason',
)

const COMMAND_TYPEHASHES = [APPROVE_ROTATION_TYPEHASH, APPROVE_RETIREMENT_TYPEHASH].map(fromHex)

/** Whether the bytes claim to be a governance command: a component's machine is never given such a one. */
export function isGovernanceCommand(payload: Uint8Array): boolean {
  const typehash = payload.subarray(0, 32)
  return COMMAND_TYPEHASHES.some((each) => isEqualBytes(each, typehash))
}

/**
 * `abi.encode(APPROVE_ROTATION_TYPEHASH, newEpoch, signers, noteKeys)`, a note key for each signer and zero for a member
 * without; or `abi.encode(APPROVE_RETIREMENT_TYPEHASH, epoch, successor, reason)`.
 *
 * @throws {InvalidGovernanceError} the reason is too long.
 * @throws whatever `assertMembers` throws for the next committee.
 */
export function encodeGovernanceCommand(command: GovernanceCommand): Uint8Array {
  if (command.kind === 'approveRotation') return encodeCommittee(APPROVE_ROTATION_TYPEHASH, command)
  const { epoch, successor, reason } = command
  assertHex(successor, { field: 'successor', sizeBytes: 32 })
  assertReason(reason)
  return fromHex(encodeAbiParameters(RETIREMENT_FIELDS, [APPROVE_RETIREMENT_TYPEHASH, epoch, successor, reason]))
}

/** What names an encoded command where approvals of it are counted: its keccak-256, as the state has it. */
export const deriveGovernanceDigest = (payload: Uint8Array): Hex => toHex(keccak256(payload))

/**
 * The exact inverse of `encodeGovernanceCommand`.
 *
 * @throws {InvalidGovernanceError} another kind, or not the one canonical encoding of members that may form a committee.
 */
export function decodeGovernanceCommand(bytes: Uint8Array): GovernanceCommand {
  const command = decodeExactly(bytes, decodeCommandFields, encodeGovernanceCommand)
  if (command === undefined) throw new InvalidGovernanceError({ reason: 'it is no canonical encoding of one' })
  return command
}

function decodeCommandFields(bytes: Uint8Array): GovernanceCommand {
  const typehash = toHex(bytes.subarray(0, 32))
  if (typehash === APPROVE_ROTATION_TYPEHASH) return { kind: 'approveRotation', ...decodeCommittee(bytes) }
  const [, epoch, successor, reason] = decodeAbiParameters(RETIREMENT_FIELDS, bytes)
  return { kind: 'approveRetirement', epoch, successor, reason }
}

/**
 * The log entry of a rotation: `abi.encode(COMMITTEE_ROTATED_TYPEHASH, newEpoch, signers, noteKeys)`. It is the last entry
 * of the commit that decides it, and `Commit.next` commits to what it holds.
 */
export const encodeCommitteeRotated = (rotated: CommitteeRotated): Uint8Array =>
  encodeCommittee(COMMITTEE_ROTATED_TYPEHASH, rotated)

/** The exact inverse of `encodeCommitteeRotated`; undefined where the entry is of another kind. */
export const decodeCommitteeRotated = (entry: Uint8Array): CommitteeRotated | undefined =>
  toHex(entry.subarray(0, 32)) === COMMITTEE_ROTATED_TYPEHASH
    ? decodeExactly(entry, decodeCommittee, encodeCommitteeRotated)
    : undefined

/** What `Commit.next` is where the rotation is decided. */
export const deriveNextOfRotation = ({ component, rotated }: { component: Hex; rotated: CommitteeRotated }): Hex =>
  hashRotation({
    component,
    newEpoch: rotated.newEpoch,
    newCommitteeHash: deriveCommitteeHash(rotated.members),
  })

/**
 * The log entry of a retirement: `abi.encode(RETIREMENT_MARKER_TYPEHASH, component, successor, effectiveHeight, reason)`,
 * the last entry of the log.
 *
 * @throws {InvalidGovernanceError} the reason is too long.
 */
export function encodeRetirementMarker(marker: RetirementMarker): Uint8Array {
  const { component, successor, effectiveHeight, reason } = marker
  assertReason(reason)
  return fromHex(
    encodeAbiParameters(MARKER_FIELDS, [RETIREMENT_MARKER_TYPEHASH, component, successor, effectiveHeight, reason]),
  )
}

/** The exact inverse of `encodeRetirementMarker`; undefined where the entry is of another kind. */
export function decodeRetirementMarker(entry: Uint8Array): RetirementMarker | undefined {
  if (toHex(entry.subarray(0, 32)) !== RETIREMENT_MARKER_TYPEHASH) return undefined
  const decodeFields = (bytes: Uint8Array): RetirementMarker => {
    const [, component, successor, effectiveHeight, reason] = decodeAbiParameters(MARKER_FIELDS, bytes)
    return { component, successor, effectiveHeight, reason }
  }
  return decodeExactly(entry, decodeFields, encodeRetirementMarker)
}

function encodeCommittee(typehash: Hex, { newEpoch, members }: CommitteeRotated): Uint8Array {
  assertMembers(members, { field: 'members' })
  return fromHex(
    encodeAbiParameters(COMMITTEE_FIELDS, [
      typehash,
      newEpoch,
      members.map(({ signer }) => signer),
      members.map(({ noteKey }) => noteKey ?? ZERO_BYTES32),
    ]),
  )
}

function decodeCommittee(bytes: Uint8Array): CommitteeRotated {
  const [, newEpoch, signers, noteKeys] = decodeAbiParameters(COMMITTEE_FIELDS, bytes)
  const members = signers.map((address, index): Member => {
    const signer = address.toLowerCase() as Hex
    const noteKey = noteKeys[index] ?? ZERO_BYTES32
    return noteKey === ZERO_BYTES32 ? { signer } : { signer, noteKey }
  })
  return { newEpoch, members }
}

/** The value, or undefined where the bytes are not exactly what encoding it gives (spec §2). */
function decodeExactly<T>(
  bytes: Uint8Array,
  decode: (bytes: Uint8Array) => T,
  encode: (value: T) => Uint8Array,
): T | undefined {
  try {
    const value = decode(bytes)
    return isEqualBytes(encode(value), bytes) ? value : undefined
  } catch {
    return undefined
  }
}

/** @throws {InvalidGovernanceError} the reason of a retirement is longer than the registry takes it. */
export function assertReason(reason: string): void {
  const { length } = new TextEncoder().encode(reason)
  if (length > RETIREMENT_REASON_SIZE_MAX_BYTES) {
    throw new InvalidGovernanceError({ reason: `its reason has ${length} bytes` })
  }
}
