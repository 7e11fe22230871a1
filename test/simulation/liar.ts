import { encodeMessage } from '../../committee/codec.ts'
import { deriveProposer } from '../../committee/committee.ts'
import { decodeExtension, deriveExtensionDigest, encodeExtension } from '../../committee/extension.ts'
import { answerRequest } from '../../committee/handshake.ts'
import type { AuthenticatedRequest, HandshakeAnswer } from '../../committee/handshakeMessage.ts'
import { signMessage } from '../../committee/sign.ts'
import type { Block, Effect, Message, Position, SignedMessage, SignedProposal } from '../../committee/types.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { type Commit, deriveCommitDigest } from '../../protocol/wire/commit.ts'
import { quorumOf } from '../../protocol/wire/committee.ts'
import { Member } from './member.ts'

/** A value of some height that liars know how to vote for. */
export type KnownValue = { height: bigint; commit: Commit; commitDigest: Hex; block: Block }

const VALUES_KEPT = 64
const ANSWERED_MAX = 1_000

/**
 * A Byzantine member. Underneath it runs an honest core, so that it is always where the others are; what that says is then
 * withheld, split or replaced, and more is said that no core would. It signs with its own key alone; what other liars know,
 * it knows.
 */
export class Liar extends Member {
  readonly #answered = new Set<string>()

  // A liar answers to nobody.
  protected override checkSigned(): void {}
  protected override checkDecided(): void {}
  protected override onEvidence(): void {}

  protected override halt(): void {}

  protected override perform(effect: Exclude<Effect, { kind: 'persist' }>): void {
    // Others show it what it signed behind its core's back.
    if (effect.kind === 'halt') this.core = { ...this.core, status: 'running' }
    else super.perform(effect)
  }

  protected override broadcast(message: SignedMessage): void {
    const { random, plan } = this.world
    if (!random.chance(plan.malice)) super.broadcast(message)
    else if (message.kind === 'proposal') this.#propose(message)
    else this.#vote(message)
  }

  protected override relay(messages: readonly SignedMessage[]): void {
    if (!this.world.random.chance(this.world.plan.malice)) super.relay(messages)
  }

  protected override answer(request: AuthenticatedRequest): HandshakeAnswer {
    const answer = answerRequest(this.core, request)
    const { random, plan } = this.world
    if (!random.chance(plan.malice)) return answer
    return { ...answer, newest: null, height: random.pick([0n, 1n, answer.height, 2n ** 63n]) }
  }

