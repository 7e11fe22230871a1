import type { Hex } from '../protocol/bytes.ts'
import { type Commit, deriveCommitDigest, ZERO_BYTES32 } from '../protocol/wire/commit.ts'
import { deriveProposer } from './committee.ts'
import { deriveProposalId } from './digest.ts'
import {
  type CommitteeState,
  EMPTY_ROUND,
  isRoundKept,
  ownKeyOf,
  type Parent,
  ROUNDS_KEPT,
  type RoundState,
} from './state.ts'
import { deriveTimeoutMs } from './timeouts.ts'
import type { Block, Effect, Message, Position, Proposal, ProvenValue, SignedMessage, TimeoutKind } from './types.ts'

/** One step in the making: a copy of the state whose fields are replaced, never changed, and the effects so far. */
export type Transition = {
  state: { -readonly [Field in keyof CommitteeState]: CommitteeState[Field] }
  effects: Effect[]
  readonly nowMs: number
}

/** The current height and round, for a message of this member's own. */
export const positionOf = ({ state }: Transition): Position => ({
  component: state.committee.component,
  epoch: state.committee.epoch,
  height: state.height,
  round: state.round,
  signer: state.committee.self,
})

export const readRound = (state: CommitteeState, round: number): RoundState => state.rounds.get(round) ?? EMPTY_ROUND

export function updateRound(t: Transition, round: number, changes: Partial<RoundState>): void {
  t.state.rounds = new Map(t.state.rounds).set(round, { ...readRound(t.state, round), ...changes })
}

/** Whether `what` is to be done in `round`: true once. */
export function isFirstTime(t: Transition, { round, what }: { round: number; what: string }): boolean {
  const { done } = readRound(t.state, round)
  if (done.has(what)) return false
  updateRound(t, round, { done: new Set(done).add(what) })
  return true
}

/**
 * Asks the driver to sign and send `message`, durable first (spec §5.4).
 *
 * @throws {Error} something was signed for this height, round and kind before: a fault of the rules, not of the input.
 */
export function requestSignature(t: Transition, message: Message, lock: ProvenValue | null = null): void {
  const { state, effects } = t
  if (!state.committee.signers.includes(state.committee.self)) return
  const key = ownKeyOf(message)
  if (state.own.has(key))
    throw new Error(`a second ${message.kind} at height ${message.height}, round ${message.round}`)
  state.own = new Map(state.own).set(key, message)
  effects.push({ kind: 'persist', record: { message, lock } }, { kind: 'broadcast', message })
}

export function castPrevote(t: Transition, commitDigest: Hex | null): void {
  t.state.step = 'prevote'
  requestSignature(t, { kind: 'prevote', ...positionOf(t), commitDigest })
}

export type PrecommitValue = { commit: Commit; voteExtension: Uint8Array; lock: ProvenValue }

export function castPrecommit(t: Transition, value: PrecommitValue | null): void {
  const base = { kind: 'precommit', ...positionOf(t) } as const
  t.state.step = 'precommit'
  if (value === null) {
    requestSignature(t, { ...base, commitDigest: null, commit: null, extension: null })
    return
  }
  const { commit, voteExtension, lock } = value
  const extension = t.state.committee.hasExtensions ? voteExtension : null
  requestSignature(t, { ...base, commitDigest: deriveCommitDigest(commit), commit, extension }, lock)
}

export function scheduleTimeout(t: Transition, kind: TimeoutKind): void {
  const { height, round, committee } = t.state
  const delayMs = deriveTimeoutMs(committee.timeouts, { kind, round })
  t.effects.push({ kind: 'scheduleTimeout', timeout: { kind, height, round }, delayMs })
}

/** Paper, lines 11–21: StartRound. */
export function startRound(t: Transition, round: number): void {
  voteNilBefore(t, round)
  t.state.round = round
  t.state.step = 'propose'
  t.state.isActive = true
  forgetFarRounds(t)
  beginRound(t)
}

