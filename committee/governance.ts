import { type Hex, isEqualBytes, toHex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { deriveCommitteeHash, type Member, quorumOf } from '../protocol/wire/committee.ts'
import {
  decodeGovernanceCommand,
  deriveGovernanceDigest,
  deriveNextOfRotation,
  encodeCommitteeRotated,
  encodeRetirementMarker,
} from '../protocol/wire/governance.ts'
import { hashRetirementMarker, type RetirementMarker } from '../protocol/wire/next.ts'
import type { StateItem } from '../protocol/wire/stateTree.ts'
import { deriveTypehash, packWords } from '../protocol/wire/typedData.ts'

/** Who decides for a component, and what they stand by: part of its state, whatever its machine is (spec §5.1, §9). */
export type Governance = {
  /** The committee of the current epoch, strictly ascending by signer. */
  members: readonly Member[]
  /** `deriveCommitteeHash(members)`. */
  committeeHash: Hex
  /** The encoded command that each member approves, by signer; one a member, gone when the epoch ends. */
  approvals: ReadonlyMap<Hex, Uint8Array>
  /** The component's last word, once it is decided: nothing is executed after it. */
  retirement: RetirementMarker | null
}

/** What ends an epoch: what its last commit names as `next`, and the last entry of that commit. */
export type EpochEnd = { next: Hex; entry: Uint8Array }

export class ApprovalRefusedError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('APPROVAL_REFUSED', `An approval was refused: ${reason}.`, {
      fix: 'Approve with the key of a current member, for the current epoch, one approval alone in its envelope.',
      kind: 'refused',
    })
  }
}

/** @throws whatever `assertMembers` throws. */
export const createGovernance = (members: readonly Member[]): Governance => ({
  members,
  committeeHash: deriveCommitteeHash(members),
  approvals: new Map(),
  retirement: null,
})

type ApplyApprovalParameters = {
  component: Hex
  epoch: bigint
  governance: Governance
  /** Whose signature covers the approval. */
  submitter: Hex
  payload: Uint8Array
  /** Height of the commit that is being executed. */
  height: bigint
}

/**
 * Notes that a member approves what `payload` says, in place of what it approved before. Where a quorum now approves the very
 * same, it is decided, and the epoch ends.
 *
 * @throws {ApprovalRefusedError} not of a current member, or for another epoch.
 * @throws {InvalidGovernanceError} the payload is no governance command.
 */
export function applyApproval(parameters: ApplyApprovalParameters): {
  epoch: bigint
  governance: Governance
  end?: EpochEnd
} {
  const { component, epoch, governance, submitter, payload, height } = parameters
  const { members } = governance
  if (!members.some(({ signer }) => signer === submitter)) {
    throw new ApprovalRefusedError({ reason: `${submitter} is no member of the committee of epoch ${epoch}` })
  }
  const command = decodeGovernanceCommand(payload)
  const ended = command.kind === 'approveRotation' ? command.newEpoch - 1n : command.epoch
  if (ended !== epoch)
    throw new ApprovalRefusedError({ reason: `it ends epoch ${ended} and the current one is ${epoch}` })
  const approvals = new Map(governance.approvals).set(submitter, payload)
  const count = [...approvals.values()].filter((approved) => isEqualBytes(approved, payload)).length
  if (count < quorumOf(members.length)) return { epoch, governance: { ...governance, approvals } }
  if (command.kind === 'approveRotation') {
    const rotated = { newEpoch: command.newEpoch, members: command.members }
    return {
      epoch: command.newEpoch,
      governance: createGovernance(command.members),
      end: { next: deriveNextOfRotation({ component, rotated }), entry: encodeCommitteeRotated(rotated) },
    }
  }
  const { successor, reason } = command
  const retirement = { component, successor, effectiveHeight: height, reason }
  return {
    epoch,
    governance: { ...governance, approvals: new Map(), retirement },
    end: { next: hashRetirementMarker(retirement), entry: encodeRetirementMarker(retirement) },
  }
}

const COMMITTEE_TYPEHASH = deriveTypehash('EpochCommittee(uint64 epoch,bytes32 committeeHash)')
const APPROVAL_TYPEHASH = deriveTypehash('StandingApproval(address member,bytes32 commandHash)')
const RETIREMENT_TYPEHASH = deriveTypehash('Retirement(bytes32 component,bytes32 markerHash)')

/** The state items of a governance: all that a snapshot keeps of it. */
export function listGovernanceItems({
  component,
  epoch,
  governance,
}: {
  component: Hex
  epoch: bigint
  governance: Governance
}): StateItem[] {
  const { committeeHash, approvals, retirement } = governance
  const item = (typehash: Hex, key: Hex | bigint, value: Hex): StateItem => ({
    typehash,
    key: toHex(packWords([key])),
    value,
  })
  return [
    item(COMMITTEE_TYPEHASH, epoch, committeeHash),
    ...[...approvals].map(([member, payload]) => item(APPROVAL_TYPEHASH, member, deriveGovernanceDigest(payload))),
    ...(retirement === null ? [] : [item(RETIREMENT_TYPEHASH, component, hashRetirementMarker(retirement))]),
  ]
}
