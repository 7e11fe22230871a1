import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { deriveCommitteeHash, type Member, quorumOf } from '../protocol/wire/committee.ts'
import type { Envelope, SignedEnvelope } from '../protocol/wire/envelope.ts'
import {
  deriveGovernanceDigest,
  encodeGovernanceCommand,
  type GovernanceCommand,
  InvalidGovernanceError,
} from '../protocol/wire/governance.ts'
import { ComponentRetiredError } from '../protocol/wire/next.ts'
import { currentCommittee, type Epochs } from './epochs.ts'
import { followEpochs } from './followEpochs.ts'
import { type LogReader, LogUnreachableError } from './logReader.ts'
import { createSubmitter, SubmissionRefusedError } from './submit.ts'

/** What members ask of their own committee (spec §5.1, §9), whichever epoch it is in when they do. */
export type Proposal =
  | { kind: 'rotation'; members: readonly Member[] }
  | { kind: 'retirement'; successor: Hex; reason: string }

/** How far a proposal has come. */
export type ProposalState =
  | {
      status: 'waiting'
      /** The epoch whose members decide it. */
      epoch: bigint
      /** Digest of the command that they approve: those who mean the same have the same. */
      command: Hex
      /** Who approves it, as the member whose log was read says. */
      approvedBy: readonly Hex[]
      quorum: number
    }
  | {
      status: 'decided'
      /** The epoch that it ended; null where the component began with that committee. */
      epoch: bigint | null
      /** Of the commit that decided it. */
      height: bigint | null
    }

export class NotAMemberError extends CoalitionError {
  constructor({ signer, epoch }: { signer: Hex; epoch: bigint }) {
    super('NOT_A_MEMBER', `${signer} has no seat in the committee of epoch ${epoch}.`, {
      fix: 'Approve with the key of a current member: coalition committee show lists them.',
      kind: 'refused',
    })
  }
}

export class ApprovalSupersededError extends CoalitionError {
  constructor({ epoch }: { epoch: bigint }) {
    super('APPROVAL_SUPERSEDED', `Epoch ${epoch} ended with another decision than the approved one.`, {
      fix: 'Look at what was decided with coalition committee show; to ask for yours still, run the same command again.',
      kind: 'refused',
    })
  }
}

/**
 * Whether the component is as `proposal` asks; undefined where it is not.
 *
 * @throws {ComponentRetiredError} it retired otherwise, and nothing is decided any more.
 */
export function findDecision(epochs: Epochs, proposal: Proposal): (ProposalState & { status: 'decided' }) | undefined {
  const { committees, retirement } = epochs
  const ended = retirement === null ? committees.at(-2) : committees.at(-1)
  const decided = { status: 'decided', epoch: ended?.epoch ?? null, height: ended?.end?.commit.height ?? null } as const
  if (retirement !== null) {
    const isThis =
      proposal.kind === 'retirement' &&
      proposal.successor === retirement.successor &&
      proposal.reason === retirement.reason
    if (!isThis) throw new ComponentRetiredError(retirement)
    return decided
  }
  if (proposal.kind === 'retirement') return undefined
  return currentCommittee(epochs).committeeHash === deriveCommitteeHash(proposal.members) ? decided : undefined
}

export type PrepareApprovalParameters = {
  epochs: Epochs
  proposal: Proposal
  /** Address of the member that approves. */
  signer: Hex
  /** Of its envelope. @default the one after the last that the log's member has decided */
  sequence?: bigint | undefined
}

/**
 * The envelope in which a member approves `proposal`, for it to sign.
 *
 * @throws {NotAMemberError}
 * @throws {InvalidGovernanceError} the reason is too long, or the component is its own successor.
 * @throws what `assertMembers` and the log reader throw.
 */
export async function prepareApproval(
  { log }: { log: LogReader },
  { epochs, proposal, signer, sequence }: PrepareApprovalParameters,
): Promise<Envelope> {
  const { component } = epochs
  const { signers, epoch } = currentCommittee(epochs)
  const commands = [encodeGovernanceCommand(toCommand(epochs, proposal))]
  if (!signers.includes(signer)) throw new NotAMemberError({ signer, epoch })
  return { component, submitter: signer, sequence: sequence ?? (await log.readSequence(signer)) + 1n, commands }
}

