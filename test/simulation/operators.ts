import type { Hex } from '../../protocol/bytes.ts'
import { ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import type { VerifiedEnvelope } from '../../protocol/wire/envelope.ts'
import { encodeGovernanceCommand, type GovernanceCommand } from '../../protocol/wire/governance.ts'
import { createEnvelope, type ReplicaState } from './component.ts'
import { Liar } from './liar.ts'
import type { World } from './world.ts'

/** Operators hear of what is due within this time. */
const APPROVE_MAX_MS = 2_000

/** What a member stands by, beside the envelope that says so. */
export type Approval = { signer: Hex; command: GovernanceCommand }

/**
 * Who runs the members: they approve the next committee once it is due, each in an envelope of its own, as production's do
 * (spec §5.1). Liars approve committees of their own liking, and change their minds.
 */
export class Operators {
  readonly #world: World
  /** When each epoch is to end, by epoch: the last one ends only where the component retires. */
  readonly #dueAtMs: readonly number[]
  readonly #asked = new Set<number>()

  constructor(world: World, dueAtMs: readonly number[]) {
    this.#world = world
    this.#dueAtMs = dueAtMs
    dueAtMs.forEach((atMs) => {
      world.later(atMs - world.nowMs, () => this.approve())
    })
  }

  /** Has the newest epoch's members approve what ends it, once for each epoch. */
  approve(): void {
    const { honest, memberships, members, signers, nowMs } = this.#world
    const state = honest.map(({ replica }) => replica).reduce((a, b) => (b.epoch > a.epoch ? b : a))
    const epoch = Number(state.epoch)
    const dueAtMs = this.#dueAtMs[epoch]
    if (dueAtMs === undefined || nowMs < dueAtMs || this.#asked.has(epoch)) return
    this.#asked.add(epoch)
    const next = memberships[epoch + 1]
    const command: GovernanceCommand =
      next === undefined
        ? { kind: 'approveRetirement', epoch: state.epoch, successor: ZERO_BYTES32, reason: 'the end' }
        : { kind: 'approveRotation', newEpoch: state.epoch + 1n, members: toMembers(next) }
    for (const signer of memberships[epoch]!) this.#approveAs(signer, { command, state })
    for (const signer of next ?? []) this.#world.begin(members[signers.indexOf(signer)]!, APPROVE_MAX_MS)
  }

  #approveAs(signer: Hex, { command, state }: { command: GovernanceCommand; state: ReplicaState }): void {
    const { random, plan, members, signers } = this.#world
    // What it approved for an epoch that ended without it was never decided: its place is still free.
    const sequence = (state.sequences.get(signer) ?? 0n) + 1n
    const isLiar = members[signers.indexOf(signer)] instanceof Liar
    if (!isLiar || !random.chance(plan.malice)) {
      this.#say({ signer, command }, sequence)
      return
    }
    this.#say(
      { signer, command: { kind: 'approveRotation', newEpoch: state.epoch + 1n, members: [{ signer }] } },
      sequence,
    )
    if (random.chance(0.5)) this.#say({ signer, command }, sequence + 1n)
  }

  #say(approval: Approval, sequence: bigint): void {
    const { signer, command } = approval
    const name = `approval ${signer} ${command.kind === 'approveRotation' ? command.newEpoch : 'retire'} ${sequence}`
    const payload = encodeGovernanceCommand(command)
    const envelope: VerifiedEnvelope = createEnvelope({ name, submitter: signer, sequence, command: payload })
    this.#world.checker.onApproved(envelope.bytes, approval)
    this.#world.handOut(envelope, APPROVE_MAX_MS)
  }
}

const toMembers = (signers: readonly Hex[]) => signers.map((signer) => ({ signer }))
