import type { Hex } from '../protocol/bytes.ts'
import type { Certificate, CertifiedCommit } from '../protocol/wire/certificate.ts'
import { type Commit, deriveCommitDigest, ZERO_BYTES32 } from '../protocol/wire/commit.ts'
import { quorumOf } from '../protocol/wire/committee.ts'
import { type Committee, faultyMaxOf } from './committee.ts'
import type {
  AuthenticatedAnswer,
  AuthenticatedRequest,
  HandshakeAnswer,
  HandshakeRequest,
} from './handshakeMessage.ts'
import { isSameContent } from './receive.ts'
import { type CommitteeState, isLater, ownKeyOf } from './state.ts'
import type { SignedMessage } from './types.ts'

/**
 * What a member does between its restart and `started` (spec §5.4). Its store cannot tell by itself that it lost its
 * tail, so its peers are asked what they last heard from it; until a quorum, itself included, has answered, it follows
 * decisions and signs nothing, and so counts among the f faulty. What any of them holds that its store does not know
 * ends it for good.
 */
export type HandshakeState = {
  committee: Committee
  nonce: Hex
  stored: StoredVotes
  status: 'asking' | 'joined' | 'halted'
  /** Height that each peer which answered is deciding. */
  answers: ReadonlyMap<Hex, bigint>
  /** Height that this member is at: decisions reach it while it asks. */
  height: bigint
}

/** What the store held at the restart. */
export type StoredVotes = {
  /** The height after its last commit. */
  height: bigint
  /** All that was signed at that height, as `recover` read it. */
  own: CommitteeState['own']
}

export type HandshakeInput =
  /** First input, and again at intervals until it joins: a request or an answer may be lost. */
  | { kind: 'requestDue' }
  | { kind: 'answerReceived'; answer: AuthenticatedAnswer }
  /** A certified commit of this epoch was decided by catching up. Where it ends the epoch, the next one is asked in anew. */
  | { kind: 'decided'; commit: Commit; certificate: Certificate }

export type HandshakeEffect =
  /** Sign with `signHandshake` and send to every other member. */
  | { kind: 'request'; message: HandshakeRequest }
  /** Give `started` to the core. */
  | { kind: 'join' }
  /** The store lost what this member signed there, or its key is at work elsewhere: stop for good. */
  | { kind: 'halt'; height: bigint; round: number }

export type CreateHandshakeParameters = {
  committee: Committee
  /** 32 fresh random bytes. */
  nonce: Hex
  /** As the store was at the restart, even where decisions have since led to another epoch. */
  stored: StoredVotes
  /** Height that the member is at. */
  height: bigint
}

/** Every start begins with one, the very first too: the store may be new and its key not. One for each epoch it asks in. */
export const createHandshake = (parameters: CreateHandshakeParameters): HandshakeState => ({
  ...parameters,
  status: 'asking',
  answers: new Map(),
})

type Transition = { state: HandshakeState; effects: readonly HandshakeEffect[] }

/** Applies one input. Pure, like the core's `step`. */
export function stepHandshake(state: HandshakeState, input: HandshakeInput): Transition {
  if (state.status !== 'asking') return { state, effects: [] }
  switch (input.kind) {
    case 'requestDue': {
      const joined = join(state)
      if (joined.effects.length > 0) return joined
      const { committee, nonce } = state
      const { component, epoch, self: signer } = committee
      return { state, effects: [{ kind: 'request', message: { kind: 'request', component, epoch, signer, nonce } }] }
    }
    case 'answerReceived': {
      const { newest, signer, height } = input.answer
      if (newest !== null && isUnknown(state.stored, newest)) return halt(state, newest)
      return join({ ...state, answers: new Map(state.answers).set(signer, height) })
    }
    case 'decided': {
      const { commit, certificate } = input
      if (isForgotten(input, { ...state.committee, stored: state.stored }))
        return halt(state, { height: commit.height, round: certificate.round })
      const caughtUp = { ...state, height: commit.height + 1n }
      return commit.next === ZERO_BYTES32 ? join(caughtUp) : { state: caughtUp, effects: [] }
    }
  }
}

/** Whether the store, whose records of a height are all kept until it is decided, should know `message` and does not. */
function isUnknown({ height, own }: StoredVotes, message: SignedMessage): boolean {
  if (message.height !== height) return message.height > height
  const asked = own.get(ownKeyOf(message))
  return asked === undefined || !isSameContent(asked, message)
}

/** Whether the certificate, verified against `signers`, holds a precommit of `self` that its store does not know. */
export function isForgotten(
  { commit, certificate }: CertifiedCommit,
  { signers, self, stored }: { signers: readonly Hex[]; self: Hex; stored: StoredVotes },
): boolean {
  const index = signers.indexOf(self)
  if (index < 0 || ((certificate.signers >> BigInt(index)) & 1n) === 0n || commit.height < stored.height) return false
  const asked = stored.own.get(ownKeyOf({ kind: 'precommit', round: certificate.round }))
  return commit.height > stored.height || asked?.commitDigest !== deriveCommitDigest(commit)
}

/** One alone, and one without a seat, has nobody to ask. */
function join(state: HandshakeState): Transition {
  const { committee, answers, height } = state
  const { signers, self } = committee
  const count = signers.includes(self) ? quorumOf(signers.length) - 1 : 0
  if (answers.size < count || height < deriveHeightNeeded(state)) return { state, effects: [] }
  return { state: { ...state, status: 'joined' }, effects: [{ kind: 'join' }] }
}

/**
 * The height that an honest peer is at, or is past: the highest f claims may be lies. Below it others have decided, and a
 * member that voted there and forgot must not vote there again.
 */
function deriveHeightNeeded({ committee, answers }: HandshakeState): bigint {
  const heights = [...answers.values()].sort((a, b) => (a < b ? 1 : -1))
  return heights[faultyMaxOf(committee.signers.length)] ?? 0n
}

const halt = (state: HandshakeState, { height, round }: { height: bigint; round: number }): Transition => ({
  state: { ...state, status: 'halted' },
  effects: [{ kind: 'halt', height, round }],
})

/** What a member says to a peer that was restarted; also while it asks itself. Sign with `signHandshake`. */
export function answerRequest(state: CommitteeState, request: AuthenticatedRequest): HandshakeAnswer {
  const { component, epoch, self: signer } = state.committee
  const { signer: asker, nonce } = request
  const newest = findNewest(state, asker)
  return { kind: 'answer', component, epoch, signer, nonce, asker, height: state.height, newest }
}

/** The latest message of `signer` that this member holds: of any height where it is a vote, of this one and the next else. */
function findNewest({ heard, rounds, early }: CommitteeState, signer: Hex): SignedMessage | null {
  let newest: SignedMessage | null = heard.get(signer) ?? null
  const consider = (message: SignedMessage | undefined) => {
    if (message?.signer === signer && (newest === null || isLater(message, newest))) newest = message
  }
  for (const { proposal } of rounds.values()) consider(proposal?.message)
  for (const { message } of early.values()) consider(message)
  return newest
}
