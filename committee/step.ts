import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { type Commit, deriveBodyDigest, deriveCommitDigest } from '../protocol/wire/commit.ts'
import { deriveListRoot, deriveProposalId } from './digest.ts'
import { EXTENSION_SIZE_MAX_BYTES, isExtensionQuorum } from './extension.ts'
import { receiveEarly, receiveMessage } from './receive.ts'
import { listPendingMessages } from './retransmit.ts'
import { activate, settle } from './rules.ts'
import { type CommitteeState, type Execution, ownKeyOf } from './state.ts'
import {
  beginRound,
  castPrecommit,
  castPrevote,
  createProposal,
  enterHeight,
  requestSignature,
  startRound,
  type Transition,
} from './transition.ts'
import type { Effect, Input, Timeout } from './types.ts'

type InputOf<Kind extends Input['kind']> = Extract<Input, { kind: Kind }>

export class DecidedRefusedError extends CoalitionError {
  constructor({ height, reason }: { height: bigint; reason: string }) {
    super('DECIDED_REFUSED', `The certified commit of height ${height} does not continue this log: ${reason}.`, {
      fix: 'If its certificate holds, a quorum signed two histories: stop this member and compare the logs.',
      kind: 'refused',
    })
  }
}

/**
 * Applies one input. Pure: the same state and input give the same transition on every machine; `state` is not changed.
 *
 * @throws {DecidedRefusedError} a decided commit that is not the next of this log.
 * @throws {Error} the driver answered with a commit that is not of the block it was asked about, or too long an extension.
 */
export function step(state: CommitteeState, input: Input): { state: CommitteeState; effects: readonly Effect[] } {
  const isStarting = input.kind === 'started' && state.status === 'created'
  // A member that has yet to hear its peers follows what others decide, and signs nothing (spec §5.4).
  const isFollowing = input.kind === 'decidedReceived' && state.status === 'created'
  if (!isStarting && !isFollowing && state.status !== 'running') return { state, effects: [] }
  const t: Transition = { state: { ...state }, effects: [], nowMs: input.nowMs }
  switch (input.kind) {
    case 'started':
      if (isStarting) onStarted(t)
      break
    case 'messageReceived':
      receiveMessage(t, input.message, input.nowMs)
      break
    case 'timeoutElapsed':
      onTimeoutElapsed(t, input.timeout)
      break
    case 'workAvailable':
      activate(t)
      break
    case 'proposalBuilt':
      onProposalBuilt(t, input)
      break
    case 'executed':
      onExecuted(t, input)
      break
    case 'decidedReceived':
      onDecidedReceived(t, input)
      break
    case 'retransmitDue': {
      const messages = listPendingMessages(t.state)
      if (messages.length > 0) t.effects.push({ kind: 'relay', messages })
      break
    }
  }
  settle(t)
  return { state: t.state, effects: t.effects }
}

/** A recovered member says again what it said in its round and the one before: it was durable, but may never have left. */
function onStarted(t: Transition): void {
  const { state } = t
  state.status = 'running'
  if (state.own.size === 0) return
  state.isActive = true
  for (const round of [state.round - 1, state.round]) {
    for (const kind of ['proposal', 'prevote', 'precommit'] as const) {
      const message = state.own.get(ownKeyOf({ kind, round }))
      if (message !== undefined) t.effects.push({ kind: 'broadcast', message })
    }
  }
  if (state.step === 'propose') beginRound(t)
}

/** Paper, lines 57, 61 and 65; a timer of a round or step that has passed is no fault. */
function onTimeoutElapsed(t: Transition, { kind, height, round }: Timeout): void {
  const { state } = t
  if (height !== state.height || round !== state.round) return
  if (kind === 'propose' && state.step === 'propose') castPrevote(t, null)
  else if (kind === 'prevote' && state.step === 'prevote') castPrecommit(t, null)
  else if (kind === 'precommit') startRound(t, round + 1)
}

