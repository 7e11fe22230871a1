import { authenticate } from '../../committee/authenticate.ts'
import { encodeMessage } from '../../committee/codec.ts'
import { type Committee, faultyMaxOf } from '../../committee/committee.ts'
import {
  answerRequest,
  createHandshake,
  type HandshakeInput,
  type HandshakeState,
  type StoredVotes,
  stepHandshake,
} from '../../committee/handshake.ts'
import {
  type AuthenticatedRequest,
  authenticateHandshake,
  encodeHandshake,
  type HandshakeAnswer,
  signHandshake,
} from '../../committee/handshakeMessage.ts'
import { decodeRecord, encodeRecord } from '../../committee/record.ts'
import { recover } from '../../committee/recover.ts'
import { signMessage } from '../../committee/sign.ts'
import { type CommitteeState, createState, GENESIS_PARENT, type Parent } from '../../committee/state.ts'
import { DecidedRefusedError, step } from '../../committee/step.ts'
import { DEFAULT_TIMEOUTS } from '../../committee/timeouts.ts'
import type { Block, Effect, Input, Message, SignedMessage } from '../../committee/types.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { VerifiedCommit } from '../../protocol/wire/certificate.ts'
import { deriveCommitDigest, derivePrecommitDigest, ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { quorumOf } from '../../protocol/wire/committee.ts'
import type { VerifiedEnvelope } from '../../protocol/wire/envelope.ts'
import { createPool } from '../../workers/member/pool.ts'
import { COMPONENT, createReplicaState, type ExecutedWords, type ReplicaState, words } from './component.ts'
import { type Decision, Disk } from './disk.ts'
import type { World } from './world.ts'

/** What members say to each other, as the driver's frames. */
export type Frame =
  | { kind: 'consensus'; bytes: Uint8Array }
  | { kind: 'handshake'; bytes: Uint8Array }
  /** "I am at this height; who has more?" */
  | { kind: 'behind'; height: bigint }
  | { kind: 'decided'; decision: Decision }

/** Thrown where the power fails between two effects. */
export class Killed extends Error {}

const RETRANSMIT_MS = 400
const ASK_MS = 200
const SERVED_HEIGHTS_MAX = 16n

/**
 * One member as its driver runs it (workers/member/driver.ts), on simulated ground: the real core, handshake, codecs and
 * execution; inputs in, effects out, in order, and the power may fail before any of them.
 */
export class Member {
  readonly disk: Disk
  readonly index: number
  readonly signer: Hex
  readonly world: World
  readonly sign: (digest: Hex) => Hex
  isUp = false
  isHalted = false
  /** An old copy of the store was put back: from then on it counts among the faulty. */
  isRestored = false
  core!: CommitteeState
  replica: ReplicaState
  #handshake: HandshakeState | null = null
  #stored!: StoredVotes
  readonly #executions = new Map<Hex, ExecutedWords>()
  readonly #inputs: Input[] = []
  #isStepping = false
  /** Counts starts: what was scheduled before a crash is nothing to the member after it. */
  #life = 0
  #askedAtMs = 0
  readonly #served = new Map<bigint, number>()
  #pool = createPool(words)

  constructor(world: World, index: number) {
    this.world = world
    this.index = index
    this.signer = world.signers[index]!
    this.sign = world.keyring.signerOf(this.signer)
    this.replica = createReplicaState(world.memberships[0]!)
    this.disk = new Disk(this.replica)
  }

  get nowMs(): number {
    return this.world.nowMs + this.world.skewOf(this.index)
  }

  get isAsking(): boolean {
    return this.#handshake?.status === 'asking'
  }

  // Life and death

  start(): void {
    if (this.isHalted) return
    const { decisions, state, wal } = this.disk.read()
    this.isUp = true
    this.#life++
    this.replica = state
    const last = decisions.at(-1)
    const records = wal.map(decodeRecord)
    const recovered = recover({ committee: this.#committee(), parent: this.#parentOf(last), records })
    this.core = this.#isRetired ? { ...recovered, status: 'ended' } : recovered
    this.#stored = { height: this.core.height, own: this.core.own }
    if (this.isRestored) this.world.onRestored(this, records)
    this.#beginHandshake()
    this.#tick()
    this.announceWork()
  }

  kill(): void {
    if (!this.isUp) return
    this.world.note(() => `${this.name} is killed`)
    this.isUp = false
    this.disk.lose()
    this.#inputs.length = 0
    this.#executions.clear()
    this.#served.clear()
    this.#pool = createPool(words)
    this.world.checker.onForgotten(this.signer, this.#faultyMax)
  }

  get #faultyMax(): number {
    return faultyMaxOf(this.core.committee.signers.length)
  }

  get name(): string {
    return `member ${this.index}`
  }

  #committee(): Committee {
    const { epoch, governance } = this.replica
    const signers = governance.members.map(({ signer }) => signer)
    const { hasExtensions } = this.world.plan
    return { component: COMPONENT, epoch, signers, self: this.signer, hasExtensions, timeouts: DEFAULT_TIMEOUTS }
  }

  /** After its retirement a component's members sign nothing more, restarted or not (spec §9). */
  get #isRetired(): boolean {
    return this.replica.governance.retirement !== null
  }

  #parentOf(last: Decision | undefined): Parent {
    if (last === undefined) return GENESIS_PARENT
    const { commit, commitDigest, extensions } = last
    const signers = this.world.memberships[Number(commit.epoch)]!
    return { height: commit.height, commitDigest, timestampMs: commit.timestampMs, signers, extensions }
  }

  // The handshake (spec §5.4)

  #beginHandshake(): void {
    const { committee, height } = this.core
    const nonce = this.world.createNonce()
    this.#handshake = createHandshake({ committee, nonce, stored: this.#stored, height })
    this.#giveHandshake({ kind: 'requestDue' })
  }

  #giveHandshake(input: HandshakeInput): void {
    if (this.#handshake === null) return
    const { state, effects } = stepHandshake(this.#handshake, input)
    this.#handshake = state
    for (const effect of effects) {
      switch (effect.kind) {
        case 'request':
          this.#broadcastFrame({ kind: 'handshake', bytes: encodeHandshake(signHandshake(effect.message, this.sign)) })
          // It may have missed decisions, too.
          this.#broadcastFrame({ kind: 'behind', height: this.core.height })
          break
        case 'join':
          this.world.note(() => `${this.name} joins at height ${this.core.height}`)
          this.feed({ kind: 'started', nowMs: this.nowMs })
          this.announceWork()
          break
        case 'halt':
          this.halt(`its store lost what it signed at ${effect.height}/${effect.round}`)
          break
      }
    }
  }

  protected halt(reason: string): void {
    this.world.note(() => `${this.name} stops for good: ${reason}`)
    this.isHalted = true
    this.kill()
    this.world.checker.onHalted(this.signer, { isRestored: this.isRestored })
  }

  // Inputs and effects

  feed(input: Input): void {
    if (!this.isUp) return
    this.#inputs.push(input)
    if (this.#isStepping) return
    this.#isStepping = true
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) this.#stepOne(next)
    } catch (error) {
      if (!(error instanceof Killed)) throw error
      this.kill()
      this.world.scheduleRestart(this)
    } finally {
      this.#isStepping = false
    }
  }

  #stepOne(input: Input): void {
    let effects: readonly Effect[]
    try {
      const transition = step(this.core, input)
      this.core = transition.state
      effects = transition.effects
    } catch (error) {
      if (!(error instanceof DecidedRefusedError)) throw error
      return
    }
    for (let index = 0; index < effects.length && this.isUp; index++) {
      this.world.mayKill(this)
      const effect = effects[index]!
      if (effect.kind !== 'persist') this.perform(effect)
      else {
        this.disk.append(encodeRecord(effect.record))
        // Written and not yet synced: the power may fail here, too. Records that stand together share one fsync.
        this.world.mayKill(this)
        if (effects[index + 1]?.kind !== 'persist') this.disk.sync()
      }
    }
  }

  protected perform(effect: Exclude<Effect, { kind: 'persist' }>): void {
    switch (effect.kind) {
      case 'broadcast': {
        const message = signMessage(effect.message, this.sign)
        this.checkSigned(effect.message)
        this.world.note(() => `${this.name} says ${describe(message)}`)
        this.broadcast(message)
        this.#inputs.push({ kind: 'messageReceived', message, nowMs: this.nowMs })
        return
      }
      case 'relay':
        this.relay(effect.messages)
        return
      case 'scheduleTimeout': {
        const { timeout, delayMs } = effect
        this.later(delayMs, () => this.feed({ kind: 'timeoutElapsed', timeout, nowMs: this.nowMs }))
        return
      }
      case 'build':
        this.#build(effect)
        return
      case 'execute':
        this.#execute(effect)
        return
      case 'decide':
        this.#decide(effect)
        return
      case 'reportEvidence':
        this.onEvidence(effect.a)
        return
      case 'halt':
        this.halt(`its key signed ${describe(effect.message)}`)
        return
    }
  }

  protected checkSigned(message: Message): void {
    this.world.checker.onSigned(message, this)
  }

  protected onEvidence(a: SignedMessage): void {
    this.world.checker.onEvidence(a, { isHonest: this.world.isHonest(a.signer) })
  }

  protected broadcast(message: SignedMessage): void {
    this.#broadcastFrame({ kind: 'consensus', bytes: encodeMessage(message) })
  }

  protected relay(messages: readonly SignedMessage[]): void {
    for (const message of messages) this.#broadcastFrame({ kind: 'consensus', bytes: encodeMessage(message) })
  }

  #broadcastFrame(frame: Frame): void {
    for (const to of this.world.members) if (to.index !== this.index) this.world.send(this.index, to.index, frame)
  }

  // Execution

  #build({ height, round, earliestTimestampMs, extensions }: Extract<Effect, { kind: 'build' }>): void {
    const batch = this.#takeBatch()
    if (batch.length === 0) return
    const now = BigInt(this.nowMs)
    const timestampMs = now > earliestTimestampMs ? now : earliestTimestampMs
    const executed = this.execute({ parent: this.replica.parent, timestampMs, batch, extensions })
    const { commit } = executed
    const voteExtension = this.#observe()
    this.later(this.world.random.below(5), () =>
      this.feed({
        kind: 'proposalBuilt',
        height,
        round,
        timestampMs,
        batch,
        extensions,
        commit,
        voteExtension,
        nowMs: this.nowMs,
      }),
    )
  }

  #execute({ proposalId, proposal }: Extract<Effect, { kind: 'execute' }>): void {
    let result: Extract<Input, { kind: 'executed' }>['result']
    try {
      result = this.execute(proposal).commit
    } catch (error) {
      if (!(error instanceof CoalitionError)) throw error
      result = { refused: error.message }
    }
    const voteExtension = this.#observe()
    this.later(this.world.random.below(5), () =>
      this.feed({ kind: 'executed', proposalId, result, voteExtension, nowMs: this.nowMs }),
    )
  }

  /** @throws {CoalitionError} */
  execute(block: Block): ExecutedWords {
    const executed = this.world.execute(this.replica, block)
    const commitDigest = deriveCommitDigest(executed.commit)
    this.#executions.set(commitDigest, executed)
    this.world.checker.onExecuted(this.signer, commitDigest)
    return executed
  }

  /** What a member attaches to its precommit: its clock, as the Almanac's members do. */
  #observe(): Uint8Array {
    return new TextEncoder().encode(`${this.index}@${this.nowMs}`)
  }

  #decide(decide: Extract<Effect, { kind: 'decide' }>): void {
    const { commit, commitDigest, certificate, proposal, extensions } = decide
    this.world.note(
      () => `${this.name} decides height ${commit.height} in round ${certificate.round}: ${commitDigest.slice(0, 10)}`,
    )
    this.checkDecided(decide)
    const { parent, timestampMs, batch } = proposal
    const block = { parent, timestampMs, batch, extensions: proposal.extensions }
    const executed = this.#executions.get(commitDigest) ?? this.execute(block)
    if (executed.state.parent !== commitDigest) throw new Error(`height ${commit.height} executes to another commit`)
    const decision = { commit, commitDigest, certificate, body: executed.body, block, extensions }
    this.disk.decide(decision, executed.state)
    if (commit.next !== ZERO_BYTES32) this.disk.sync()
    this.replica = executed.state
    this.#executions.clear()
    this.#pool.prune(this.replica)
    this.world.onDecided(this, commit)
    if (this.isAsking) this.#giveHandshake({ kind: 'decided', commit, certificate })
    if (!this.isUp) return
    if (this.#isRetired) this.world.note(() => `${this.name} retires`)
    else if (this.core.status === 'ended' || this.core.committee.epoch !== this.replica.epoch) this.#enterEpoch()
    this.announceWork()
  }

  protected checkDecided(decide: Extract<Effect, { kind: 'decide' }>): void {
    this.world.checker.onDecided(this.signer, decide)
  }

  /** The committee that the last commit named takes over; one that still asks goes on asking, among the new ones. */
  #enterEpoch(): void {
    const isAsking = this.isAsking
    this.core = createState({
      committee: this.#committee(),
      parent: this.#parentOf(this.disk.written.decisions.at(-1)),
    })
    this.world.checker.onForgotten(this.signer, this.#faultyMax)
    if (this.isRestored) this.world.onRestoredEntersEpoch(this)
    this.world.note(() => `${this.name} enters epoch ${this.core.committee.epoch}`)
    if (isAsking) this.#beginHandshake()
    else this.#inputs.push({ kind: 'started', nowMs: this.nowMs })
  }

  // Work

  /** An envelope arrives; whoever signed it sends it to every member, and again until it is decided. */
  offer(envelope: VerifiedEnvelope): void {
    if (!this.isUp) return
    const { submitter, sequence } = envelope.envelope
    if (sequence <= (this.replica.sequences.get(submitter) ?? 0n)) return
    try {
      if (this.#pool.add(envelope, this.replica) === 'added') this.announceWork()
    } catch (error) {
      // An approval that this member's epoch has no use for.
      if (!(error instanceof CoalitionError)) throw error
    }
  }

  #takeBatch(): Uint8Array[] {
    if (!this.#pool.hasWork(this.replica)) return []
    const taken = this.#pool.take(this.replica)
    return taken.slice(0, this.world.plan.batchMax).map(({ bytes }) => bytes)
  }

  announceWork(): void {
    if (!this.core.isActive && this.#takeBatch().length > 0) this.feed({ kind: 'workAvailable', nowMs: this.nowMs })
  }

  // What arrives

  receive(from: number, frame: Frame): void {
    if (!this.isUp) return
    switch (frame.kind) {
      case 'consensus':
        return this.#receiveMessage(from, frame.bytes)
      case 'handshake':
        return this.#receiveHandshake(from, frame.bytes)
      case 'behind':
        return this.#serve(from, frame.height)
      case 'decided':
        return this.#receiveDecided(frame.decision)
    }
  }

  #receiveMessage(from: number, bytes: Uint8Array): void {
    const result = authenticate(bytes, { state: this.core, isSigned: this.world.keyring.isSigned })
    if ('message' in result) {
      const { message } = result
      if (this.core.status === 'running') this.world.checker.onHeard(this.signer, message)
      this.onMessage(message)
      this.feed({ kind: 'messageReceived', message, nowMs: this.nowMs })
      if (this.isUp && message.height > this.core.height) this.#askLater()
      return
    }
    const { refused, header } = result
    this.world.onRefused(refused)
    if (header === undefined) return
    const { epoch } = this.core.committee
    if (refused === 'heightAhead' || (refused === 'epoch' && header.epoch > epoch)) this.#askLater()
    if (refused === 'heightBehind' || (refused === 'epoch' && header.epoch < epoch)) this.#serve(from, header.height)
  }

  protected onMessage(_message: SignedMessage): void {}

  #receiveHandshake(from: number, bytes: Uint8Array): void {
    const nonce = this.#handshake?.nonce ?? null
    const { committee } = this.core
    const result = authenticateHandshake(bytes, { committee, nonce, isSigned: this.world.keyring.isSigned })
    if ('refused' in result) return
    const { message } = result
    if (message.kind === 'answer') {
      this.#giveHandshake({ kind: 'answerReceived', answer: message })
      return
    }
    const answer = signHandshake(this.answer(message), this.sign)
    this.world.send(this.index, from, { kind: 'handshake', bytes: encodeHandshake(answer) })
  }

  protected answer(request: AuthenticatedRequest): HandshakeAnswer {
    return answerRequest(this.core, request)
  }

  /** The certificate is checked against the committee of its epoch, as far as this member knows epochs; the rest is the core's. */
  #receiveDecided({ commit, commitDigest, certificate, body, block, extensions }: Decision): void {
    const signers = this.world.memberships[Number(commit.epoch)]
    if (signers === undefined || commit.epoch > this.core.committee.epoch || commit.height < this.core.height) return
    const { round, signers: bitmap, signatures } = certificate
    const present = signers.filter((_, index) => (bitmap >> BigInt(index)) & 1n)
    if (present.length < quorumOf(signers.length) || deriveCommitDigest(commit) !== commitDigest) return
    const digest = derivePrecommitDigest({ commitDigest, round })
    const isCertified = present.every((signer, position) => {
      const signature: Hex = `0x${signatures.slice(2 + 128 * position, 130 + 128 * position)}`
      return this.world.keyring.isSigned({ digest, signature, signer })
    })
    if (!isCertified) return
    const certified = { commit, certificate, digest: commitDigest } as VerifiedCommit
    this.feed({ kind: 'decidedReceived', certified, body, proposal: block, extensions, nowMs: this.nowMs })
  }

  #serve(to: number, first: bigint): void {
    const { decisions } = this.disk.written
    for (
      let height = first < 1n ? 1n : first;
      height <= BigInt(decisions.length) && height < first + SERVED_HEIGHTS_MAX;
      height++
    ) {
      const key = height * 256n + BigInt(to)
      if (this.world.nowMs - (this.#served.get(key) ?? 0) < ASK_MS) continue
      this.#served.set(key, this.world.nowMs)
      this.world.send(this.index, to, { kind: 'decided', decision: decisions[Number(height) - 1]! })
    }
  }

  #askLater(): void {
    if (this.world.nowMs - this.#askedAtMs < ASK_MS) return
    this.#askedAtMs = this.world.nowMs
    const { height } = this.core
    this.later(ASK_MS, () => {
      if (this.core.height === height) this.#broadcastFrame({ kind: 'behind', height })
    })
  }

  #tick(): void {
    const { height } = this.core
    this.later(RETRANSMIT_MS, () => {
      this.feed({ kind: 'retransmitDue', nowMs: this.nowMs })
      // There is work and no progress: perhaps the others decided it, and have nothing to say since.
      const isStuck = this.core.height === height && (this.core.isActive || this.#takeBatch().length > 0)
      if (isStuck) this.#broadcastFrame({ kind: 'behind', height })
      this.#giveHandshake({ kind: 'requestDue' })
      this.onTick()
      if (this.isUp) this.#tick()
    })
  }

  protected onTick(): void {}

  protected later(delayMs: number, run: () => void): void {
    const life = this.#life
    this.world.later(delayMs, () => {
      if (this.isUp && this.#life === life) run()
    })
  }
}

export function describe(message: SignedMessage): string {
  const { kind, epoch, height, round, commitDigest } = message
  const value = commitDigest === null ? 'nil' : commitDigest.slice(0, 10)
  const valid = message.kind === 'proposal' && message.validRound >= 0 ? ` valid in ${message.validRound}` : ''
  return `${kind} ${epoch === 0n ? '' : `epoch ${epoch} `}${height}/${round} ${value}${valid}`
}
