import type { MemberStatus } from '../../client/memberStatus.ts'
import { encodeMessage } from '../../committee/codec.ts'
import type { Committee } from '../../committee/committee.ts'
import { hasExtensions } from '../../committee/execution.ts'
import { decodeRecord, encodeRecord } from '../../committee/record.ts'
import { recover } from '../../committee/recover.ts'
import { signMessage } from '../../committee/sign.ts'
import { type CommitteeState, createState } from '../../committee/state.ts'
import { step } from '../../committee/step.ts'
import type { Effect, Input } from '../../committee/types.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { Machine } from '../../protocol/machine.ts'
import type { Acknowledgement } from '../../protocol/wire/acknowledgement.ts'
import type { VerifiedEnvelope } from '../../protocol/wire/envelope.ts'
import type { Logger } from '../runtime/logger.ts'
import { MONOTONIC } from '../runtime/monotonic.ts'
import { createCatchUp } from './catchUp.ts'
import { createClockWatch } from './clockWatch.ts'
import { KeyElsewhereError } from './driverErrors.ts'
import { encodeFrame, type Frame } from './frame.ts'
import type { Gate, GateWiring } from './gate.ts'
import { createHandshaker } from './handshaker.ts'
import { createOutbox } from './outbox.ts'
import { createPool, type PoolSize } from './pool.ts'
import { createReception } from './reception.ts'
import type { Replica } from './replica.ts'
import type { Store } from './store.ts'
import { createSubmissions } from './submissions.ts'
import type { Transport } from './transport.ts'
import { createVitals, type Vitals } from './vitals.ts'

/** How often it is looked whether a height makes progress. */
const RETRANSMIT_MS = 500
/** Looks between two repeats at the most, where a height still makes none. */
const REPEAT_TICKS_MAX = 8
/** Bytes of envelopes that are passed on again where a height makes no progress. */
const RELAYED_AGAIN_MAX_BYTES = 1 << 20
/** How often the clock is looked at where the machine's next commit is due by it: it may have been set meanwhile. */
const LOOK_MS = 1_000

export type Driver = {
  /** Recovers what this member signed, listens, and asks whether it missed anything. */
  start(): Promise<void>
  /**
   * Takes a signed envelope, passes it on to the other members, and waits a while for its decision.
   *
   * @throws {UndecidedError} it is kept, and not decided yet: ask again.
   * @throws {ComponentRetiredError} the component is retired: nothing is decided any more.
   * @throws {EnvelopeRefusedError | SequenceRefusedError | PoolFullError} and what the machine's `validate` throws.
   */
  submit(bytes: Uint8Array): Promise<Acknowledgement>
  /** What it dropped, and whom it heard. */
  vitals: Vitals
  status(): { isJoined: boolean; isStopped: boolean; pool: PoolSize } & Pick<MemberStatus, 'clock'>
  /** Stops stepping: after it nothing is signed, sent or written. */
  stop(): void
  /** What admits peers; undefined where the component names no ticket validators. */
  gate: Gate | undefined
}

export type DriverDependencies<State> = {
  machine: Machine<State>
  replica: Replica<State>
  store: Store
  transport: Transport
  logger: Logger
  clock: { nowMs(): number }
  /** Signs a 32-byte digest with the member's key. */
  sign(digest: Hex): Hex
  /** Called once when the member must not go on: a broken invariant, a failed write, or its key seen elsewhere. */
  onFatal(error: unknown): void
  /** Makes what admits peers; absent where the component names no ticket validators (spec §8.3). */
  createGate?: ((wiring: GateWiring) => Gate) | undefined
}

/** What a member knows of its committee beside what the component's state and its machine say. */
export type Seat = Omit<Committee, 'epoch' | 'signers' | 'hasExtensions'>