  protected override onMessage(message: SignedMessage): void {
    if (message.height !== this.core.height) return
    if (message.kind === 'proposal') this.#learn(message)
    const { random, plan } = this.world
    if (message.commitDigest === null || !random.chance(plan.malice)) return
    const value = this.world.liarValues.find(({ commitDigest }) => commitDigest === message.commitDigest)
    if (value === undefined) return
    const { height, round, kind, signer } = message
    // Once for each: others repeat what they hear, and so would it, for ever.
    const key = `${height}/${round}/${kind}/${signer}/${message.commitDigest}`
    if (this.#answered.has(key) || this.world.plan.faults.get(this.world.signers.indexOf(signer)) === 'liar') return
    if (this.#answered.size > ANSWERED_MAX) this.#answered.clear()
    this.#answered.add(key)
    const from = this.world.signers.indexOf(signer)
    this.later(random.below(20), () => {
      // Whatever is proposed, it votes for, to whom it likes; and it tells each what agrees with that one's own vote.
      if (kind === 'proposal') {
        if (random.chance(0.3)) this.#say(this.#voteFor('prevote', { value, round }), 0.8)
        if (random.chance(0.2)) this.#say(this.#voteFor('precommit', { value, round }), 0.5)
      } else if (random.chance(0.7)) {
        this.#sayTo(from, this.#voteFor('prevote', { value, round }))
        if (this.#isFavoured(from)) this.#sayTo(from, this.#voteFor('precommit', { value, round }))
      }
    })
  }

  protected override onTick(): void {
    const { random, plan } = this.world
    if (!this.isUp || !random.chance(plan.malice)) return
    const values = this.world.liarValues.filter(({ height }) => height === this.core.height)
    const round = Math.max(0, this.core.round + random.between(-2, 2))
    const value = values.length > 0 && random.chance(0.8) ? random.pick(values) : null
    this.#say(this.#voteFor(random.pick(['prevote', 'precommit'] as const), { value, round }), 0.5)
  }

  // Proposals

  #propose(message: SignedProposal): void {
    const { random } = this.world
    const other = random.chance(0.3) ? this.#vary(message) : this.#tamper(message)
    switch (random.pick(['instead', 'instead', 'split', 'both', 'withhold'] as const)) {
      case 'instead':
        this.#say(other, 1)
        this.#support(other)
        return
      case 'split':
        for (const to of this.#others) this.#sayTo(to, random.chance(0.5) ? message : other)
        this.#support(other)
        return
      case 'both':
        this.#say(message, 0.8)
        this.#say(other, 0.8)
        this.#support(other)
        return
      case 'withhold':
        this.#say(message, 0.5)
        return
    }
  }

  #support(proposal: SignedProposal): void {
    this.#learn(proposal)
    const { round } = proposal
    const value = this.world.liarValues.find(({ commitDigest }) => commitDigest === proposal.commitDigest)
    if (value === undefined) return
    this.#say(this.#voteFor('prevote', { value, round }), 0.9)
    this.#say(this.#voteFor('precommit', { value, round }), 0.9)
  }

  /** Another value that is as good. */
  #vary(proposal: SignedProposal): SignedProposal {
    const timestampMs = proposal.timestampMs + BigInt(this.world.random.between(1, 50))
    return this.#repropose(proposal, { timestampMs })
  }

  /** What nobody may vote for. */
  #tamper(proposal: SignedProposal): SignedProposal {
    const { random } = this.world
    const { parent } = this.core
    switch (
      random.pick(['parent', 'back', 'back', 'ahead', 'extension', 'proof', 'garbage', 'more', 'digest'] as const)
    ) {
      case 'parent':
        return this.#repropose(proposal, { parent: `0x${random.pick(['00', '77']).repeat(32)}` })
      case 'back':
        return this.#repropose(proposal, { timestampMs: parent.timestampMs - BigInt(random.below(3)) })
      case 'ahead':
        return this.#repropose(proposal, { timestampMs: proposal.timestampMs + 60_000n })
      case 'extension':
        return this.#repropose(proposal, { extensions: this.#mixExtensions(proposal.extensions) })
      case 'proof':
        return this.#forgeProof(proposal)
      case 'garbage':
        return this.#repropose(proposal, { batch: [new Uint8Array([9, 9])] })
      case 'more':
        // Decided before, or an approval of another epoch, or after the one that ends it.
        return this.#repropose(proposal, {
          batch: [...proposal.batch, random.pick([...this.world.envelopes.values()]).bytes],
        })
      case 'digest':
        return this.#sign({ ...proposal, commitDigest: `0x${'99'.repeat(32)}` })
    }
  }

  #repropose(proposal: SignedProposal, changes: Partial<Block>): SignedProposal {
    const { timestampMs, parent, batch, extensions } = { ...proposal, ...changes }
    const block = { timestampMs: timestampMs < 0n ? 0n : timestampMs, parent, batch, extensions }
    const commit = this.#tryExecute(block)
    const commitDigest = commit === null ? proposal.commitDigest : deriveCommitDigest(commit)
    // As a new value: the proof of an older one would not fit it.
    return this.#sign({ ...proposal, ...block, commitDigest, validRound: -1, proof: null })
  }

  /** Its own extension of another round among those of the right one: as an extension it is genuine. */
  #mixExtensions(extensions: readonly Uint8Array[]): readonly Uint8Array[] {
    const { random } = this.world
    if (extensions.length === 0 || random.chance(0.2)) return extensions.slice(1)
    const others = extensions.map(decodeExtension).filter(({ signer }) => signer !== this.signer)
    const { component, height, commitDigest, round } = decodeExtension(extensions[0]!)
    const own = { component, height, commitDigest, round: round + random.between(1, 2), data: new Uint8Array([6]) }
    const signature = this.sign(deriveExtensionDigest(own))
    return [...others, { ...own, signer: this.signer, signature }]
      .sort((a, b) => (a.signer < b.signer ? -1 : 1))
      .map(encodeExtension)
  }

  #forgeProof(proposal: SignedProposal): SignedProposal {
    const { random } = this.world
    const validRound = proposal.round - 1
    if (validRound < 0) return this.#vary(proposal)
    const { signers } = this.core.committee
    const vote = this.#sign({
      ...positionOf(proposal),
      kind: 'prevote',
      round: validRound,
      commitDigest: proposal.commitDigest,
    })
    const present = random.sample([...signers.keys()], quorumOf(signers.length))
    const bitmap = present.reduce((bits, index) => bits | (1n << BigInt(index)), 0n)
    const signatures: Hex = `0x${vote.signature.slice(2).repeat(present.length)}`
    return this.#sign({ ...proposal, validRound, proof: { round: validRound, signers: bitmap, signatures } })
  }

  // Votes

  #vote(message: SignedMessage): void {
    const { random } = this.world
    const { round } = message
    const kind = message.kind === 'prevote' ? 'prevote' : 'precommit'
    const values = this.world.liarValues.filter(({ height }) => height === message.height)
    for (const to of this.#others) {
      if (kind === 'precommit' && !this.#isFavoured(to)) continue
      const choice = random.pick(['it', 'nil', 'value', 'nothing'] as const)
      if (choice === 'it') this.#sayTo(to, message)
      else if (choice === 'nil') this.#sayTo(to, this.#voteFor(kind, { value: null, round }))
      else if (choice === 'value' && values.length > 0) {
        this.#sayTo(to, this.#voteFor(kind, { value: random.pick(values), round }))
      }
    }
  }

  /** In some rounds liars agree to show precommits of values to one member only: it is to decide alone. */
  #isFavoured(to: number): boolean {
    const { height, round } = this.core
    const { members, plan } = this.world
    const favourite = (plan.seed + 7 * Number(height) + 13 * round) % (2 * members.length)
    return favourite >= members.length || favourite === to
  }

  #voteFor(
    kind: 'prevote' | 'precommit',
    { value, round }: { value: KnownValue | null; round: number },
  ): SignedMessage {
    const { component, epoch, hasExtensions } = this.core.committee
    const position = { component, epoch, height: this.core.height, round, signer: this.signer }
    const isStale = value !== null && value.height !== position.height
    const commitDigest = value === null || isStale ? null : value.commitDigest
    if (kind === 'prevote') return this.#sign({ kind, ...position, commitDigest })
    const commit = commitDigest === null ? null : value!.commit
    const extension = commit !== null && hasExtensions ? new Uint8Array([this.world.random.below(4)]) : null
    return this.#sign({ kind, ...position, commitDigest, commit, extension })
  }

  #learn(proposal: SignedProposal): void {
    const { liarValues } = this.world
    const { commitDigest, height, parent, timestampMs, batch, extensions } = proposal
    if (height !== this.replica.height + 1n || liarValues.some((value) => value.commitDigest === commitDigest)) return
    const block = { parent, timestampMs, batch, extensions }
    const commit = this.#tryExecute(block)
    if (commit === null || deriveCommitDigest(commit) !== commitDigest) return
    liarValues.push({ height, commit, commitDigest, block })
    if (liarValues.length > VALUES_KEPT) liarValues.shift()
  }

  #tryExecute(block: Block): Commit | null {
    try {
      return this.execute(block).commit
    } catch (error) {
      if (error instanceof CoalitionError) return null
      throw error
    }
  }

  // Speaking

  #sign<M extends Message>(message: M): SignedMessage & { kind: M['kind'] } {
    return signMessage(message, this.sign) as unknown as SignedMessage & { kind: M['kind'] }
  }

  get #others(): number[] {
    return this.world.members.map(({ index }) => index).filter((index) => index !== this.index)
  }

  #say(message: SignedMessage, ratio: number): void {
    if (message.kind === 'proposal' && deriveProposer(this.core.committee.signers, message) !== this.signer) return
    for (const to of this.#others) if (this.world.random.chance(ratio)) this.#sayTo(to, message)
  }

  #sayTo(to: number, message: SignedMessage): void {
    this.world.send(this.index, to, { kind: 'consensus', bytes: encodeMessage(message) })
  }
}

const positionOf = ({ component, epoch, height, round, signer }: Position): Position => ({
  component,
  epoch,
  height,
  round,
  signer,
})
