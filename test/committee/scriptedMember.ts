import { type Committee, deriveProposer } from '../../committee/committee.ts'
import { type CommitteeState, createState, GENESIS_PARENT, type Parent } from '../../committee/state.ts'
import { step } from '../../committee/step.ts'
import type { AuthenticatedMessage, Block, Effect, Input, TimeoutKind, WalRecord } from '../../committee/types.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { createCertificate } from '../../protocol/wire/certificate.ts'
import { type CommitteeOptions, createCommit, createCommittee, digestOf, fakeSigned, START_MS } from './fixture.ts'

type Answer = 'execute' | 'refuse' | 'silence'
export type ScriptedOptions = CommitteeOptions & {
  parent?: Parent
  state?: CommitteeState
  /** What the machine answers to `execute`. */
  machine?: (block: Block) => Answer
  nowMs?: number
}

/**
 * One member driven by hand: it signs, loops its own messages back and executes as a driver does, and says what it did in
 * a line an effect, with values by the text of their batch.
 */
export class ScriptedMember {
  state: CommitteeState
  nowMs: number
  readonly committee: Committee
  readonly effects: Effect[] = []
  readonly records: WalRecord[] = []
  readonly #machine: (block: Block) => Answer
  readonly #names = new Map<Hex, string>()

  constructor(options: ScriptedOptions = {}) {
    this.committee = createCommittee(options)
    this.state = options.state ?? createState({ committee: this.committee, parent: options.parent ?? GENESIS_PARENT })
    this.nowMs = options.nowMs ?? START_MS
    this.#machine = options.machine ?? (() => 'execute')
  }

  /** Starts the member and gives it work. */
  wake(): string[] {
    return [
      ...this.give({ kind: 'started', nowMs: this.nowMs }),
      ...this.give({ kind: 'workAvailable', nowMs: this.nowMs }),
    ]
  }

  /** Applies an input and all that follows from it at once; returns what was done, a line an effect. */
  give(input: Input): string[] {
    const lines: string[] = []
    const inputs: Input[] = [input]
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      const { state, effects } = step(this.state, next)
      this.state = state
      for (const effect of effects) {
        this.effects.push(effect)
        lines.push(this.#describe(effect))
        inputs.push(...this.#perform(effect))
      }
    }
    return lines
  }

  #perform(effect: Effect): Input[] {
    const { nowMs } = this
    if (effect.kind === 'persist') this.records.push(effect.record)
    if (effect.kind === 'broadcast') return [{ kind: 'messageReceived', message: fakeSigned(effect.message), nowMs }]
    if (effect.kind !== 'execute') return []
    const { proposal, proposalId } = effect
    const answer = this.#machine(proposal)
    if (answer === 'silence') return []
    const result = answer === 'refuse' ? { refused: 'test' } : createCommit(proposal, { height: proposal.height })
    return [{ kind: 'executed', proposalId, result, voteExtension: new Uint8Array([7]), nowMs }]
  }

  timeout(kind: TimeoutKind, round = this.state.round): string[] {
    const timeout = { kind, height: this.state.height, round }
    return this.give({ kind: 'timeoutElapsed', timeout, nowMs: this.nowMs })
  }

  receive(message: AuthenticatedMessage): string[] {
    return this.give({ kind: 'messageReceived', message, nowMs: this.nowMs })
  }

  build(block: Block): string[] {
    const { height, round } = this.state
    const { timestampMs, batch, extensions } = block
    const commit = createCommit(block, { height })
    const voteExtension = new Uint8Array([7])
    this.name(block)
    return this.give({
      kind: 'proposalBuilt',
      height,
      round,
      timestampMs,
      batch,
      extensions,
      commit,
      voteExtension,
      nowMs: this.nowMs,
    })
  }

  /** The proposal of `block` by whose turn it is; with a proof by `provers` where it has a valid round. */
  proposal(
    block: Block,
    options: { round?: number; validRound?: number; provers?: number[]; commitDigest?: Hex } = {},
  ) {
    const { round = 0, validRound = -1, provers = [0, 1, 2] } = options
    const { component, epoch, signers } = this.committee
    const { height } = this.state
    const commitDigest = options.commitDigest ?? this.name(block)
    const signer = deriveProposer(signers, { height, round })
    const votes = (validRound < 0 ? [] : provers).map((member) =>
      fakeSigned(this.#vote('prevote', member, { round: validRound, block })),
    )
    const signatures = new Map(votes.map((vote) => [vote.signer, vote.signature]))
    const proof = validRound < 0 ? null : createCertificate({ round: validRound, signers, signatures })
    const position = { component, epoch, height, round, signer }
    return fakeSigned({ kind: 'proposal', ...position, ...block, validRound, commitDigest, proof })
  }

  /** A vote of the member with index `member`; for nil where `block` is null. */
  vote(kind: 'prevote' | 'precommit', member: number, options: { round?: number; block: Block | null; data?: number }) {
    return fakeSigned(this.#vote(kind, member, options))
  }

  #vote(
    kind: 'prevote' | 'precommit',
    member: number,
    { round = 0, block, data = member }: { round?: number; block: Block | null; data?: number },
  ) {
    const { component, epoch, signers, hasExtensions } = this.committee
    const { height } = this.state
    const position = { component, epoch, height, round, signer: signers[member]! }
    const commitDigest = block === null ? null : this.name(block)
    if (kind === 'prevote') return { kind, ...position, commitDigest } as const
    const commit = block === null ? null : createCommit(block, { height })
    const extension = block !== null && hasExtensions ? new Uint8Array([data]) : null
    return { kind, ...position, commitDigest, commit, extension } as const
  }

  /** Gives votes of several members, one after the other. */
  votes(kind: 'prevote' | 'precommit', members: number[], options: { round?: number; block: Block | null }): string[] {
    return members.flatMap((member) => this.receive(this.vote(kind, member, options)))
  }

  /** Remembers a block under its text. */
  name(block: Block): Hex {
    const digest = digestOf(block, { height: this.state.height })
    this.#names.set(digest, new TextDecoder().decode(block.batch[0]))
    return digest
  }

  #describe(effect: Effect): string {
    const value = (digest: Hex | null) => (digest === null ? 'nil' : (this.#names.get(digest) ?? 'unknown'))
    switch (effect.kind) {
      case 'persist':
        return `persist ${effect.record.message.kind} ${effect.record.message.round}`
      case 'broadcast': {
        const { message } = effect
        const suffix = message.kind === 'proposal' && message.validRound >= 0 ? ` valid ${message.validRound}` : ''
        return `${message.kind} ${message.round} ${value(message.commitDigest)}${suffix}`
      }
      case 'relay':
        return `relay ${effect.messages.map(({ kind, commitDigest }) => `${kind} ${value(commitDigest)}`).join(', ')}`
      case 'scheduleTimeout':
        return `timeout ${effect.timeout.kind} ${effect.timeout.round} in ${effect.delayMs}`
      case 'build':
        return `build ${effect.height}/${effect.round}`
      case 'execute':
        return `execute ${value(effect.proposal.commitDigest)}`
      case 'decide':
        return `decide ${value(effect.commitDigest)} in ${effect.certificate.round}`
      case 'reportEvidence':
        return `evidence ${effect.a.kind} ${effect.a.round}`
      case 'halt':
        return 'halt'
    }
  }
}

/** The lines that name votes and decisions: what the paper's rules are about. */
export const votesOf = (lines: readonly string[]): string[] =>
  lines.filter((line) => /^(proposal|prevote|precommit|decide) /.test(line))