/** Carries out what the committee's core asks for: inputs in, effects out, in order (spec §5.2, §5.4). */
export function createDriver<State>(deps: DriverDependencies<State>, { seat }: { seat: Seat }): Driver {
  const { machine, replica, store, transport, logger, clock, sign, onFatal } = deps
  const pool = createPool(machine)
  const vitals = createVitals({ clock })
  const gate = deps.createGate?.({
    ...{ component: seat.component, self: seat.self, sign, send, vitals },
    members: () => replica.state().governance.members.map(({ signer }) => signer),
    heardOf: (height) => catchUp.heardOf(height),
  })
  const clockWatch = createClockWatch({ clock, logger }, seat)
  const submissions = createSubmissions({ replica, pool, add, relay: (bytes) => send({ kind: 'envelope', bytes }) })
  const timers = new Set<NodeJS.Timeout>()
  const inputs: Input[] = []
  const outbox = createOutbox({ store, send, onFail: fail })
  let core = recoverCore()
  let isStepping = false
  let isStopped = false
  let dueTimer: NodeJS.Timeout | undefined
  let heightAtLastTick = -1n
  let stalledTicks = 0
  const catchUp = createCatchUp({
    store,
    clock: MONOTONIC,
    self: seat.self,
    signers: () => core.committee.signers,
    height: () => replica.state().height,
    extensionsFor: replica.readExtensionsFor,
    send: gate?.say ?? send,
    accept: (decided, extensions) => reception.receiveDecided(decided, extensions),
    drop: vitals.drop,
  })
  const handshaker = createHandshaker({
    core: () => core,
    sign,
    vitals,
    send: (bytes) => send({ kind: 'handshake', bytes }),
    onJoin() {
      if (hasSeat())
        logger.info({ height: core.height }, 'a quorum knows of nothing newer than this store: this member joins')
      feed({ kind: 'started', nowMs: clock.nowMs() })
      announceWork()
    },
    onLost({ height, round }) {
      // First of all it says nothing more: the store may refuse to remember why.
      stop()
      try {
        store.halt(`the key ${seat.self} signed at height ${height}, round ${round} what this store does not know`)
        onFatal(new KeyElsewhereError({ signer: seat.self }))
      } catch (error) {
        onFatal(error)
      }
    },
  })
  const reception = createReception({
    ...{ replica, pool, gate, catchUp, handshaker, clockWatch, vitals, logger, clock },
    ...{ core: () => core, isRetired, feed, add, fail },
  })

  const hasSeat = (): boolean => core.committee.signers.includes(seat.self)

  /** The committee of the current epoch, as the component's own state has it. */
  function readCommittee(): Committee {
    const { epoch, governance } = replica.state()
    const signers = governance.members.map(({ signer }) => signer)
    return { ...seat, epoch, signers, hasExtensions: hasExtensions(machine) }
  }

  function recoverCore(): CommitteeState {
    const state = replica.state()
    const { height, parent: commitDigest, timestampMs } = state
    const parent = { height, commitDigest, timestampMs, ...replica.parent() }
    const recovered = recover({ committee: readCommittee(), parent, records: store.readWal().map(decodeRecord) })
    return isRetired() ? { ...recovered, status: 'ended' } : recovered
  }

  /** After its retirement a component's members sign nothing more, restarted or not (spec §9). */
  function isRetired(): boolean {
    return replica.state().governance.retirement !== null
  }

  /** The last commit named another committee: whoever has a seat in it goes on with a core of its own (spec §5.1). */
  function enterEpoch(): void {
    // What waits for the old core was signed by the old committee, and is not the new one's to hear.
    inputs.length = 0
    core = createState({ committee: readCommittee(), parent: core.parent })
    const { epoch, signers } = core.committee
    logger.info({ epoch, members: signers.length, hasSeat: signers.includes(seat.self) }, 'a new epoch begins')
    handshaker.enterEpoch()
    if (handshaker.isAsking()) handshaker.requestDue()
    else feed({ kind: 'started', nowMs: clock.nowMs() })
  }

  function feed(input: Input): void {
    if (isStopped) return
    inputs.push(input)
    if (isStepping) return
    isStepping = true
    try {
      for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
        const transition = step(core, next)
        core = transition.state
        for (const effect of transition.effects) if (!isStopped) perform(effect)
      }
    } catch (error) {
      fail(error)
    } finally {
      isStepping = false
    }
  }

  function perform(effect: Effect): void {
    switch (effect.kind) {
      case 'persist':
        return outbox.persist(encodeRecord(effect.record))
      case 'broadcast': {
        const message = signMessage(effect.message, sign)
        outbox.say({ kind: 'consensus', bytes: encodeMessage(message) })
        inputs.push({ kind: 'messageReceived', message, nowMs: clock.nowMs() })
        return
      }
      case 'relay':
        for (const message of effect.messages) outbox.say({ kind: 'consensus', bytes: encodeMessage(message) })
        return
      case 'scheduleTimeout': {
        const { timeout, delayMs } = effect
        schedule(delayMs, () => feed({ kind: 'timeoutElapsed', timeout, nowMs: clock.nowMs() }))
        return
      }
      case 'build':
        return build(effect)
      case 'execute':
        return executeProposal(effect)
      case 'decide':
        return decide(effect)
      case 'reportEvidence':
        logger.error(
          { signer: effect.a.signer, height: effect.a.height, kind: effect.a.kind },
          'a member contradicts itself',
        )
        store.keepEvidence(encodeMessage(effect.a), encodeMessage(effect.b))
        return
      case 'halt':
        store.halt(`the key ${seat.self} signed at height ${effect.message.height} what this store does not know`)
        throw new KeyElsewhereError({ signer: seat.self })
    }
  }

  /** What this member attaches to its precommit of what it has just executed. */
  function observe(): { voteExtension?: Uint8Array } {
    const voteExtension = machine.observe?.({ nowMs: clock.nowMs() })
    return voteExtension === undefined ? {} : { voteExtension }
  }

  function build({ height, round, earliestTimestampMs, extensions }: Extract<Effect, { kind: 'build' }>): void {
    if (!hasWork()) return
    const envelopes = pool.take(replica.state())
    const now = BigInt(clock.nowMs())
    const timestampMs = now > earliestTimestampMs ? now : earliestTimestampMs
    const { commit } = replica.executeBatch({ envelopes, timestampMs, extensions })
    const batch = envelopes.map(({ bytes }) => bytes)
    const built = { height, round, timestampMs, batch, extensions, commit }
    inputs.push({ kind: 'proposalBuilt', ...built, ...observe(), nowMs: clock.nowMs() })
  }

  function executeProposal({ proposalId, proposal }: Extract<Effect, { kind: 'execute' }>): void {
    let result: Extract<Input, { kind: 'executed' }>['result']
    try {
      result = replica.executeBlock(proposal).commit
    } catch (error) {
      if (!(error instanceof CoalitionError)) throw error
      logger.warn({ code: error.code, reason: error.message, signer: proposal.signer }, 'a proposal was refused')
      result = { refused: error.message }
    }
    inputs.push({ kind: 'executed', proposalId, result, ...observe(), nowMs: clock.nowMs() })
  }

  function decide({ kind, commit, ...decision }: Extract<Effect, { kind: 'decide' }>): void {
    const { certificate } = decision
    outbox.flush() // a decision forgets the records that led to it
    const envelopes = replica.decide(decision)
    clockWatch.decided(decision)
    logger.info(
      { height: commit.height, size: commit.logSize, round: certificate.round, envelopes: envelopes.length },
      'decided',
    )
    clearTimers()
    if (handshaker.isAsking()) handshaker.decided({ commit, certificate })
    pool.prune(replica.state())
    submissions.answer()
    if (isRetired()) logger.info({ height: commit.height }, 'the component is retired: this member signs nothing more')
    else if (core.status === 'ended') enterEpoch()
    announceWork()
  }

  const hasWork = (): boolean => {
    if (isRetired()) return false
    const state = replica.state()
    if (pool.hasWork(state)) return true
    const dueAtMs = machine.dueAtMs(state.machine, { logSize: state.log.size })
    return dueAtMs !== undefined && BigInt(clock.nowMs()) >= dueAtMs
  }

  /** Tells the core when there is something to decide, now or when the machine's next commit is due. */
  function announceWork(): void {
    if (dueTimer !== undefined) clearTimeout(dueTimer)
    if (hasWork()) {
      feed({ kind: 'workAvailable', nowMs: clock.nowMs() })
      return
    }
    if (isRetired()) return
    const state = replica.state()
    const dueAtMs = machine.dueAtMs(state.machine, { logSize: state.log.size })
    if (dueAtMs === undefined) return
    const delayMs = Math.max(0, Number(dueAtMs) - clock.nowMs()) + 1
    dueTimer = setTimeout(announceWork, Math.min(delayMs, LOOK_MS))
  }

  function add(envelope: VerifiedEnvelope): 'added' | 'known' {
    gate?.assertMayBring(envelope.envelope)
    const outcome = pool.add(envelope, replica.state())
    if (outcome === 'known') return outcome
    replica.remember(envelope)
    announceWork()
    return outcome
  }

  /** A relay may have been lost, and then only this member has work: bounded, and only while nothing moves. */
  function relayAgain(): void {
    for (const { bytes } of pool.list({ sizeMaxBytes: RELAYED_AGAIN_MAX_BYTES })) send({ kind: 'envelope', bytes })
  }

  function send(frame: Frame): void {
    transport.broadcast(encodeFrame(frame)).catch((error: Error) => {
      logger.warn({ reason: error.message, kind: frame.kind }, 'a frame was not sent; it will be sent again')
    })
  }

  function schedule(delayMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer)
      act()
    }, delayMs)
    timers.add(timer)
  }

  function clearTimers(): void {
    for (const timer of timers) clearTimeout(timer)
    timers.clear()
  }

  function fail(error: unknown): void {
    stop()
    onFatal(error)
  }

  function stop(): void {
    isStopped = true
    outbox.close()
    clearTimers()
    clearInterval(retransmission)
    catchUp.stop()
    gate?.stop()
    if (dueTimer !== undefined) clearTimeout(dueTimer)
  }

  const retransmission = setInterval(() => {
    stalledTicks = core.height === heightAtLastTick ? stalledTicks + 1 : 0
    heightAtLastTick = core.height
    if (handshaker.isAsking() && !isRetired()) handshaker.requestDue()
    if (stalledTicks === 0) return
    // Work and no progress: perhaps the others decided it, and have had nothing to say since.
    if (core.isActive || hasWork()) catchUp.heardOf(core.height)
    if (!isTimeToRepeat(stalledTicks)) return
    feed({ kind: 'retransmitDue', nowMs: clock.nowMs() })
    relayAgain()
  }, RETRANSMIT_MS)

  return {
    async start() {
      await transport.listen((bytes) => {
        if (!isStopped) reception.receive(bytes)
      })
      gate?.start()
      if (isRetired()) return
      handshaker.requestDue()
      catchUp.ask()
      catchUp.heardOf(replica.state().height + 1n) // whoever was away cannot know by how much
      announceWork()
    },

    submit: submissions.submit,
    vitals,
    gate,
    status: () => ({
      isJoined: core.status === 'running' && hasSeat() && !isStopped,
      isStopped,
      pool: pool.size(),
      clock: clockWatch.read(replica.state().timestampMs),
    }),
    stop,
  }
}

/** After 1, 2, 4, 8, 16, 24 … looks: what is slow because there is much to carry must not be given more at every look. */
const isTimeToRepeat = (ticks: number): boolean =>
  ticks < REPEAT_TICKS_MAX ? Number.isInteger(Math.log2(ticks)) : ticks % REPEAT_TICKS_MAX === 0
