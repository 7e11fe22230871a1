import { type Hex, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { Applied, Command, Machine } from '../../protocol/machine.ts'
import { type ChronicleCommand, decodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import { type ChronicleParameters, decodeChronicleParameters } from '../../protocol/wire/chronicleParameters.ts'
import { encodeOperatorStatement } from '../../protocol/wire/operatorStatement.ts'
import type { StateItem } from '../../protocol/wire/stateTree.ts'
import { deriveTypehash, packWords } from '../../protocol/wire/typedData.ts'
import {
  type Anchoring,
  anchorDueAtMs,
  finishAnchoring,
  listAnchoringItems,
  noteEntry,
  UNANCHORED,
} from '../anchorCadence.ts'
import type { Audit } from './audit.ts'
import { applyPublication, assertPublishable } from './publication.ts'
import { applyEnd, assertRecordable } from './recordEnd.ts'
import { decodeChronicleSnapshot, encodeChronicleSnapshot } from './snapshot.ts'

/** What a Chronicle holds beside its log: who may write, what it last marked for the chain, and what it knows of its coalition. */
export type ChronicleState = {
  parameters: ChronicleParameters
  anchoring: Anchoring
  /** Undefined before a config is published. */
  audit: Audit | undefined
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

/**
 * The Chronicle: an append-only audit log of a coalition, marked for the chain at a cadence (spec §10). What a config or another
 * component's commit says enters it as entries that the machine makes itself; operators' statements enter as they are.
 *
 * The version stays 1 with publications and records: a state without them has the same items and the same snapshot as before
 * there were any, and the commands that there were before give the same bytes.
 */
export const chronicle: Machine<ChronicleState> = {
  version: 1,

  genesis: (parameters) => ({
    parameters: decodeChronicleParameters(parameters),
    anchoring: UNANCHORED,
    audit: undefined,
  }),

  validate({ parameters, audit }, { component, submitter, payload }) {
    if (!parameters.submitters.includes(submitter)) throw new SubmitterRefusedError({ submitter })
    const command = decodeChronicleCommand(payload)
    switch (command.kind) {
      case 'recordStatement':
      case 'requestAnchor':
        return
      case 'publishCoalition':
        assertPublishable({ audit, component, config: command.config })
        return
      default:
        assertRecordable(audit, { self: component, end: command })
    }
  },

  apply(state, command, { timestampMs }): Applied<ChronicleState> {
    const decoded = decodeChronicleCommand(command.payload)
    if (decoded.kind === 'requestAnchor') {
      return { state: { ...state, anchoring: { ...state.anchoring, isRequested: true } }, events: [] }
    }
    const { audit, events } = applyEntries(state.audit, { command, decoded })
    return { state: { ...state, audit, anchoring: noteEntry(state.anchoring, timestampMs) }, events }
  },

  finish(state, context) {
    const { anchoring, anchor } = finishAnchoring(state.anchoring, state.parameters, context)
    return { state: { ...state, anchoring }, anchor, events: [] }
  },

  dueAtMs: ({ parameters, anchoring }) => anchorDueAtMs(anchoring, parameters),

  items: ({ parameters, anchoring, audit }) => [
    ...parameters.submitters.map((submitter): StateItem => {
      return { typehash: SUBMITTER_TYPEHASH, key: toHex(packWords([submitter])), value: toHex(packWords([1])) }
    }),
    ...listAnchoringItems(anchoring, parameters),
    ...(audit?.items ?? []),
  ],

  snapshot: encodeChronicleSnapshot,
  restore: decodeChronicleSnapshot,
}

type Recording = Exclude<ChronicleCommand, { kind: 'requestAnchor' }>

function applyEntries(
  audit: Audit | undefined,
  { command, decoded }: { command: Command; decoded: Recording },
): { audit: Audit | undefined; events: Uint8Array[] } {
  const { submitter, sequence, index } = command
  switch (decoded.kind) {
    case 'recordStatement':
      return { audit, events: [encodeOperatorStatement({ submitter, sequence, index, statement: decoded.statement })] }
    case 'publishCoalition':
      return applyPublication({ audit, config: decoded.config, submitter })
    default: {
      const recorded = applyEnd(audit!, decoded)
      return { audit: recorded.audit, events: [recorded.event] }
    }
  }
}