export type ApproveParameters = PrepareApprovalParameters & {
  /** Signs what `prepareApproval` gives. */
  sign(envelope: Envelope): SignedEnvelope
  /** How long to wait for the proof that the approval was decided. */
  timeoutMs: number
  /** Looks whether the member may approve, before it signs. */
  assertMaySign?: (() => Promise<void>) | undefined
}

/**
 * Lets a member approve `proposal`, and says how far it has come. Done again it sends nothing that stands already, and the
 * quorum's last approval decides.
 *
 * @throws {ComponentRetiredError} the component retired otherwise.
 * @throws {ApprovalSupersededError} the epoch ended with something else meanwhile.
 * @throws what `prepareApproval`, `createSubmitter` and `submit` throw.
 */
export async function approve(
  deps: { log: LogReader; redisUrl: string },
  parameters: ApproveParameters,
): Promise<ProposalState & { isSent: boolean }> {
  const { log, redisUrl } = deps
  const { epochs, proposal, signer, sign, timeoutMs } = parameters
  const before = findDecision(epochs, proposal)
  if (before !== undefined) return { ...before, isSent: false }
  const envelope = await prepareApproval(deps, parameters)
  const standing = await readStanding(log, { epochs, envelope })
  if (standing.approvedBy.includes(signer)) return { ...standing, isSent: false }

  await parameters.assertMaySign?.()
  const signed = sign(envelope)
  const members = await createSubmitter({ redisUrl, epochs, logs: [log] })
  try {
    const { verified } = await members.submit(signed, { timeoutMs })
    await log.waitForCommit(verified.commit.height, { timeoutMs })
  } catch (error) {
    if (!(error instanceof SubmissionRefusedError || error instanceof ComponentRetiredError)) throw error
    // Others completed the quorum first: this approval comes too late, and what it asks for is done.
    const done = findDecision(await followEpochs({ logs: [log] }, epochs), proposal)
    if (done === undefined) throw error
    return { ...done, isSent: false }
  } finally {
    await members.close()
  }
  const now = await followEpochs({ logs: [log] }, epochs)
  const after = findDecision(now, proposal)
  if (after !== undefined) return { ...after, isSent: true }
  const { epoch } = currentCommittee(epochs)
  if (currentCommittee(now).epoch !== epoch) throw new ApprovalSupersededError({ epoch })
  return { ...(await readStanding(log, { epochs, envelope })), isSent: true }
}

function toCommand(epochs: Epochs, proposal: Proposal): GovernanceCommand {
  const { epoch } = currentCommittee(epochs)
  if (proposal.kind === 'rotation') {
    return { kind: 'approveRotation', newEpoch: epoch + 1n, members: proposal.members }
  }
  const { successor, reason } = proposal
  if (successor === epochs.component)
    throw new InvalidGovernanceError({ reason: 'its successor is the component itself' })
  return { kind: 'approveRetirement', epoch, successor, reason }
}

/** Who approves what `envelope` approves: the log's member's word. */
async function readStanding(
  log: LogReader,
  { epochs, envelope }: { epochs: Epochs; envelope: Envelope },
): Promise<ProposalState & { status: 'waiting' }> {
  const { signers, epoch } = currentCommittee(epochs)
  const command = deriveGovernanceDigest(envelope.commands[0]!)
  const { component, epoch: epochThere, approvals } = await log.readStatus()
  if (component !== epochs.component)
    throw new LogUnreachableError({ url: log.url, reason: `it is of component ${component}` })
  const approvedBy = signers.filter(
    (signer) =>
      epochThere === epoch && approvals.some((approval) => approval.member === signer && approval.command === command),
  )
  return { status: 'waiting', epoch, command, approvedBy, quorum: quorumOf(signers.length) }
}
