import { isEqualBytes } from '../protocol/bytes.ts'
import { quorumOf } from '../protocol/wire/committee.ts'
import { addVote, type Ballots, countVotes } from './ballots.ts'
import { faultyMaxOf } from './committee.ts'
import { deriveMessageDigest } from './digest.ts'
import { isExtensionQuorum } from './extension.ts'
import {
  type CommitteeState,
  earlyKeyOf,
  isLater,
  isRoundKept,
  ownKeyOf,
  ROUNDS_AHEAD_KEPT,
  ROUNDS_KEPT,
} from './state.ts'
import { isTimely } from './timeouts.ts'
import { halt, isFirstTime, readRound, type Transition, updateRound } from './transition.ts'
import type { AuthenticatedMessage, Message, Proposal, SignedMessage, SignedProposal, SignedVote } from './types.ts'

/** Takes a message into the state; what follows from it is `settle`'s. `receivedAtMs` is when it came. */
export function receiveMessage(t: Transition, message: AuthenticatedMessage, receivedAtMs: number): void {
  const { state } = t
  if (message.height > state.height + 1n || message.height < state.height) return
  if (message.signer !== state.committee.self) noteVote(t, message)
  if (message.height === state.height + 1n) {
    keepEarly(t, message)
    return
  }
  if (message.signer === state.committee.self) {
    if (!isOwn(state, message)) {
      halt(t, message)
      return
    }
  } else noteRound(t, message)
  if (!isRoundKept(state, message.round)) return
  if (message.kind === 'proposal') takeProposal(t, { message, receivedAtMs })
  else takeVote(t, message)
}

/** The first of each member, kind and round: the rest is sent again when the height has come. */
function keepEarly(t: Transition, message: AuthenticatedMessage): void {
  if (message.signer === t.state.committee.self) {
    halt(t, message)
    return
  }
  const key = earlyKeyOf(message)
  if (message.round >= ROUNDS_AHEAD_KEPT || t.state.early.has(key)) return
  t.state.early = new Map(t.state.early).set(key, { message, nowMs: t.nowMs })
}

/** Messages of the new height that came before it did. */
export function receiveEarly(t: Transition): void {
  const { early } = t.state
  t.state.early = new Map()
  for (const { message, nowMs } of early.values()) if (t.state.status === 'running') receiveMessage(t, message, nowMs)
}

/** Whether this core asked for what its key signed. What it asked for long ago it need not remember. */
function isOwn({ own, round }: CommitteeState, message: SignedMessage): boolean {
  if (message.round < round - ROUNDS_KEPT) return true
  const asked = own.get(ownKeyOf(message))
  return asked !== undefined && isSameContent(asked, message)
}

/** Whether two messages of one member and place say the same, whatever their signatures. */
export function isSameContent(a: Message, b: Message): boolean {
  if (deriveMessageDigest(a) !== deriveMessageDigest(b)) return false
  if (a.kind !== 'precommit' || b.kind !== 'precommit') return true
  if (a.extension === null || b.extension === null) return a.extension === b.extension
  return isEqualBytes(a.extension, b.extension)
}

function noteRound(t: Transition, { signer, round }: SignedMessage): void {
  if (round <= (t.state.peerRounds.get(signer) ?? -1)) return
  t.state.peerRounds = new Map(t.state.peerRounds).set(signer, round)
}

function noteVote(t: Transition, message: SignedMessage): void {
  if (message.kind === 'proposal') return
  const { signer } = message
  const last = t.state.heard.get(signer)
  if (last !== undefined && !isLater(message, last)) return
  t.state.heard = new Map(t.state.heard).set(signer, message)
}

function takeProposal(t: Transition, received: { message: SignedProposal; receivedAtMs: number }): void {
  const { message, receivedAtMs } = received
  const { round, commitDigest, timestampMs } = message
  const { proposal: known, prevotes, precommits } = readRound(t.state, round)
  if (known !== null) {
    if (isSameContent(known.message, message)) return
    accuse(t, known.message, message)
    // One proposal a round is kept. Of a liar's two, the one that a quorum voted for is the one that can be decided.
    const quorum = quorumOf(t.state.committee.signers.length)
    const hasQuorum = [prevotes, precommits].some((ballots) => countVotes(ballots, commitDigest) >= quorum)
    if (!hasQuorum || known.message.commitDigest === commitDigest) return
  }
  const { timeouts } = t.state.committee
  const proposal = {
    message,
    isSound: isSound(t.state, message),
    isTimely: isTimely(timeouts, { timestampMs, round, nowMs: receivedAtMs }),
  }
  updateRound(t, round, { proposal })
}

/** What can be told of a block without executing it, and never changes: its parent, its time's order, its extensions. */
function isSound({ committee, parent }: CommitteeState, proposal: Proposal): boolean {
  if (proposal.parent !== parent.commitDigest || proposal.timestampMs <= parent.timestampMs) return false
  if (!committee.hasExtensions || parent.height === 0n) return proposal.extensions.length === 0
  const { height, commitDigest, signers } = parent
  return isExtensionQuorum(proposal.extensions, { component: committee.component, height, commitDigest, signers })
}

function takeVote(t: Transition, vote: SignedVote): void {
  const { prevotes, precommits } = readRound(t.state, vote.round)
  if (vote.kind === 'prevote') {
    if (isAdmitted(t, { ballots: prevotes, vote })) updateRound(t, vote.round, { prevotes: addVote(prevotes, vote) })
  } else if (isAdmitted(t, { ballots: precommits, vote })) {
    updateRound(t, vote.round, { precommits: addVote(precommits, vote) })
  }
}

/**
 * A member's first vote counts, and a conflicting one is evidence. It counts too, as in the paper, but is kept only where
 * it can matter, so that a liar cannot fill the memory: nil, the round's proposal, or what an honest member voted for.
 */
function isAdmitted(t: Transition, { ballots, vote }: { ballots: Ballots<SignedVote>; vote: SignedVote }): boolean {
  const [first, ...others] = ballots.get(vote.signer) ?? []
  if (first === undefined) return true
  const known = [first, ...others].find(({ commitDigest }) => commitDigest === vote.commitDigest)
  if (!isSameContent(known ?? first, vote)) accuse(t, known ?? first, vote)
  if (known !== undefined) return false
  const { commitDigest, round } = vote
  return (
    commitDigest === null ||
    commitDigest === readRound(t.state, round).proposal?.message.commitDigest ||
    countVotes(ballots, commitDigest) > faultyMaxOf(t.state.committee.signers.length)
  )
}

function accuse(t: Transition, a: SignedMessage, b: SignedMessage): void {
  if (!isFirstTime(t, { round: b.round, what: `accused/${b.kind}/${b.signer}` })) return
  t.effects.push({ kind: 'reportEvidence', a, b })
}
