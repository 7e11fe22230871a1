import type { Hex } from './bytes.ts'
import type { StateItem } from './wire/stateTree.ts'

/** One command of a decided envelope, as a machine is given it. */
export type Command = {
  /** Component key of the committee that was asked: the machine's own. */
  component: Hex
  /** Whose signature covers it; already verified. */
  submitter: Hex
  /** Of its envelope. */
  sequence: bigint
  /** Its place in the envelope, from 0. */
  index: number
  payload: Uint8Array
}

/** All that a machine may know of the world while it executes; it reads no clock, network or randomness (spec §4). */
export type MachineContext = {
  height: bigint
  /** The decided time of this commit. */
  timestampMs: bigint
}

export type Applied<State> = {
  state: State
  /** Leaves for the component's log, each `abi.encode(EVENT_TYPEHASH, …)`, at most 65,535 bytes. */
  events: readonly Uint8Array[]
}

/**
 * A pure state machine (spec §4). States are values: no method changes the one it was given.
 * Two runs of the same commands give the same bytes on every machine.
 */
export interface Machine<State> {
  /** Part of every commit's body; changes when the same commands would give other bytes. */
  readonly version: number
  /** The state before height 1. `parameters` are the module's own, as the content hash binds them (spec §3). */
  genesis(parameters: Uint8Array): State
  /** @throws a CoalitionError where the command may not be applied to this state. */
  validate(state: State, command: Command): void
  /** Applies a command that `validate` let pass. */
  apply(state: State, command: Command, context: MachineContext): Applied<State>
  /**
   * What a member attaches to its precommit of a commit, at most 1,024 bytes; the next commit is given a quorum's
   * (spec §5.2). Left out by machines that ask members for nothing. The one place where a machine is told the time of day.
   */
  observe?(context: { nowMs: number }): Uint8Array
  /**
   * Ends a commit: `logSize` counts the leaves of its commands; the leaves that it appends itself (a heartbeat, say) follow
   * them. Says whether the chain is to see the commit.
   */
  finish(
    state: State,
    context: MachineContext & {
      logSize: bigint
      /** What members attached to their precommits of the commit before, by signer: signed, but whatever they pleased. */
      observations: ReadonlyMap<Hex, Uint8Array>
      /** Set where the commit ends its epoch: then the chain is to see it, whatever the machine says (spec §4). */
      isEnd?: boolean
    },
  ): { state: State; anchor: boolean; events: readonly Uint8Array[] }
  /** When a commit is due though no command waits; undefined when there is nothing to wait for. */
  dueAtMs(state: State, context: { logSize: bigint }): bigint | undefined
  /** Everything the state holds: the certified state root covers these and nothing else is restored (spec §4). */
  items(state: State): readonly StateItem[]
  /** Canonical bytes of the state; `restore` is its exact inverse and refuses all else. */
  snapshot(state: State): Uint8Array
  restore(snapshot: Uint8Array): State
}
