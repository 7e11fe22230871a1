import type { Hex } from '../protocol/bytes.ts'
import type { Commit } from '../protocol/wire/commit.ts'
import { ZERO_BYTES32 } from '../protocol/wire/commit.ts'
import type { Precommits, Prevotes } from './ballots.ts'
import type { MessageHeader } from './codec.ts'
import type { Committee } from './committee.ts'
import type { AuthenticatedMessage, Message, ProvenValue, SignedMessage, SignedProposal, SignedVote } from './types.ts'

/** Rounds that are kept on each side of the current one; of those farther ahead only their number, for the round skip. */
export const ROUNDS_KEPT = 4
/** Rounds of the next height of which messages are kept until it begins. */
export const ROUNDS_AHEAD_KEPT = 2

/** What the current height builds on. */
export type Parent = {
  /** 0 before the first commit. */
  height: bigint
  /** Zero before the first commit. */
  commitDigest: Hex
  timestampMs: bigint
  /** Committee that signed it: its extensions are of these. */
  signers: readonly Hex[]
  /** Encoded vote extensions for it, a quorum's; empty where there are none to include. */
  extensions: readonly Uint8Array[]
}

export const GENESIS_PARENT: Parent = {
  height: 0n,
  commitDigest: ZERO_BYTES32,
  timestampMs: 0n,
  signers: [],
  extensions: [],
}

export type ReceivedProposal = {
  message: SignedProposal
  /** Whether parent, time order and extensions are right; what is not sound is never executed nor voted for. */
  isSound: boolean
  /** Whether its time was believable when it came (spec §5.2); only asked of a new value. */
  isTimely: boolean
}

/** What executing a block gave. */
export type Execution =
  | { status: 'pending' }
  | { status: 'executed'; commit: Commit; commitDigest: Hex; voteExtension: Uint8Array }
  | { status: 'refused' }

export type RoundState = {
  proposal: ReceivedProposal | null
  prevotes: Prevotes
  precommits: Precommits
  /** Things that are done once a round: the paper's "for the first time", relays, evidence by `kind:signer`. */
  done: ReadonlySet<string>
}

export const EMPTY_ROUND: RoundState = { proposal: null, prevotes: new Map(), precommits: new Map(), done: new Set() }

/** All that one member knows. A value: `step` gives a new one. */
export type CommitteeState = {
  committee: Committee
  /** `ended`: the epoch's last commit is decided. `halted`: the member's key was seen at work elsewhere. */
  status: 'created' | 'running' | 'ended' | 'halted'
  parent: Parent
  /** The one being decided. */
  height: bigint
  round: number
  step: 'propose' | 'prevote' | 'precommit'
  /** Whether the height's timers run; an idle member waits for work or for others that have some (spec §4). */
  isActive: boolean
  /** lockedRound and lockedValue of the paper. */
  locked: { round: number; commitDigest: Hex } | null
  /** validRound and validValue of the paper, with the proof that a re-proposal carries. */
  valid: ProvenValue | null
  rounds: ReadonlyMap<number, RoundState>
  /** By proposal id. */
  executions: ReadonlyMap<Hex, Execution>
  /** Highest round of this height that each other member was heard in. */
  peerRounds: ReadonlyMap<Hex, number>
  /** The latest vote of each other member, of any height: what one is told that lost its own (spec §5.4). */
  heard: ReadonlyMap<Hex, SignedVote>
  /** What this member asked to have signed at this height, by `kind/round`: the one guard against contradiction. */
  own: ReadonlyMap<string, Message>
  /** Messages of the next height, by kind, signer and round, with the time they came. */
  early: ReadonlyMap<string, { message: AuthenticatedMessage; nowMs: number }>
}

export type CreateStateParameters = {
  committee: Committee
  /** The last commit decided; GENESIS_PARENT before the first. In a new epoch, the last of the epoch before. */
  parent: Parent
}

/** The state of a member that signed nothing at the height after `parent`. One that may have signed is recovered. */
export const createState = ({ committee, parent }: CreateStateParameters): CommitteeState => ({
  committee,
  status: 'created',
  parent,
  height: parent.height + 1n,
  round: 0,
  step: 'propose',
  isActive: false,
  locked: null,
  valid: null,
  rounds: new Map(),
  executions: new Map(),
  peerRounds: new Map(),
  heard: new Map(),
  own: new Map(),
  early: new Map(),
})

export const ownKeyOf = ({ kind, round }: { kind: Message['kind']; round: number }): string => `${kind}/${round}`

export const earlyKeyOf = ({ kind, signer, round }: { kind: Message['kind']; signer: Hex; round: number }): string =>
  `${kind}/${round}/${signer}`

/** Whether messages of `round` are kept: near the current one, or where the lock or the valid value come from. */
export function isRoundKept(state: CommitteeState, round: number): boolean {
  return Math.abs(round - state.round) <= ROUNDS_KEPT || round === state.locked?.round || round === state.valid?.round
}

/** Whether these very bytes were taken before: the claimed signer, place and signature are those of a stored message. */
export function findStored(state: CommitteeState, header: MessageHeader): boolean {
  if (header.height !== state.height) return state.early.get(earlyKeyOf(header))?.message.signature === header.signature
  const round = state.rounds.get(header.round)
  if (round === undefined) return false
  if (header.kind === 'proposal') return round.proposal?.message.signature === header.signature
  const votes: readonly SignedMessage[] | undefined =
    header.kind === 'prevote' ? round.prevotes.get(header.signer) : round.precommits.get(header.signer)
  return votes?.some(({ signature }) => signature === header.signature) ?? false
}

const KINDS = ['proposal', 'prevote', 'precommit'] as const

/** Whether a member signs `a` after `b`. */
export function isLater(a: SignedMessage, b: SignedMessage): boolean {
  if (a.height !== b.height) return a.height > b.height
  if (a.round !== b.round) return a.round > b.round
  return KINDS.indexOf(a.kind) > KINDS.indexOf(b.kind)
}
