import { BATCH_COUNT_MAX } from '../../committee/codec.ts'
import { applyEnvelope, type CommandState, type ComponentState } from '../../committee/execution.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { Machine } from '../../protocol/machine.ts'
import {
  ENVELOPE_SIZE_MAX_BYTES,
  type Envelope,
  SequenceRefusedError,
  type VerifiedEnvelope,
} from '../../protocol/wire/envelope.ts'
import { decodeGovernanceCommand, isGovernanceCommand } from '../../protocol/wire/governance.ts'

/**
 * Bytes of envelopes that a proposer takes: one of the largest, and far below what a batch may have. A height that is not
 * decided within the time after which members say things again has everything sent twice, and takes longer still.
 */
const BATCH_SIZE_AIM_BYTES = ENVELOPE_SIZE_MAX_BYTES
/** Bytes of envelopes that a member holds for the future at the most. */
export const POOL_SIZE_MAX_BYTES = 64 << 20
/** Bytes of one submitter's envelopes in it at the most, so that none can take the room of the others. */
export const POOL_SHARE_MAX_BYTES = 8 << 20
/** How far ahead of its last decided sequence a submitter may send. */
export const POOL_SEQUENCES_AHEAD_MAX = 256n

export class PoolFullError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('POOL_FULL', `This member cannot take another envelope now: ${reason}.`, {
      fix: 'Wait for acknowledgements of what you sent, then send it again.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

/** What waits in a pool. */
export type PoolSize = { envelopes: number; bytes: number }

export type Pool<State> = {
  /**
   * Refuses what `add` would refuse for its sequence alone: before a signature is looked at.
   *
   * @throws {SequenceRefusedError | PoolFullError}
   */
  screen(claimed: Envelope, state: ComponentState<State>): void
  /**
   * Keeps a verified envelope until it is decided; one that is kept already is kept once.
   *
   * @throws {SequenceRefusedError} that sequence is decided already.
   * @throws {PoolFullError} there is no room, or it is too far ahead.
   * @throws what the machine's `validate` throws, where it is its submitter's next.
   */
  add(envelope: VerifiedEnvelope, state: ComponentState<State>): 'added' | 'known'
  /** Envelopes that apply to `state` one after the other, in a fair order, up to a batch's bound. */
  take(state: ComponentState<State>): VerifiedEnvelope[]
  /** What waits, each submitter's next first: up to `sizeMaxBytes`, and without executing it. */
  list(options: { sizeMaxBytes: number }): VerifiedEnvelope[]
  /** Whether `take` would give any. */
  hasWork(state: ComponentState<State>): boolean
  /** Whether all that its submitter sent before it waits here, or is decided: nothing but decisions stands before it. */
  isReachable(envelope: VerifiedEnvelope, state: ComponentState<State>): boolean
  /** Forgets what `state` has decided, and approvals of an epoch that ended without them. */
  prune(state: ComponentState<State>): void
  size(): PoolSize
}

/** What waits to be proposed: bounded in bytes, and by submitter in sequences. */
export function createPool<State>(machine: Machine<State>): Pool<State> {
  const bySubmitter = new Map<Hex, Map<bigint, VerifiedEnvelope>>()
  let sizeBytes = 0
  let prunedEpoch: bigint | undefined

  const lastOf = (state: ComponentState<State>, submitter: Hex): bigint => state.sequences.get(submitter) ?? 0n

  function drop(submitter: Hex, sequence: bigint): void {
    const waiting = bySubmitter.get(submitter)
    const dropped = waiting?.get(sequence)
    if (waiting === undefined || dropped === undefined) return
    sizeBytes -= dropped.bytes.length
    waiting.delete(sequence)
    if (waiting.size === 0) bySubmitter.delete(submitter)
  }

  /** Drops the submitter's own envelopes that are farther away, if that makes room for `added`. */
  function makeRoom(waiting: Map<bigint, VerifiedEnvelope>, { envelope, bytes }: VerifiedEnvelope): void {
    let share = [...waiting.values()].reduce((sum, each) => sum + each.bytes.length, bytes.length)
    let total = sizeBytes + bytes.length
    const farthestFirst = [...waiting.keys()].sort((a, b) => Number(b - a))
    for (const sequence of farthestFirst) {
      if ((share <= POOL_SHARE_MAX_BYTES && total <= POOL_SIZE_MAX_BYTES) || sequence < envelope.sequence) break
      const size = waiting.get(sequence)!.bytes.length
      drop(envelope.submitter, sequence)
      share -= size
      total -= size
    }
    if (share > POOL_SHARE_MAX_BYTES) throw new PoolFullError({ reason: 'this submitter’s share of it is full' })
    if (total > POOL_SIZE_MAX_BYTES) throw new PoolFullError({ reason: 'its memory is full' })
  }

  /** An approval that its epoch ended without: left here, every member would propose a height without work for it. */
  function isOutlived({ commands }: Envelope, { epoch }: ComponentState<State>): boolean {
    const [command] = commands
    if (command === undefined || !isGovernanceCommand(command)) return false
    const approved = decodeGovernanceCommand(command)
    return (approved.kind === 'approveRotation' ? approved.newEpoch - 1n : approved.epoch) !== epoch
  }

  function screen({ submitter, sequence }: Envelope, state: ComponentState<State>): void {
    const last = lastOf(state, submitter)
    if (sequence <= last) throw new SequenceRefusedError({ submitter, sequence, last })
    if (sequence > last + POOL_SEQUENCES_AHEAD_MAX) {
      throw new PoolFullError({ reason: `sequence ${sequence} is too far ahead` })
    }
  }

  return {
    screen,

    add(added, state) {
      const { envelope, bytes, digest } = added
      const { submitter, sequence } = envelope
      screen(envelope, state)
      const waiting = bySubmitter.get(submitter) ?? new Map<bigint, VerifiedEnvelope>()
      const held = waiting.get(sequence)
      if (held?.digest === digest) return 'known'
      if (held !== undefined) throw new PoolFullError({ reason: `another envelope of sequence ${sequence} waits` })
      // The submitter's authority is checked now even where its turn is later: strangers get no room.
      applyEnvelope(machine, {
        state: { ...state, sequences: new Map(state.sequences).set(submitter, sequence - 1n) },
        envelope,
        context: { height: state.height + 1n, timestampMs: state.timestampMs + 1n },
      })
      makeRoom(waiting, added)
      bySubmitter.set(submitter, waiting.set(sequence, added))
      sizeBytes += bytes.length
      return 'added'
    },

    take(state) {
      const taken: VerifiedEnvelope[] = []
      let room = BATCH_SIZE_AIM_BYTES
      let commandState: CommandState<State> = state
      const context = { height: state.height + 1n, timestampMs: state.timestampMs + 1n }
      // One envelope of each submitter in turn, so that none can crowd out the others.
      let turn = [...bySubmitter.keys()]
      let isEnd = false // nothing follows the envelope that ends an epoch: it waits for the next one
      while (turn.length > 0 && !isEnd && taken.length < BATCH_COUNT_MAX) {
        turn = turn.filter((submitter) => {
          const sequence = (commandState.sequences.get(submitter) ?? 0n) + 1n
          const next = bySubmitter.get(submitter)?.get(sequence)
          if (isEnd || taken.length === BATCH_COUNT_MAX || next === undefined || next.bytes.length > room) return false
          try {
            const applied = applyEnvelope(machine, { state: commandState, envelope: next.envelope, context })
            commandState = applied.state
            isEnd = applied.end !== undefined
          } catch (error) {
            if (!(error instanceof CoalitionError)) throw error
            drop(submitter, sequence) // the state has moved on and refuses it now
            return false
          }
          taken.push(next)
          room -= next.bytes.length
          return true
        })
      }
      return taken
    },

    list({ sizeMaxBytes }) {
      const waiting = [...bySubmitter.values()].map((each) => [...each].sort(([a], [b]) => Number(a - b)))
      const listed: VerifiedEnvelope[] = []
      let room = sizeMaxBytes
      for (let place = 0; waiting.some((each) => place < each.length); place++) {
        for (const each of waiting) {
          const envelope = each[place]?.[1]
          if (envelope === undefined) continue
          room -= envelope.bytes.length
          if (room < 0) return listed
          listed.push(envelope)
        }
      }
      return listed
    },

    hasWork: (state) => [...bySubmitter].some(([submitter, waiting]) => waiting.has(lastOf(state, submitter) + 1n)),

    isReachable({ envelope: { submitter, sequence } }, state) {
      const waiting = bySubmitter.get(submitter)
      for (let before = lastOf(state, submitter) + 1n; before < sequence; before++) {
        if (!waiting?.has(before)) return false
      }
      return true
    },

    prune(state) {
      const isNewEpoch = state.epoch !== prunedEpoch
      prunedEpoch = state.epoch
      for (const [submitter, waiting] of bySubmitter) {
        const last = lastOf(state, submitter)
        for (const [sequence, { envelope }] of waiting) {
          if (sequence <= last || (isNewEpoch && isOutlived(envelope, state))) drop(submitter, sequence)
        }
      }
    },

    size: () => ({ envelopes: [...bySubmitter.values()].reduce((sum, { size }) => sum + size, 0), bytes: sizeBytes }),
  }
}
