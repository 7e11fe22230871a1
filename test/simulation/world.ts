import { CLOCK_SKEW_MAX_MS } from '../../committee/timeouts.ts'
import type { Block, WalRecord } from '../../committee/types.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { type Commit, ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import type { VerifiedEnvelope } from '../../protocol/wire/envelope.ts'
import { Checker, Violation } from './checker.ts'
import {
  clientOf,
  createEnvelope,
  type ExecutedWords,
  encodeWord,
  executeBlock,
  keyOfBytes,
  type ReplicaState,
} from './component.ts'
import { EventQueue } from './eventQueue.ts'
import { Keyring } from './keyring.ts'
import { type KnownValue, Liar } from './liar.ts'
import { type Frame, Killed, Member } from './member.ts'
import { OldKeys } from './oldKeys.ts'
import { Operators } from './operators.ts'
import { createPlan, type Plan, type PlanOptions } from './plan.ts'
import type { Random } from './random.ts'

export const START_MS = 1_760_000_000_000
/** Simulated time within which a healed committee must have decided all there is. */
const LIVENESS_MAX_MS = 20 * 60_000
/** A run that delivers more is a storm, and will not end. */
const DELIVERIES_MAX = 500_000
const CLIENT_COUNT = 2
/** Words and approvals are handed to each member within this time. */
const HAND_OUT_MAX_MS = 100
const WILD_SKEW_MS = 5_000
const TRANSCRIPT_LINES_MAX = 400

export type Outcome = {
  seed: number
  violation: Violation | null
  /** Heights in the log. */
  heightCount: number
  /** Deliveries made. */
  deliveryCount: number
  killCount: number
  restoreCount: number
  haltCount: number
  epochCount: number
  isRetired: boolean
  /** Simulated. */
  durationMs: number
  /** The last lines, oldest first; empty unless asked for. */
  transcript: readonly string[]
}

type Execution = Pick<Block, 'parent' | 'timestampMs' | 'extensions'> & { executed: ExecutedWords }

/** A committee on one simulated clock, network and disk, all from one seed (spec §5.6). */
export class World {
  nowMs = START_MS
  readonly plan: Plan
  readonly random: Random
  readonly keyring = new Keyring()
  /** Addresses of everybody who ever sits, by index, ascending. */
  readonly signers: readonly Hex[]
  /** Committees in the order of their epochs. */
  readonly memberships: readonly (readonly Hex[])[]
  readonly members: Member[]
  readonly checker: Checker
  /** All that clients and operators signed, by `keyOfBytes`. */
  readonly envelopes = new Map<string, VerifiedEnvelope>()
  /** What liars know how to vote for, newest last. */
  readonly liarValues: KnownValue[] = []
  readonly #events = new EventQueue()
  readonly #skews: readonly number[]
  readonly #blocked = new Set<number>()
  /** Until when a member is not heard. */
  readonly #muted = new Map<number, number>()
  readonly #backups = new Map<number, ReturnType<Member['disk']['read']>>()
  readonly #isTold: boolean
  readonly #oldKeys: OldKeys
  readonly #operators: Operators
  /** By batch: what came of executing it last. */
  readonly #executions = new WeakMap<readonly Uint8Array[], Execution>()
  /** Members that were ever started. */
  readonly #begun = new Set<number>()
  /** Words of each client. */
  readonly #sequences = new Map<Hex, bigint>()
  readonly #seen: Frame[] = []
  #lines: string[] = []
  #isHealed = false
  #nonces = 0
  #counts = { delivery: 0, kill: 0, restore: 0 }