function onProposalBuilt(t: Transition, input: InputOf<'proposalBuilt'>): void {
  const { state } = t
  const { height, round, timestampMs, batch, extensions, commit } = input
  const isAwaited = height === state.height && round === state.round && state.step === 'propose'
  if (!isAwaited || state.own.has(ownKeyOf({ kind: 'proposal', round }))) return
  const commitDigest = deriveCommitDigest(commit)
  const block = { parent: state.parent.commitDigest, timestampMs, batch, extensions }
  const proposal = createProposal(t, { block, validRound: -1, commitDigest, proof: null })
  assertCommitOf(t, { commit, timestampMs })
  setExecution(t, deriveProposalId(proposal), {
    status: 'executed',
    commit,
    commitDigest,
    voteExtension: input.voteExtension ?? new Uint8Array(0),
  })
  requestSignature(t, proposal)
}

function onExecuted(t: Transition, { proposalId, result, voteExtension }: InputOf<'executed'>): void {
  // An answer for a height or round that is no more is of no use, and no fault.
  if (t.state.executions.get(proposalId)?.status !== 'pending') return
  if ('refused' in result) {
    setExecution(t, proposalId, { status: 'refused' })
    return
  }
  assertCommitOf(t, { commit: result, timestampMs: result.timestampMs })
  setExecution(t, proposalId, {
    status: 'executed',
    commit: result,
    commitDigest: deriveCommitDigest(result),
    voteExtension: voteExtension ?? new Uint8Array(0),
  })
}

function setExecution(t: Transition, proposalId: Hex, execution: Execution): void {
  if (execution.status === 'executed' && execution.voteExtension.length > EXTENSION_SIZE_MAX_BYTES) {
    throw new RangeError(`a vote extension has at most ${EXTENSION_SIZE_MAX_BYTES} bytes`)
  }
  t.state.executions = new Map(t.state.executions).set(proposalId, execution)
}

function assertCommitOf(t: Transition, { commit, timestampMs }: { commit: Commit; timestampMs: bigint }): void {
  const { committee, height } = t.state
  const isOfThisHeight =
    commit.component === committee.component && commit.epoch === committee.epoch && commit.height === height
  if (!isOfThisHeight || commit.timestampMs !== timestampMs)
    throw new Error('a commit of another block than asked about')
}

function onDecidedReceived(t: Transition, input: InputOf<'decidedReceived'>): void {
  const { state } = t
  const { certified, body, proposal, extensions } = input
  const { commit, certificate, digest: commitDigest } = certified
  const { height, timestampMs } = commit
  if (height < state.height) return
  const refuse = (reason: string): never => {
    throw new DecidedRefusedError({ height, reason })
  }
  if (height > state.height) refuse(`this member is at height ${state.height}`)
  if (commit.component !== state.committee.component) refuse('it is of another component')
  if (commit.epoch !== state.committee.epoch) refuse('it is of another epoch')
  if (deriveBodyDigest(body) !== commit.body) refuse('its body is not what it names')
  if (body.parent !== state.parent.commitDigest) refuse('its parent is another commit')
  if (timestampMs <= state.parent.timestampMs) refuse('its time is not after its parent’s')
  const isBlock =
    proposal.parent === body.parent &&
    proposal.timestampMs === timestampMs &&
    deriveListRoot(proposal.batch) === body.batchRoot &&
    deriveListRoot(proposal.extensions) === body.extensionsRoot
  if (!isBlock) refuse('its block is not what its body names')
  const { signers, component, hasExtensions } = state.committee
  // Without them this member decides like any other, and leaves its next turn to one that has them.
  const isQuorum = hasExtensions && isExtensionQuorum(extensions, { component, height, commitDigest, signers })
  if (extensions.length > 0 && !isQuorum) refuse('its vote extensions are not a quorum’s')
  t.effects.push({ kind: 'decide', commit, commitDigest, certificate, proposal, signers, extensions })
  enterHeight(t, { commit, parent: { height, commitDigest, timestampMs, signers, extensions } })
  receiveEarly(t)
}
