import type { Branded, Hex } from '../protocol/bytes.ts'
import type { Certificate, VerifiedCommit } from '../protocol/wire/certificate.ts'
import type { Body, Commit } from '../protocol/wire/commit.ts'

/** Where a message belongs, and whose it is. */
export type Position = {
  /** Component key. */
  component: Hex
  /** uint64. */
  epoch: bigint
  /** uint64, from 1. */
  height: bigint
  /** uint32, from 0. */
  round: number
  /** Address of the member that signs. */
  signer: Hex
}

/** What is executed: the same block gives the same commit, in whichever round it is proposed. */
export type Block = {
  /** Digest of the commit before; zero at height 1. */
  parent: Hex
  /** Milliseconds since the Unix epoch (spec §5.2); uint64. */
  timestampMs: bigint
  /** Encoded signed envelopes. */
  batch: readonly Uint8Array[]
  /** Encoded vote extensions of the height before (spec §5.2). */
  extensions: readonly Uint8Array[]
}

/** PROPOSAL(h, r, v, vr); v is named by the digest of the commit that executing the block gives. */
export type Proposal = Position &
  Block & {
    kind: 'proposal'
    /** Round in which a quorum prevoted the value, below `round`; −1 where the value is new. */
    validRound: number
    /** What the proposer says the block gives; a member that computes another digest prevotes nil. */
    commitDigest: Hex
    /** The prevotes of `validRound`, as a certificate; null exactly where `validRound` is −1. Not covered by the signature. */
    proof: Certificate | null
  }

/** PREVOTE(h, r, id(v)). */
export type Prevote = Position & {
  kind: 'prevote'
  /** Null is nil. */
  commitDigest: Hex | null
}

/** PRECOMMIT(h, r, id(v)); for a value its signature is the one that a contract checks (spec §4). */
export type Precommit = Position & {
  kind: 'precommit'
  /** Null is nil. */
  commitDigest: Hex | null
  /** The commit itself: it binds the signature, which covers only the commit and the round, to component and height. */
  commit: Commit | null
  /** Bytes of the vote extension; null with nil, and where the component's machine uses none (spec §5.2). */
  extension: Uint8Array | null
}

export type Message = Proposal | Prevote | Precommit

/** 64 bytes, EIP-2098. */
export type SignedProposal = Proposal & { signature: Hex }
export type SignedPrevote = Prevote & { signature: Hex }
export type SignedPrecommit = Precommit & { signature: Hex; extensionSignature: Hex | null }
export type SignedMessage = SignedProposal | SignedPrevote | SignedPrecommit
export type SignedVote = SignedPrevote | SignedPrecommit

/** A message whose signatures were checked, or made here: only `authenticate` and `signMessage` make one. */
export type AuthenticatedMessage = Branded<SignedMessage, 'AuthenticatedMessage'>

export type TimeoutKind = 'propose' | 'prevote' | 'precommit'
export type Timeout = { kind: TimeoutKind; height: bigint; round: number }

/** A value that a quorum prevoted, with all that is needed to propose it again. */
export type ProvenValue = {
  /** Round of the prevotes. */
  round: number
  proposal: SignedProposal
  /** The quorum's prevotes of `proposal.commitDigest` in `round`. */
  proof: Certificate
}

/** Made durable before `message` is signed; `recover` reads these again (spec §5.4). */
export type WalRecord = {
  message: Message
  /** With the precommit of a value: what it locks. Null else. */
  lock: ProvenValue | null
}

export type Input =
  /** Once, when the handshake joins; before it only `decidedReceived` is listened to (spec §5.4). */
  | { kind: 'started'; nowMs: number }
  | { kind: 'messageReceived'; message: AuthenticatedMessage; nowMs: number }
  | { kind: 'timeoutElapsed'; timeout: Timeout; nowMs: number }
  /** There is something to decide at the current height; said again after each `decide` while there is. */
  | { kind: 'workAvailable'; nowMs: number }
  /** Answers `build`. Left out where there is nothing to propose. */
  | {
      kind: 'proposalBuilt'
      height: bigint
      round: number
      timestampMs: bigint
      batch: readonly Uint8Array[]
      /** As `build` gave them. */
      extensions: readonly Uint8Array[]
      commit: Commit
      /** What this member attaches to its precommit of `commit`; at most EXTENSION_SIZE_MAX_BYTES. */
      voteExtension?: Uint8Array
      nowMs: number
    }
  /** Answers `execute`. */
  | {
      kind: 'executed'
      proposalId: Hex
      result: Commit | { refused: string }
      voteExtension?: Uint8Array
      nowMs: number
    }
  /** A certified commit of the current height, from a peer; executed and compared by the driver (spec §5.5). */
  | {
      kind: 'decidedReceived'
      certified: VerifiedCommit
      body: Body
      proposal: Block
      /** Encoded vote extensions for this commit, verified; may be empty. */
      extensions: readonly Uint8Array[]
      nowMs: number
    }
  /** Due at intervals of the driver's choice while a height is undecided. */
  | { kind: 'retransmitDue'; nowMs: number }

/** Perform in array order: a `persist` is durable before any effect after it begins (spec §5.4). */
export type Effect =
  | { kind: 'persist'; record: WalRecord }
  /** Sign with `signMessage`, send to every other member, and feed back as `messageReceived`: own votes count by that alone. */
  | { kind: 'broadcast'; message: Message }
  /** Send these to every other member as they are. */
  | { kind: 'relay'; messages: readonly SignedMessage[] }
  | { kind: 'scheduleTimeout'; timeout: Timeout; delayMs: number }
  | {
      kind: 'build'
      height: bigint
      round: number
      parent: Hex
      /** The block's time must not be below this: the parent's plus one. */
      earliestTimestampMs: bigint
      extensions: readonly Uint8Array[]
    }
  /** `proposalId` is the block's: one block is executed once, in whichever rounds it is proposed. */
  | { kind: 'execute'; proposalId: Hex; proposal: Proposal }
  /** Make it durable and apply it before any later effect; the WAL records of its height are then of no more use. */
  | {
      kind: 'decide'
      commit: Commit
      commitDigest: Hex
      certificate: Certificate
      proposal: Block
      /** The committee that decided it. */
      signers: readonly Hex[]
      /** Encoded vote extensions for this commit, a quorum's where the machine uses them; keep for `recover`. */
      extensions: readonly Uint8Array[]
    }
  /** Two different signed messages of one member for one height, round and kind. */
  | { kind: 'reportEvidence'; a: SignedMessage; b: SignedMessage }
  /** This member's key signed what this core did not ask for: stop for good (spec §5.4). */
  | { kind: 'halt'; message: SignedMessage }