  constructor(seed: number, options: PlanOptions & { isTold?: boolean } = {}) {
    const { isTold = false, ...planOptions } = options
    const { plan, random } = createPlan(seed, planOptions)
    this.plan = plan
    this.random = random
    this.#isTold = isTold
    const count = Math.max(...plan.memberships.flat()) + 1
    this.signers = Array.from({ length: count }, (_, index): Hex => `0x${(index + 1).toString(16).padStart(40, '0')}`)
    this.memberships = plan.memberships.map((members) => members.map((index) => this.signers[index]!))
    const { keyring, memberships } = this
    this.checker = new Checker({ keyring, memberships, hasExtensions: plan.hasExtensions, unchecked: plan.unchecked })
    this.#skews = this.signers.map((_, index) =>
      plan.faults.get(index) === 'wildClock'
        ? random.pick([-WILD_SKEW_MS, WILD_SKEW_MS])
        : random.between(-plan.skewMaxMs, plan.skewMaxMs),
    )
    this.members = this.signers.map((_, index) =>
      plan.faults.get(index) === 'liar' ? new Liar(this, index) : new Member(this, index),
    )
    this.#oldKeys = new OldKeys(this)
    this.#operators = new Operators(this, this.#planEnds())
  }

  /** Runs the seed to its end: trouble, then healing, then the demand to decide. */
  run(): Outcome {
    let violation: Violation | null = null
    try {
      this.#runAll()
    } catch (error) {
      if (error instanceof Violation) violation = error
      else {
        const { stack } = error as Error
        violation = new Violation('fault', stack ?? String(error))
      }
    }
    if (violation !== null) this.note(() => `VIOLATION ${violation.message}`)
    const { delivery: deliveryCount, kill: killCount, restore: restoreCount } = this.#counts
    return {
      seed: this.plan.seed,
      violation,
      heightCount: this.checker.log.length,
      deliveryCount,
      killCount,
      restoreCount,
      haltCount: this.members.filter(({ isHalted }) => isHalted).length,
      epochCount: 1 + Number(this.checker.log.at(-1)?.commit.epoch ?? 0n),
      isRetired: this.checker.isRetired,
      durationMs: this.nowMs - START_MS,
      transcript: this.#lines,
    }
  }

  #runAll(): void {
    const { plan, random } = this
    for (const index of plan.memberships[0]!) this.begin(this.members[index]!, 50)
    for (let index = 0; index < plan.envelopeCount; index++) {
      // In pairs, so that some heights begin as soon as the one before ends.
      const delayMs = Math.floor(((index >> 1) * 2 * plan.chaosMs) / (plan.envelopeCount + 1)) + random.below(300)
      this.later(delayMs, () => this.#submit())
    }
    this.#planTrouble()
    const healAtMs = START_MS + plan.chaosMs
    while (this.nowMs < healAtMs) if (!this.#next(healAtMs)) break
    this.#heal()
    const deadline = this.nowMs + LIVENESS_MAX_MS
    this.#submit()
    while (!this.#isDone()) {
      const isStorm = this.#counts.delivery > DELIVERIES_MAX
      if (isStorm || !this.#next(deadline)) throw new Violation('liveness', this.#describeStall())
    }
  }

  /** When each epoch is to end: all but the last by a rotation, and the last only where the component retires. */
  #planEnds(): number[] {
    const { plan, random } = this
    const rotationCount = plan.memberships.length - 1
    const endsMs = Array.from({ length: rotationCount }, () => random.below(plan.chaosMs)).sort((a, b) => a - b)
    if (plan.isRetiring) endsMs.push(random.between(plan.chaosMs >> 1, plan.chaosMs))
    return endsMs.map((endMs) => START_MS + endMs)
  }

  /** Whoever is to sit for the first time is started then, and not before. */
  begin(member: Member, delayMaxMs: number): void {
    if (this.#begun.has(member.index)) return
    this.#begun.add(member.index)
    this.later(this.random.below(delayMaxMs), () => this.#restart(member))
  }

  #next(untilMs: number): boolean {
    const event = this.#events.take()
    if (event === undefined || event.atMs > untilMs) {
      // What lies beyond is taken up again.
      if (event !== undefined) this.#events.add(event.atMs, event.run)
      this.nowMs = untilMs
      return false
    }
    this.nowMs = event.atMs
    event.run()
    return true
  }

  // Trouble

  #planTrouble(): void {
    const { plan, random } = this
    const recur = (everyMs: number, act: () => void): void => {
      if (everyMs <= 0) return
      this.later(1 + random.below(2 * everyMs), () => {
        if (this.#isHealed) return
        act()
        recur(everyMs, act)
      })
    }
    recur(plan.partitionEveryMs, () => this.#repartition())
    if (plan.crashRatio > 0) {
      recur(8_000, () => {
        const member = random.pick(this.members)
        if (!member.isUp) return
        member.kill()
        this.scheduleRestart(member)
      })
    }
    for (const [index, fault] of plan.faults) {
      const member = this.members[index]!
      if (fault === 'dead') this.later(random.below(plan.chaosMs), () => this.#bury(member))
      if (fault !== 'restored') continue
      this.later(random.below(plan.chaosMs >> 1), () => {
        this.#backups.set(index, member.disk.read())
      })
      this.later((plan.chaosMs >> 1) + random.below(plan.chaosMs >> 1), () => {
        member.kill()
        this.scheduleRestart(member)
      })
    }
    if (plan.leaksOldKeys) recur(1_000, () => this.#oldKeys.strike())
    recur(500, () => this.#replay())
  }

  #bury(member: Member): void {
    this.note(() => `${member.name} is gone for good`)
    member.kill()
    member.isHalted = true
  }

  /** Everyone, some, one direction only: who can hear whom. */
  #repartition(): void {
    const { random, members } = this
    this.#blocked.clear()
    if (random.chance(0.3)) return
    const side = new Set(
      random.sample(
        members.map(({ index }) => index),
        random.between(1, members.length),
      ),
    )
    const isOneWay = random.chance(0.3)
    for (const { index: from } of members) {
      for (const { index: to } of members) {
        if (side.has(from) && !side.has(to)) this.#blocked.add(from * 256 + to)
        if (!isOneWay && !side.has(from) && side.has(to)) this.#blocked.add(from * 256 + to)
      }
    }
    this.note(() => `${[...side].join(' ')} can${isOneWay ? 'not be heard' : ' hear only each other'}`)
  }

  /** The post repeats what it once carried, to whomever it likes. */
  #replay(): void {
    if (this.#seen.length === 0 || this.plan.duplicateRatio === 0) return
    for (let count = this.random.below(4); count > 0; count--) {
      const frame = this.random.pick(this.#seen)
      this.#deliver(this.random.below(this.members.length), this.random.below(this.members.length), frame)
    }
  }

  #heal(): void {
    this.#isHealed = true
    this.#blocked.clear()
    this.note(() => 'the network heals')
    for (const member of this.members) {
      if (this.#begun.has(member.index)) this.later(this.random.below(500), () => this.#restart(member))
    }
    const resend = (): void => {
      for (const envelope of this.envelopes.values()) for (const member of this.members) member.offer(envelope)
      this.later(1_000, resend)
    }
    resend()
  }

  /** The power may fail before any effect of a member that is not a liar. */
  mayKill(member: Member): void {
    if (this.#isHealed || !this.random.chance(this.plan.crashRatio) || member instanceof Liar) return
    throw new Killed()
  }

  scheduleRestart(member: Member): void {
    this.#counts.kill++
    this.later(this.random.pick([20, 200, 2_000]) + this.random.below(100), () => this.#restart(member))
  }

  #restart(member: Member): void {
    if (member.isUp || member.isHalted) return
    const backup = this.#backups.get(member.index)
    if (backup !== undefined && !member.isRestored && !this.#isHealed) {
      this.note(() => `${member.name} has an old copy of its store put back`)
      member.disk.restore(backup)
      member.isRestored = true
      this.#counts.restore++
    }
    this.note(() => `${member.name} starts at height ${member.disk.read().decisions.length + 1}`)
    member.start()
  }

  onRestored(member: Member, records: readonly WalRecord[]): void {
    this.checker.onRestored(member.signer, { records, height: member.core.height, ...this.#askedBy(member) })
  }

  onRestoredEntersEpoch(member: Member): void {
    this.checker.onAskedElsewhere(member.signer, this.#askedBy(member))
  }

  /** The honest peers that a member which starts now asks. */
  #askedBy(member: Member): { peers: Hex[]; faultyMax: number } {
    const { signers } = member.core.committee
    const peers = this.members
      .filter((peer) => peer !== member && !(peer instanceof Liar) && peer.isUp && signers.includes(peer.signer))
      .map(({ signer }) => signer)
    return { peers, faultyMax: Math.floor((signers.length - 1) / 3) }
  }

  // Work

  #submit(): void {
    const submitter = clientOf(this.random.below(CLIENT_COUNT))
    const sequence = (this.#sequences.get(submitter) ?? 0n) + 1n
    this.#sequences.set(submitter, sequence)
    const name = `${submitter.slice(-1)}/${sequence}`
    this.handOut(createEnvelope({ name, submitter, sequence, command: encodeWord(name) }), HAND_OUT_MAX_MS)
  }

  /** Sends an envelope to every member, as those that signed it do. */
  handOut(envelope: VerifiedEnvelope, delayMaxMs: number): void {
    this.envelopes.set(keyOfBytes(envelope.bytes), envelope)
    for (const member of this.members) this.later(this.random.below(delayMaxMs), () => member.offer(envelope))
  }

  /**
   * Executes a block on the state it follows. Members that read one message share its batch, and those at one parent have
   * one state, which its digest commits to: what comes of it is computed once.
   *
   * @throws {CoalitionError}
   */
  execute(state: ReplicaState, block: Block): ExecutedWords {
    const { parent } = state
    const { timestampMs, batch, extensions } = block
    const known = this.#executions.get(batch)
    const isSame = known?.parent === parent && known.timestampMs === timestampMs && known.extensions === extensions
    if (isSame) return known.executed
    const executed = executeBlock({ state, block, envelopes: this.envelopes })
    this.#executions.set(batch, { parent, timestampMs, extensions, executed })
    return executed
  }

  // The network

  send(from: number, to: number, frame: Frame): void {
    const { plan, random } = this
    if (!this.#begun.has(to)) return
    if (!this.#isHealed) {
      // Liars have lines of their own.
      const isLiars = this.members[from] instanceof Liar || this.members[to] instanceof Liar
      if (!isLiars && (this.#blocked.has(from * 256 + to) || this.nowMs < (this.#muted.get(from) ?? 0))) return
      if (random.chance(plan.lossRatio)) return
      if (random.chance(plan.duplicateRatio)) this.#deliver(from, to, frame)
      if (this.#seen.length < 200) this.#seen.push(frame)
      else this.#seen[random.below(200)] = frame
    }
    this.#deliver(from, to, frame)
  }

  #deliver(from: number, to: number, frame: Frame): void {
    const { plan, random } = this
    const delayMaxMs = this.#isHealed ? Math.min(plan.delayMaxMs, 50) : plan.delayMaxMs
    const delayMs = random.between(Math.min(plan.delayMinMs, delayMaxMs), delayMaxMs)
    const isCorrupt = !this.#isHealed && random.chance(plan.corruptRatio)
    const carried = isCorrupt ? this.#corrupt(frame) : frame
    this.later(delayMs, () => {
      this.#counts.delivery++
      this.members[to]!.receive(from, carried)
    })
  }

  #corrupt(frame: Frame): Frame {
    if (frame.kind !== 'consensus' && frame.kind !== 'handshake') return frame
    const bytes = frame.bytes.slice()
    const at = this.random.below(bytes.length)
    bytes[at] = bytes[at]! ^ (1 << this.random.below(8))
    return { kind: frame.kind, bytes }
  }

  later(delayMs: number, run: () => void): void {
    this.#events.add(this.nowMs + delayMs, run)
  }

  skewOf(index: number): number {
    return this.#skews[index]!
  }

  createNonce(): Hex {
    return `0x${(++this.#nonces).toString(16).padStart(64, '0')}`
  }

  /** Whether what this address signs is its member's own doing. */
  isHonest(signer: Hex): boolean {
    const member = this.members[this.signers.indexOf(signer)]
    return member !== undefined && !(member instanceof Liar) && !member.isRestored && !this.#oldKeys.holds(signer)
  }

  onDecided(member: Member, commit: Commit): void {
    if (member instanceof Liar) return
    if (!this.#isHealed && this.random.chance(this.plan.muteRatio)) {
      this.note(() => `${member.name} is not heard for a while`)
      this.#muted.set(member.index, this.nowMs + this.random.between(500, 4_000))
    }
    const latestMs = Math.max(...this.#skews.filter((_, index) => !(this.members[index] instanceof Liar))) + this.nowMs
    this.checker.checkClock(commit, latestMs + CLOCK_SKEW_MAX_MS)
    if (commit.next !== ZERO_BYTES32) this.#operators.approve()
  }

  onRefused(_refusal: string): void {}

  // The end

  get honest(): Member[] {
    return this.members.filter((member) => !(member instanceof Liar))
  }

  #isDone(): boolean {
    return this.honest.every((member) => member.isHalted || (member.isUp && this.#hasAll(member)))
  }

  #hasAll({ replica: { height, epoch, sequences, governance } }: Member): boolean {
    if (height < BigInt(this.checker.log.length)) return false
    // What a retired component left undecided stays so.
    if (this.plan.isRetiring) return governance.retirement !== null
    const isLastEpoch = Number(epoch) === this.memberships.length - 1
    return isLastEpoch && [...this.#sequences].every(([client, last]) => sequences.get(client) === last)
  }

  #describeStall(): string {
    return this.members
      .map(({ name, isUp, isHalted, isAsking, core, replica }) => {
        const status = isHalted ? 'stopped' : !isUp ? 'down' : isAsking ? 'asks' : `${core.status} ${core.step}`
        return `${name} ${status} at ${replica.height + 1n}/${core?.round}`
      })
      .join('; ')
  }

  note(line: () => string): void {
    if (!this.#isTold) return
    this.#lines.push(`${String(this.nowMs - START_MS).padStart(7)} ms  ${line()}`)
    if (this.#lines.length > 2 * TRANSCRIPT_LINES_MAX) this.#lines = this.#lines.slice(-TRANSCRIPT_LINES_MAX)
  }
}

/** Runs one seed. */
export const runSeed = (seed: number, options: PlanOptions & { isTold?: boolean } = {}): Outcome =>
  new World(seed, options).run()
