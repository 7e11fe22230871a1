import { type Hex, toHex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { appendLeafHashes, type CompactRange, EMPTY_RANGE } from '../protocol/log/compactRange.ts'
import { hashLeaf } from '../protocol/log/treeHash.ts'
import { rootOf, rootOfRange } from '../protocol/log/treeRoot.ts'
import type { Machine, MachineContext } from '../protocol/machine.ts'
import { type Body, type Commit, deriveBodyDigest, deriveCommitDigest, ZERO_BYTES32 } from '../protocol/wire/commit.ts'
import type { Member } from '../protocol/wire/committee.ts'
import {
  ENVELOPE_SIZE_MAX_BYTES,
  type Envelope,
  SequenceRefusedError,
  type VerifiedEnvelope,
} from '../protocol/wire/envelope.ts'
import { isGovernanceCommand } from '../protocol/wire/governance.ts'
import { ComponentRetiredError } from '../protocol/wire/next.ts'
import { deriveStateRoot, type StateItem } from '../protocol/wire/stateTree.ts'
import { deriveTypehash, packWords } from '../protocol/wire/typedData.ts'
import { BATCH_COUNT_MAX } from './codec.ts'
import { decodeExtension } from './extension.ts'
import {
  ApprovalRefusedError,
  applyApproval,
  createGovernance,
  type EpochEnd,
  type Governance,
  listGovernanceItems,
} from './governance.ts'

/** Bytes of the encoded envelopes of one height at the most (spec §5.2). */
export const BATCH_SIZE_MAX_BYTES = 4 * ENVELOPE_SIZE_MAX_BYTES

/** Everything that the next commit of a component is computed from. A value: executing gives a new one. */
export type ComponentState<State> = {
  /** Component key. */
  component: Hex
  /** Of the next commit: the one above that of a commit which decided a rotation. */
  epoch: bigint
  /** Of the last commit; 0 before the first. */
  height: bigint
  /** Digest of the last commit; zero before the first. */
  parent: Hex
  timestampMs: bigint
  log: CompactRange
  /** Last sequence of each submitter, so that a repeat is a no-op (spec §5.3). */
  sequences: ReadonlyMap<Hex, bigint>
  /** The committee of `epoch`, and what its members stand by. */
  governance: Governance
  machine: State
}

/** What members vote on, before execution: the commands, and the time they are executed at. */
export type Batch = {
  envelopes: readonly VerifiedEnvelope[]
  timestampMs: bigint
  /** Encoded vote extensions of the height before (spec §5.2). */
  extensions: readonly Uint8Array[]
}

export type Executed<State> = {
  commit: Commit
  body: Body
  /** Entries that this commit appends to the log, in order. */
  entries: readonly Uint8Array[]
  /** RFC 9162 hashes of `entries`. */
  leafHashes: readonly Uint8Array[]
  state: ComponentState<State>
}

/** Whether precommits carry vote extensions: where the machine has something for members to say (spec §5.2). */
export const hasExtensions = ({ observe }: Pick<Machine<unknown>, 'observe'>): boolean => observe !== undefined

export class BatchRefusedError extends CoalitionError {
  constructor({ reason, cause }: { reason: string; cause?: unknown }) {
    super('BATCH_REFUSED', `A proposed batch cannot be executed: ${reason}.`, {
      fix: 'Propose only envelopes that applyEnvelope lets pass, in the order of their sequences.',
      kind: 'refused',
      cause,
    })
  }
}

/** The state of a component before its first commit. `members` are its genesis committee. */
export const createGenesis = <State>(
  machine: Machine<State>,
  { component, parameters, members }: { component: Hex; parameters: Uint8Array; members: readonly Member[] },
): ComponentState<State> => ({
  component,
  epoch: 0n,
  height: 0n,
  parent: ZERO_BYTES32,
  timestampMs: 0n,
  log: EMPTY_RANGE,
  sequences: new Map(),
  governance: createGovernance(members),
  machine: machine.genesis(parameters),
})

/** What commands change: the submitters' sequences, the machine's own state, and who decides. */
export type CommandState<State> = Pick<
  ComponentState<State>,
  'component' | 'epoch' | 'sequences' | 'governance' | 'machine'
>

export type AppliedEnvelope<State> = {
  state: CommandState<State>
  /** Leaves of its commands. */
  entries: Uint8Array[]
  /** Where it completes a quorum's approval: then nothing follows it in its batch (spec §5.1). */
  end?: EpochEnd
}

/**
 * Applies one envelope: all of its commands, or none. Its signature is the caller's to check.
 *
 * @throws {SequenceRefusedError} not its submitter's next sequence.
 * @throws {ComponentRetiredError} the component is retired.
 * @throws {ApprovalRefusedError | InvalidGovernanceError} an approval that is not a current member's, or not alone.
 * @throws what the machine's `validate` throws.
 */
export function applyEnvelope<State>(
  machine: Machine<State>,
  parameters: { state: CommandState<State>; envelope: Envelope; context: MachineContext },
): AppliedEnvelope<State> {
  const { state, envelope, context } = parameters
  const { component, submitter, sequence, commands } = envelope
  const { retirement } = state.governance
  if (retirement !== null) throw new ComponentRetiredError(retirement)
  const last = state.sequences.get(submitter) ?? 0n
  if (sequence !== last + 1n) throw new SequenceRefusedError({ submitter, sequence, last })
  const sequences = new Map(state.sequences).set(submitter, sequence)
  if (commands.some(isGovernanceCommand)) {
    if (commands.length > 1) throw new ApprovalRefusedError({ reason: 'it does not stand alone in its envelope' })
    const { epoch, governance } = state
    const approval = { component, epoch, governance, submitter, payload: commands[0]!, height: context.height }
    const { end, ...applied } = applyApproval(approval)
    const changed = { state: { ...state, ...applied, sequences }, entries: [] }
    return end === undefined ? changed : { ...changed, end }
  }
  const entries: Uint8Array[] = []
  let machineState = state.machine
  commands.forEach((payload, index) => {
    const command = { component, submitter, sequence, index, payload }
    machine.validate(machineState, command)
    const applied = machine.apply(machineState, command, context)
    machineState = applied.state
    entries.push(...applied.events)
  })
  return { state: { ...state, sequences, machine: machineState }, entries }
}

/**
 * Executes `batch` on `state` and computes the commit that follows. Pure: every member gets the same bytes.
 *
 * An approval that ends the epoch is the last envelope of its batch, and its event the last leaf of its commit: what is
 * decided after it is the new epoch's to decide (spec §5.1).
 *
 * @throws {BatchRefusedError} an envelope may not be applied or follows the epoch's end, time does not advance, the batch is
 *   too large, or the component is retired.
 */
export function execute<State>(
  machine: Machine<State>,
  { state, batch }: { state: ComponentState<State>; batch: Batch },
): Executed<State> {
  const { envelopes, timestampMs, extensions } = batch
  if (state.governance.retirement !== null) throw new BatchRefusedError({ reason: 'the component is retired' })
  if (timestampMs <= state.timestampMs) throw new BatchRefusedError({ reason: 'its time does not advance' })
  const sizeBytes = envelopes.reduce((sum, { bytes }) => sum + bytes.length, 0)
  if (envelopes.length > BATCH_COUNT_MAX) {
    throw new BatchRefusedError({ reason: `it has ${envelopes.length} envelopes` })
  }
  if (sizeBytes > BATCH_SIZE_MAX_BYTES) throw new BatchRefusedError({ reason: `it has ${sizeBytes} bytes` })

  const height = state.height + 1n
  const entries: Uint8Array[] = []
  let commandState: CommandState<State> = state
  let end: EpochEnd | undefined
  for (const { envelope } of envelopes) {
    if (end !== undefined) throw new BatchRefusedError({ reason: 'an envelope follows the one that ends the epoch' })
    try {
      const applied = applyEnvelope(machine, { state: commandState, envelope, context: { height, timestampMs } })
      commandState = applied.state
      end = applied.end
      entries.push(...applied.entries)
    } catch (cause) {
      if (!(cause instanceof CoalitionError)) throw cause
      throw new BatchRefusedError({ reason: cause.message, cause })
    }
  }

  const isEnd = end !== undefined
  const logSize = state.log.size + BigInt(entries.length + (isEnd ? 1 : 0))
  const observations = readObservations(extensions)
  const finished = machine.finish(commandState.machine, { height, timestampMs, logSize, observations, isEnd })
  entries.push(...finished.events)
  if (end !== undefined) entries.push(end.entry)
  const leafHashes = entries.map(hashLeaf)
  const log = appendLeafHashes(state.log, leafHashes)
  const after = { ...commandState, machine: finished.state }
  const body: Body = {
    parent: state.parent,
    batchRoot: toHex(rootOf(envelopes.map(({ leafHash }) => leafHash))),
    extensionsRoot: toHex(rootOf(extensions.map(hashLeaf))),
    machineVersion: machine.version,
  }
  const commit: Commit = {
    component: state.component,
    epoch: state.epoch,
    height,
    body: deriveBodyDigest(body),
    logSize: log.size,
    logRoot: toHex(rootOfRange(log)),
    state: deriveStateRoot(listStateItems(machine, after)),
    timestampMs,
    anchor: finished.anchor || isEnd,
    next: end?.next ?? ZERO_BYTES32,
  }
  const next = { ...state, ...after, height, parent: deriveCommitDigest(commit), timestampMs, log }
  return { commit, body, entries, leafHashes, state: next }
}

/** Their signatures are the core's to check; a batch whose extensions cannot be read is refused as a whole. */
function readObservations(extensions: readonly Uint8Array[]): ReadonlyMap<Hex, Uint8Array> {
  try {
    return new Map(extensions.map(decodeExtension).map(({ signer, data }) => [signer, data]))
  } catch (cause) {
    if (!(cause instanceof CoalitionError)) throw cause
    throw new BatchRefusedError({ reason: cause.message, cause })
  }
}

const SEQUENCE_TYPEHASH = deriveTypehash('SubmitterSequence(address submitter,uint64 sequence)')

/** Every item under `Commit.state`: the machine's own, the submitters' sequences and who decides (spec §4). */
export const listStateItems = <State>(machine: Machine<State>, state: CommandState<State>): StateItem[] => [
  ...machine.items(state.machine),
  ...[...state.sequences].map(([submitter, sequence]) => createSequenceItem({ submitter, sequence })),
  ...listGovernanceItems(state),
]

/** The state item that proves a submitter's last sequence. */
export const createSequenceItem = ({ submitter, sequence }: { submitter: Hex; sequence: bigint }): StateItem => ({
  typehash: SEQUENCE_TYPEHASH,
  key: toHex(packWords([submitter])),
  value: toHex(packWords([sequence])),
})
