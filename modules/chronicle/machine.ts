import { type Hex, isEqualBytes, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { Applied, Command, Machine } from '../../protocol/machine.ts'
import { decodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import {
  type ChronicleParameters,
  decodeChronicleParameters,
  encodeChronicleParameters,
} from '../../protocol/wire/chronicleParameters.ts'
import { encodeOperatorStatement } from '../../protocol/wire/operatorStatement.ts'
import type { StateItem } from '../../protocol/wire/stateTree.ts'
import { deriveTypehash, packWords } from '../../protocol/wire/typedData.ts'

/** What a Chronicle holds beside its log: who may write, and what it last marked for the chain. */
export type ChronicleState = {
  parameters: ChronicleParameters
  /** The newest commit that was marked `anchor`; zeros before the first. */
  anchored: { height: bigint; logSize: bigint; timestampMs: bigint }
  /** When the oldest leaf that no marked commit covers was decided; undefined when there is none. */
  pendingSinceMs: bigint | undefined
  /** Whether a command of the commit that is being executed asked for the chain. */
  isAnchorRequested: boolean
}

export class SubmitterRefusedError extends CoalitionError {
  constructor({ submitter }: { submitter: Hex }) {
    super('SUBMITTER_REFUSED', `${submitter} may not write to this Chronicle.`, {
      fix: 'Use the key of a submitter that the Chronicle’s parameters in the config list.',
      kind: 'refused',
    })
  }
}

export class MalformedSnapshotError extends CoalitionError {
  constructor() {
    super('MALFORMED_SNAPSHOT', 'The bytes are no snapshot of a Chronicle.', {
      fix: 'Fetch the snapshot again, from another member.',
      kind: 'refused',
    })
  }
}

const SUBMITTER_TYPEHASH = deriveTypehash('ChronicleSubmitter(address submitter,bool isAuthorised)')
const CADENCE_TYPEHASH = deriveTypehash('ChronicleCadence(uint8 unit,uint32 amount)')
const ANCHORED_TYPEHASH = deriveTypehash('ChronicleAnchored(uint8 field,uint64 amount)')

/** The Chronicle: an append-only audit log, marked for the chain at a cadence (spec §10). */
export const chronicle: Machine<ChronicleState> = {
  version: 1,

  genesis: (parameters) => ({
    parameters: decodeChronicleParameters(parameters),
    anchored: { height: 0n, logSize: 0n, timestampMs: 0n },
    pendingSinceMs: undefined,
    isAnchorRequested: false,
  }),

  validate(state, command) {
    const { submitter } = command
    if (!state.parameters.submitters.includes(submitter)) throw new SubmitterRefusedError({ submitter })
    decodeChronicleCommand(command.payload)
  },

  apply(state, command, { timestampMs }): Applied<ChronicleState> {
    const decoded = decodeChronicleCommand(command.payload)
    if (decoded.kind === 'requestAnchor') return { state: { ...state, isAnchorRequested: true }, events: [] }
    const { submitter, sequence, index }: Command = command
    return {
      state: state.pendingSinceMs === undefined ? { ...state, pendingSinceMs: timestampMs } : state,
      events: [encodeOperatorStatement({ submitter, sequence, index, statement: decoded.statement })],
    }
  },

  finish(state, { height, timestampMs, logSize }) {
    const { anchorEveryCommits } = state.parameters
    const dueAtMs = chronicle.dueAtMs(state, { logSize })
    const isDue =
      state.isAnchorRequested ||
      height - state.anchored.height >= BigInt(anchorEveryCommits) ||
      (dueAtMs !== undefined && timestampMs >= dueAtMs)
    const anchor = isDue && logSize > state.anchored.logSize // never an empty anchor (spec §10)
    if (!anchor) return { state: { ...state, isAnchorRequested: false }, anchor }
    const anchored = { height, logSize, timestampMs }
    return { state: { ...state, anchored, pendingSinceMs: undefined, isAnchorRequested: false }, anchor }
  },

  dueAtMs({ parameters, pendingSinceMs }) {
    if (pendingSinceMs === undefined) return undefined
    return pendingSinceMs + 1000n * BigInt(parameters.anchorEverySeconds)
  },

  items({ parameters, anchored, pendingSinceMs }) {
    const item = (typehash: Hex, key: bigint | Hex, value: bigint | number): StateItem => ({
      typehash,
      key: word(key),
      value: word(value),
    })
    return [
      ...parameters.submitters.map((submitter) => item(SUBMITTER_TYPEHASH, submitter, 1)),
      item(CADENCE_TYPEHASH, 0n, parameters.anchorEveryCommits),
      item(CADENCE_TYPEHASH, 1n, parameters.anchorEverySeconds),
      item(ANCHORED_TYPEHASH, 0n, anchored.height),
      item(ANCHORED_TYPEHASH, 1n, anchored.logSize),
      item(ANCHORED_TYPEHASH, 2n, anchored.timestampMs),
      item(ANCHORED_TYPEHASH, 3n, pendingSinceMs ?? 0n),
    ]
  },

  snapshot({ parameters, anchored, pendingSinceMs }) {
    const bytes = encodeChronicleParameters(parameters)
    const { height, logSize, timestampMs } = anchored
    return new Uint8Array([...packWords([height, logSize, timestampMs, pendingSinceMs ?? 0n]), ...bytes])
  },

  restore(snapshot) {
    if (snapshot.length < 128) throw new MalformedSnapshotError()
    const [height, logSize, timestampMs, pendingSinceMs] = [0, 1, 2, 3].map((index) => readWord(snapshot, index))
    const state: ChronicleState = {
      parameters: decodeChronicleParameters(snapshot.subarray(128)),
      anchored: { height: height!, logSize: logSize!, timestampMs: timestampMs! },
      pendingSinceMs: pendingSinceMs === 0n ? undefined : pendingSinceMs,
      isAnchorRequested: false, // only ever set while a commit is executed
    }
    if (!isEqualBytes(chronicle.snapshot(state), snapshot)) throw new MalformedSnapshotError()
    return state
  },
}

const word = (value: bigint | number | Hex): Hex => toHex(packWords([value]))

const readWord = (bytes: Uint8Array, index: number): bigint =>
  BigInt(toHex(bytes.subarray(32 * index, 32 * index + 32)))
