import type { Hex } from '../protocol/bytes.ts'
import { createCertificate } from '../protocol/wire/certificate.ts'
import { quorumOf } from '../protocol/wire/committee.ts'
import { type Ballots, countVotes, findMajority, gatherSignatures, listVotesFor } from './ballots.ts'
import { faultyMaxOf } from './committee.ts'
import { deriveProposalId } from './digest.ts'
import { encodeExtension } from './extension.ts'
import { receiveEarly } from './receive.ts'
import type { CommitteeState, Execution, RoundState } from './state.ts'
import {
  beginRound,
  castPrecommit,
  castPrevote,
  enterHeight,
  isFirstTime,
  readRound,
  scheduleTimeout,
  startRound,
  type Transition,
} from './transition.ts'
import type { ProvenValue, SignedPrecommit, SignedProposal, SignedVote } from './types.ts'

/**
 * Algorithm 1 of Buchman, Kwon and Milosevic (2018), its "upon" rules by their line numbers. Each looks at the state and
 * says whether it did something. 2f + 1 is a quorum, n − f, and f + 1 is one more than may be faulty (spec §5.1).
 */
type Rule = (t: Transition) => boolean

/** Applies rules until none has anything to do. */
export function settle(t: Transition): void {
  while (t.state.status === 'running' && RULES.some((rule) => rule(t)));
}

type Value = { proposal: SignedProposal; execution: Extract<Execution, { status: 'executed' }> }

/** The value proposed in a round, once this member computed the very same: valid(v) of the paper (spec §4). */
function readValue(state: CommitteeState, { proposal }: RoundState): Value | null {
  if (proposal === null || !proposal.isSound) return null
  const execution = state.executions.get(deriveProposalId(proposal.message))
  if (execution?.status !== 'executed' || execution.commitDigest !== proposal.message.commitDigest) return null
  return { proposal: proposal.message, execution }
}

const quorumIn = ({ committee }: CommitteeState): number => quorumOf(committee.signers.length)

const hasQuorum = (state: CommitteeState, ballots: Ballots<SignedVote>, commitDigest: Hex | null): boolean =>
  countVotes(ballots, commitDigest) >= quorumIn(state)

/** Line 49: a value and a quorum's precommits of it, all of one round, whichever round that is. */
const decide: Rule = (t) => {
  for (const [round, roundState] of t.state.rounds) {
    const value = readValue(t.state, roundState)
    if (value === null || !hasQuorum(t.state, roundState.precommits, value.proposal.commitDigest)) continue
    const { commit, commitDigest } = value.execution
    const { signers } = t.state.committee
    const signatures = gatherSignatures(roundState.precommits, commitDigest)
    const certificate = createCertificate({ round, signers, signatures })
    const extensions = encodeExtensions(listVotesFor(roundState.precommits, commitDigest))
    const { proposal } = value
    t.effects.push({ kind: 'decide', commit, commitDigest, certificate, proposal, signers, extensions })
    const { height, timestampMs } = commit
    enterHeight(t, { commit, parent: { height, commitDigest, timestampMs, signers, extensions } })
    receiveEarly(t)
    return true
  }
  return false
}

const encodeExtensions = (precommits: readonly SignedPrecommit[]): Uint8Array[] =>
  [...precommits]
    .sort((a, b) => (a.signer < b.signer ? -1 : 1))
    .flatMap(({ component, height, round, signer, commitDigest, extension: data, extensionSignature: signature }) =>
      data === null || signature === null || commitDigest === null
        ? []
        : [encodeExtension({ component, height, round, commitDigest, signer, data, signature })],
    )

/** Line 55: f + 1 members are in a later round, so one honest member is. */
const skipRound: Rule = (t) => {
  const heard = [...t.state.peerRounds.values()].sort((a, b) => b - a)
  const round = heard[faultyMaxOf(t.state.committee.signers.length)]
  if (round === undefined || round <= t.state.round) return false
  startRound(t, round)
  return true
}

/** f + 1 members are at work on this height, so an honest one has some: one liar alone wakes nobody (spec §4). */
const wake: Rule = (t) => {
  const { isActive, peerRounds, committee } = t.state
  if (isActive || peerRounds.size <= faultyMaxOf(committee.signers.length)) return false
  activate(t)
  return true
}

/** Starts the height's timers, once. */
export function activate(t: Transition): void {
  if (t.state.isActive) return
  t.state.isActive = true
  if (t.state.step === 'propose') beginRound(t)
}

/** Lines 22 and 28: the current round's proposal, new or with proof of an older lock. */
const prevote: Rule = (t) => {
  const { state } = t
  const { proposal: received } = readRound(state, state.round)
  if (state.step !== 'propose' || received === null) return false
  const { message: proposal, isSound, isTimely } = received
  const { commitDigest, validRound } = proposal
  // A lock gives way only to its own value, or to a quorum's prevotes that are not older than it (lines 23 and 29).
  const isLockedOut =
    state.locked !== null && state.locked.commitDigest !== commitDigest && state.locked.round > validRound
  if (!isSound || isLockedOut || (validRound < 0 && !isTimely)) {
    castPrevote(t, null)
    return true
  }
  const execution = state.executions.get(deriveProposalId(proposal))
  if (execution === undefined || execution.status === 'pending') return false
  castPrevote(t, execution.status === 'executed' && execution.commitDigest === commitDigest ? commitDigest : null)
  return true
}

