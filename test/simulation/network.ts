import { authenticate, type Refusal } from '../../committee/authenticate.ts'
import { encodeMessage } from '../../committee/codec.ts'
import { signMessage } from '../../committee/sign.ts'
import { type CommitteeState, createState, GENESIS_PARENT } from '../../committee/state.ts'
import { step } from '../../committee/step.ts'
import type { AuthenticatedMessage, Effect, Input, WalRecord } from '../../committee/types.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { createBody, createCommit, createCommittee, fakeSign, isFakeSigned, START_MS } from '../committee/fixture.ts'
import { createRandom } from './random.ts'

export type NetworkOptions = {
  memberCount: number
  hasExtensions?: boolean
  /** Names the run: all that is left to chance follows from it. */
  seed?: number
  /** Share of deliveries that are lost, 0 up to 1. */
  lossRatio?: number
  /** Longest time that a delivery takes. */
  delayMaxMs?: number
  /** Members, by index, that take no part. */
  silent?: readonly number[]
}

type Decide = Extract<Effect, { kind: 'decide' }>
type Event = { atMs: number; order: number; member: number; run: () => void }

const RETRANSMIT_MS = 400

/**
 * The cores of a committee on one simulated clock, with a machine that accepts everything: bytes are encoded, lost,
 * delayed, decoded and checked as between processes. For scripted runs without faults; trouble is `World`'s.
 */
export class Network {
  readonly decisions: Decide[][]
  readonly refusals = new Map<Refusal, number>()
  readonly evidence: Effect[] = []
  nowMs = START_MS
  readonly #states: CommitteeState[]
  readonly #records: WalRecord[][]
  readonly #options: Required<NetworkOptions>
  readonly #random: () => number
  readonly #work = new Set<string>()
  #events: Event[] = []
  #order = 0