/**
 * Whoever enters a round has voted in the one before, for nil if for nothing else. The paper assumes that what one honest
 * member received all do, for ever: here a member that was killed forgot the votes that let it go on, and those that it
 * left behind, too few to go on without it, would wait for its vote for good. To vote nil is always safe.
 */
function voteNilBefore(t: Transition, round: number): void {
  const position = { ...positionOf(t), round: round - 1 }
  const isMissing = (kind: 'prevote' | 'precommit') => !t.state.own.has(ownKeyOf({ kind, round: position.round }))
  if (isMissing('prevote')) requestSignature(t, { kind: 'prevote', ...position, commitDigest: null })
  if (isMissing('precommit')) {
    requestSignature(t, { kind: 'precommit', ...position, commitDigest: null, commit: null, extension: null })
  }
}

/**
 * Proposes or has a proposal built where it is this member's turn, and waits for one in any case: building may fail, and
 * then the proposer prevotes nil like everyone.
 */
export function beginRound(t: Transition): void {
  const { committee, height, round, valid, own, parent } = t.state
  const isTurn = deriveProposer(committee.signers, { height, round }) === committee.self
  if (isTurn && !own.has(ownKeyOf({ kind: 'proposal', round }))) {
    if (valid !== null) {
      const { commitDigest } = valid.proposal
      const changes = { validRound: valid.round, commitDigest, proof: valid.proof }
      requestSignature(t, createProposal(t, { block: valid.proposal, ...changes }))
    } else if (!isExtensionsMissing(t.state)) {
      const { commitDigest, timestampMs, extensions } = parent
      const earliestTimestampMs = timestampMs + 1n
      t.effects.push({ kind: 'build', height, round, parent: commitDigest, earliestTimestampMs, extensions })
    }
  }
  scheduleTimeout(t, 'propose')
}

/** A member that learned of the parent without its extensions leaves its turn to one that has them. */
const isExtensionsMissing = ({ committee, parent }: CommitteeState): boolean =>
  committee.hasExtensions && parent.height > 0n && parent.extensions.length === 0

export type CreateProposalParameters = Pick<Proposal, 'validRound' | 'commitDigest' | 'proof'> & { block: Block }

export function createProposal(t: Transition, { block, ...rest }: CreateProposalParameters): Proposal {
  const { parent, timestampMs, batch, extensions } = block
  return { kind: 'proposal', ...positionOf(t), parent, timestampMs, batch, extensions, ...rest }
}

/** Memory is bounded by the rounds that are kept, however long a height takes. */
function forgetFarRounds({ state }: Transition): void {
  state.rounds = new Map([...state.rounds].filter(([round]) => isRoundKept(state, round)))
  state.own = new Map([...state.own].filter(([, { round }]) => round >= state.round - ROUNDS_KEPT))
  const needed = new Set(
    [...state.rounds.values()].flatMap(({ proposal }) => (proposal === null ? [] : deriveProposalId(proposal.message))),
  )
  if (state.valid !== null) needed.add(deriveProposalId(state.valid.proposal))
  state.executions = new Map([...state.executions].filter(([proposalId]) => needed.has(proposalId)))
}

/** Paper, lines 50–54: the next height, with nothing of the last; or the end of the epoch (spec §5.1). */
export function enterHeight(t: Transition, { commit, parent }: { commit: Commit; parent: Parent }): void {
  const { state } = t
  state.parent = parent
  state.height = parent.height + 1n
  state.round = 0
  state.step = 'propose'
  state.isActive = false
  state.locked = null
  state.valid = null
  state.rounds = new Map()
  state.executions = new Map()
  state.peerRounds = new Map()
  state.own = new Map()
  if (commit.next !== ZERO_BYTES32) state.status = 'ended'
}

/** The member's key signed what its core did not ask for: it may be a copy's, or this store lost its tail (spec §5.4). */
export function halt(t: Transition, message: SignedMessage): void {
  t.state.status = 'halted'
  t.effects.push({ kind: 'halt', message })
}