/** Line 36: a quorum prevoted the current round's value. Locks it, unless this member precommitted nil already. */
const lock: Rule = (t) => {
  const { state } = t
  if (state.step === 'propose' || state.valid?.round === state.round) return false
  const proven = proveValue(state, state.round)
  if (proven === null) return false
  state.valid = proven.lock
  if (state.step === 'prevote') {
    state.locked = { round: state.round, commitDigest: proven.lock.proposal.commitDigest }
    castPrecommit(t, proven)
  }
  return true
}

/**
 * Line 36 for a round that has passed: a quorum's prevotes that came late still make a valid value, which only helps to
 * propose what others are locked on. The lock itself stays as it is.
 */
const adoptPastValue: Rule = (t) => {
  const { state } = t
  for (const round of state.rounds.keys()) {
    if (round >= state.round || round <= (state.valid?.round ?? -1)) continue
    const proven = proveValue(state, round)
    if (proven === null) continue
    state.valid = proven.lock
    return true
  }
  return false
}

function proveValue(state: CommitteeState, round: number): Parameters<typeof castPrecommit>[1] {
  const roundState = readRound(state, round)
  const value = readValue(state, roundState)
  if (value === null) return null
  const { proposal, execution } = value
  if (!hasQuorum(state, roundState.prevotes, proposal.commitDigest)) return null
  const signatures = gatherSignatures(roundState.prevotes, proposal.commitDigest)
  const proof = createCertificate({ round, signers: state.committee.signers, signatures })
  return { ...execution, lock: { round, proposal, proof } satisfies ProvenValue }
}

/** Line 44: a quorum prevoted nil. */
const precommitNil: Rule = (t) => {
  const { state } = t
  if (state.step !== 'prevote' || !hasQuorum(state, readRound(state, state.round).prevotes, null)) return false
  castPrecommit(t, null)
  return true
}

/** Line 34: a quorum prevoted, for whatever; the rest may still come. */
const awaitPrevotes: Rule = (t) => {
  const { state } = t
  const { prevotes } = readRound(state, state.round)
  if (state.step !== 'prevote' || prevotes.size < quorumIn(state)) return false
  if (!isFirstTime(t, { round: state.round, what: 'awaitPrevotes' })) return false
  scheduleTimeout(t, 'prevote')
  relayIfSplit(t, prevotes)
  return true
}

/** Line 47: a quorum precommitted, for whatever; the rest may still come. */
const awaitPrecommits: Rule = (t) => {
  const { state } = t
  const { precommits } = readRound(state, state.round)
  if (precommits.size < quorumIn(state)) return false
  if (!isFirstTime(t, { round: state.round, what: 'awaitPrecommits' })) return false
  scheduleTimeout(t, 'precommit')
  relayIfSplit(t, precommits)
  return true
}

/**
 * The paper assumes gossip: what one honest member received, all do. A liar that sends its votes to some members only
 * would break that, so members show one another the votes that split a round. A round that goes well costs nothing.
 */
function relayIfSplit(t: Transition, ballots: Ballots<SignedVote>): void {
  if (findMajority(ballots, quorumIn(t.state)) !== undefined) return
  t.effects.push({ kind: 'relay', messages: [...ballots.values()].flat() })
}

/** The same for a lock: as soon as anyone is seen to vote otherwise, all are shown the prevotes that made it. */
const relayLock: Rule = (t) => {
  const { locked, round } = t.state
  if (locked === null || locked.round !== round) return false
  const { prevotes, precommits } = readRound(t.state, round)
  const { commitDigest } = locked
  const isDissent = (votes: readonly SignedVote[]) => votes.some((vote) => vote.commitDigest !== commitDigest)
  if (![...prevotes.values(), ...precommits.values()].some(isDissent)) return false
  const messages = listVotesFor(prevotes, commitDigest)
  if (messages.length === 0 || !isFirstTime(t, { round, what: 'relayLock' })) return false
  t.effects.push({ kind: 'relay', messages })
  return true
}

/** Asks for the execution of what may be voted for now, or was voted for by a quorum (spec §4). */
const execute: Rule = (t) => {
  const { state } = t
  for (const [round, roundState] of state.rounds) {
    const { proposal, prevotes, precommits } = roundState
    if (proposal === null || !proposal.isSound) continue
    const { message } = proposal
    const isVotable = round === state.round && state.step === 'propose'
    const isWanted =
      isVotable ||
      hasQuorum(state, prevotes, message.commitDigest) ||
      hasQuorum(state, precommits, message.commitDigest)
    const proposalId = deriveProposalId(message)
    if (!isWanted || state.executions.has(proposalId)) continue
    state.executions = new Map(state.executions).set(proposalId, { status: 'pending' })
    t.effects.push({ kind: 'execute', proposalId, proposal: message })
    return true
  }
  return false
}

// Decisions before all else, and a lock before the timers that would give up on it.
const RULES: readonly Rule[] = [
  decide,
  skipRound,
  wake,
  prevote,
  lock,
  adoptPastValue,
  precommitNil,
  execute,
  awaitPrevotes,
  awaitPrecommits,
  relayLock,
]