  constructor(options: NetworkOptions) {
    this.#options = { hasExtensions: false, seed: 1, lossRatio: 0, delayMaxMs: 20, silent: [], ...options }
    this.#random = createRandom(this.#options.seed).next
    const { memberCount: count, hasExtensions } = this.#options
    const members = Array.from({ length: count }, (_, self) => self)
    this.decisions = members.map(() => [])
    this.#records = members.map(() => [])
    this.#states = members.map((self) =>
      createState({ committee: createCommittee({ count, self, hasExtensions }), parent: GENESIS_PARENT }),
    )
    for (const member of members) {
      this.#later(member, 0, () => this.#give(member, { kind: 'started', nowMs: this.nowMs }))
      this.#later(member, RETRANSMIT_MS, () => this.#retransmit(member))
    }
  }

  /** Puts work before every member, as the relay of envelopes does. */
  submit(text: string): void {
    this.#work.add(text)
    for (let member = 0; member < this.#states.length; member++) {
      this.#later(member, 0, () => this.#give(member, { kind: 'workAvailable', nowMs: this.nowMs }))
    }
  }

  /** Runs until every member that takes part has decided `height`, or simulated time is up. Whether they have. */
  runUntil(height: bigint, { timeMaxMs = 60_000 } = {}): boolean {
    const deadline = this.nowMs + timeMaxMs
    const isDone = () =>
      this.#states.every((state, member) => this.#options.silent.includes(member) || state.height > height)
    while (!isDone()) {
      this.#events.sort((a, b) => a.atMs - b.atMs || a.order - b.order)
      const event = this.#events.shift()
      if (event === undefined || event.atMs > deadline) return false
      this.nowMs = event.atMs
      event.run()
    }
    return true
  }

  recordsOf(member: number): readonly WalRecord[] {
    return this.#records[member]!
  }

  #later(member: number, delayMs: number, run: () => void): void {
    if (this.#options.silent.includes(member)) return
    this.#events.push({ atMs: this.nowMs + delayMs, order: this.#order++, member, run })
  }

  #give(member: number, input: Input): void {
    const { state, effects } = step(this.#states[member]!, input)
    this.#states[member] = state
    for (const effect of effects) this.#perform(member, effect)
  }

  #perform(member: number, effect: Effect): void {
    const state = this.#states[member]!
    const { nowMs } = this
    switch (effect.kind) {
      case 'persist':
        this.#records[member]!.push(effect.record)
        break
      case 'broadcast': {
        const message = signMessage(effect.message, fakeSign(state.committee.self))
        this.#send(member, encodeMessage(message))
        this.#later(member, 0, () => this.#give(member, { kind: 'messageReceived', message, nowMs: this.nowMs }))
        break
      }
      case 'relay':
        for (const message of effect.messages) this.#send(member, encodeMessage(message))
        break
      case 'scheduleTimeout': {
        const { timeout, delayMs } = effect
        this.#later(member, delayMs, () => this.#give(member, { kind: 'timeoutElapsed', timeout, nowMs: this.nowMs }))
        break
      }
      case 'build': {
        const { height, round, parent, earliestTimestampMs, extensions } = effect
        const batch = [...this.#work].map((text) => new TextEncoder().encode(text))
        const now = BigInt(nowMs)
        const timestampMs = now > earliestTimestampMs ? now : earliestTimestampMs
        const commit = createCommit({ parent, timestampMs, batch, extensions }, { height })
        const built = { kind: 'proposalBuilt', height, round, timestampMs, batch, extensions, commit } as const
        this.#later(member, 1, () =>
          this.#give(member, { ...built, voteExtension: observe(member), nowMs: this.nowMs }),
        )
        break
      }
      case 'execute': {
        const { proposal, proposalId } = effect
        const result = createCommit(proposal, { height: proposal.height })
        const executed = { kind: 'executed', proposalId, result, voteExtension: observe(member) } as const
        this.#later(member, 1, () => this.#give(member, { ...executed, nowMs: this.nowMs }))
        break
      }
      case 'decide':
        this.decisions[member]!.push(effect)
        for (const item of effect.proposal.batch) this.#work.delete(new TextDecoder().decode(item))
        this.#serve(member, effect)
        break
      case 'reportEvidence':
        this.evidence.push(effect)
        break
      case 'halt':
        throw new Error(`member ${member} halted`)
    }
  }

  #retransmit(member: number): void {
    this.#give(member, { kind: 'retransmitDue', nowMs: this.nowMs })
    this.#later(member, RETRANSMIT_MS, () => this.#retransmit(member))
  }

  #send(from: number, bytes: Uint8Array): void {
    this.#deliver(from, (to) => {
      const result = authenticate(bytes, { state: this.#states[to]!, isSigned: isFakeSigned })
      if ('refused' in result) this.refusals.set(result.refused, (this.refusals.get(result.refused) ?? 0) + 1)
      else this.#receive(to, result.message)
    })
  }

  #receive(to: number, message: AuthenticatedMessage): void {
    this.#give(to, { kind: 'messageReceived', message, nowMs: this.nowMs })
  }

  /** Catch-up as a driver does it, reduced to its outcome: a decision reaches those that are still at its height. */
  #serve(from: number, decide: Decide): void {
    const { commit, certificate, commitDigest: digest, proposal, extensions } = decide
    const certified = { commit, certificate, digest } as Extract<Input, { kind: 'decidedReceived' }>['certified']
    const body = createBody(proposal)
    for (let to = 0; to < this.#states.length; to++) {
      if (to === from) continue
      this.#later(to, RETRANSMIT_MS * 2, () => {
        if (this.#states[to]!.height !== commit.height) return
        this.#give(to, { kind: 'decidedReceived', certified, body, proposal, extensions, nowMs: this.nowMs })
      })
    }
  }

  #deliver(from: number, run: (to: number) => void): void {
    for (let to = 0; to < this.#states.length; to++) {
      if (to === from || this.#random() < this.#options.lossRatio) continue
      this.#later(to, 1 + Math.floor(this.#random() * this.#options.delayMaxMs), () => run(to))
    }
  }
}

const observe = (member: number): Uint8Array => new Uint8Array([member])

/** The decisions of a member as one text, for comparing logs. */
export const digestsOf = (decisions: readonly Decide[]): Hex[] => decisions.map(({ commitDigest }) => commitDigest)

export const textsOf = (decisions: readonly Decide[]): string[] =>
  decisions.flatMap(({ proposal }) => proposal.batch.map((item) => new TextDecoder().decode(item)))
