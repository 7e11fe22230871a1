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
import {
  ANCHORING_SIZE_BYTES,
  type Anchoring,
  anchorDueAtMs,
  finishAnchoring,
  listAnchoringItems,
  MalformedSnapshotError,
  noteEntry,
  restoreAnchoring,
  snapshotAnchoring,
  UNANCHORED,
} from '../anchorCadence.ts'

/** What a Chronicle holds beside its log: who may write, and what it last marked for the chain. */
export type ChronicleState = {
  parameters: ChronicleParameters
  anchoring: Anchoring
}

export class SubmitterRefusedError extends CoalitionError {
  constructor({ submitter }: { submitter: Hex }) {
    super('SUBMITTER_REFUSED', `${submitter} may not write to this Chronicle.`, {
      fix: 'Use the key of a submitter that the Chronicle’s parameters in the config list.',
      kind: 'refused',
    })
  }
}

const SUBMITTER_TYPEHASH = deriveTypehash('ChronicleSubmitter(address submitter,bool isAuthorised)')

/** The Chronicle: an append-only audit log, marked for the chain at a cadence (spec §10). */
export const chronicle: Machine<ChronicleState> = {
  version: 1,

  genesis: (parameters) => ({ parameters: decodeChronicleParameters(parameters), anchoring: UNANCHORED }),

  validate(state, command) {
    const { submitter } = command
    if (!state.parameters.submitters.includes(submitter)) throw new SubmitterRefusedError({ submitter })
    decodeChronicleCommand(command.payload)
  },

  apply(state, command, { timestampMs }): Applied<ChronicleState> {
    const { anchoring } = state
    const decoded = decodeChronicleCommand(command.payload)
    if (decoded.kind === 'requestAnchor') {
      return { state: { ...state, anchoring: { ...anchoring, isRequested: true } }, events: [] }
    }
    const { submitter, sequence, index }: Command = command
    return {
      state: { ...state, anchoring: noteEntry(anchoring, timestampMs) },
      events: [encodeOperatorStatement({ submitter, sequence, index, statement: decoded.statement })],
    }
  },

  finish(state, context) {
    const { anchoring, anchor } = finishAnchoring(state.anchoring, state.parameters, context)
    return { state: { ...state, anchoring }, anchor, events: [] }
  },

  dueAtMs: ({ parameters, anchoring }) => anchorDueAtMs(anchoring, parameters),

  items: ({ parameters, anchoring }) => [
    ...parameters.submitters.map((submitter): StateItem => {
      return { typehash: SUBMITTER_TYPEHASH, key: toHex(packWords([submitter])), value: toHex(packWords([1])) }
    }),
    ...listAnchoringItems(anchoring, parameters),
  ],

  snapshot: ({ parameters, anchoring }) =>
    new Uint8Array([...snapshotAnchoring(anchoring), ...encodeChronicleParameters(parameters)]),

  restore(snapshot) {
    const anchoring = restoreAnchoring(snapshot)
    const parameters = decodeChronicleParameters(snapshot.subarray(ANCHORING_SIZE_BYTES))
    const state: ChronicleState = { parameters, anchoring }
    if (!isEqualBytes(chronicle.snapshot(state), snapshot)) throw new MalformedSnapshotError()
    return state
  },
}
