import { type Hex, isEqualBytes, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { Machine } from '../../protocol/machine.ts'
import {
  type AlmanacParameters,
  decodeAlmanacParameters,
  encodeAlmanacParameters,
} from '../../protocol/wire/almanacParameters.ts'
import {
  type AlmanacTick,
  decodeObservation,
  encodeAlmanacTick,
  encodeObservation,
} from '../../protocol/wire/almanacTick.ts'
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

export type AlmanacState = {
  parameters: AlmanacParameters
  anchoring: Anchoring
  /** Of the newest tick, opened or published; 0 before the first. */
  seq: bigint
  /** When the newest tick was opened; 0 before the first. */
  tickMs: bigint
  /** Whether the newest tick still waits for its observations: they come with the next commit. */
  isOpen: boolean
}

export class AlmanacTakesNoCommandError extends CoalitionError {
  constructor() {
    super('ALMANAC_TAKES_NO_COMMAND', 'An Almanac ticks by itself and takes no commands.', {
      fix: 'Read its ticks; to change it, publish a config with other parameters.',
      kind: 'refused',
    })
  }
}

const CADENCE_TYPEHASH = deriveTypehash('AlmanacCadence(uint32 tickEveryMs)')
const STANDING_TYPEHASH = deriveTypehash('AlmanacStanding(uint8 field,uint64 amount)')
const SNAPSHOT_HEAD_BYTES = ANCHORING_SIZE_BYTES + 96

/**
 * The Almanac: a clock that a committee agrees on (spec §10). The commit that is due opens a tick; members attach what their
 * own clocks say to their precommits of it; the commit that follows at once publishes both. Ticks never go back: they carry
 * decided times. What members observed is advisory.
 */
export const almanac: Machine<AlmanacState> = {
  version: 1,

  genesis: (parameters) => ({
    parameters: decodeAlmanacParameters(parameters),
    anchoring: UNANCHORED,
    seq: 0n,
    tickMs: 0n,
    isOpen: false,
  }),

  observe: ({ nowMs }) => encodeObservation(BigInt(nowMs)),

  validate() {
    throw new AlmanacTakesNoCommandError()
  },

  apply() {
    throw new AlmanacTakesNoCommandError()
  },

  finish(state, context) {
    const { timestampMs, observations } = context
    const events = state.isOpen ? [encodeAlmanacTick(completeTick(state, observations))] : []
    const anchoring = events.length > 0 ? noteEntry(state.anchoring, timestampMs) : state.anchoring
    const logSize = context.logSize + BigInt(events.length)
    const finished = finishAnchoring(anchoring, state.parameters, { ...context, logSize })
    const isDue = timestampMs >= tickDueAtMs(state)
    return {
      state: {
        ...state,
        anchoring: finished.anchoring,
        seq: isDue ? state.seq + 1n : state.seq,
        tickMs: isDue ? timestampMs : state.tickMs,
        isOpen: isDue,
      },
      anchor: finished.anchor,
      events,
    }
  },

  dueAtMs(state) {
    // What is open is published at once: an observation says nothing once it is old.
    if (state.isOpen) return state.tickMs
    const dueAtMs = anchorDueAtMs(state.anchoring, state.parameters)
    const tickAtMs = tickDueAtMs(state)
    return dueAtMs !== undefined && dueAtMs < tickAtMs ? dueAtMs : tickAtMs
  },

  items: ({ parameters, anchoring, seq, tickMs, isOpen }) => [
    item(CADENCE_TYPEHASH, 0n, BigInt(parameters.tickEveryMs)),
    item(STANDING_TYPEHASH, 0n, seq),
    item(STANDING_TYPEHASH, 1n, tickMs),
    item(STANDING_TYPEHASH, 2n, isOpen ? 1n : 0n),
    ...listAnchoringItems(anchoring, parameters),
  ],

  /** Four words of anchoring, three of the newest tick, the parameters. */
  snapshot: ({ parameters, anchoring, seq, tickMs, isOpen }) =>
    new Uint8Array([
      ...snapshotAnchoring(anchoring),
      ...packWords([seq, tickMs, isOpen]),
      ...encodeAlmanacParameters(parameters),
    ]),

  restore(snapshot) {
    const anchoring = restoreAnchoring(snapshot)
    const parameters = decodeAlmanacParameters(snapshot.subarray(SNAPSHOT_HEAD_BYTES))
    const [seq, tickMs, isOpen] = [0, 32, 64].map((offset) => {
      const at = ANCHORING_SIZE_BYTES + offset
      return BigInt(toHex(snapshot.subarray(at, at + 32)))
    })
    const state: AlmanacState = { parameters, anchoring, seq: seq!, tickMs: tickMs!, isOpen: isOpen === 1n }
    if (!isEqualBytes(almanac.snapshot(state), snapshot)) throw new MalformedSnapshotError()
    return state
  },
}

const tickDueAtMs = ({ tickMs, parameters }: AlmanacState): bigint => tickMs + BigInt(parameters.tickEveryMs)

function completeTick({ seq, tickMs }: AlmanacState, observations: ReadonlyMap<Hex, Uint8Array>): AlmanacTick {
  const observedAt = [...observations].flatMap(([member, bytes]) => {
    const observedAtMs = decodeObservation(bytes)
    return observedAtMs === undefined ? [] : [{ member, observedAtMs }]
  })
  return { seq, timestampMs: tickMs, observedAt: observedAt.sort((a, b) => (a.member < b.member ? -1 : 1)) }
}

const item = (typehash: Hex, key: bigint, value: bigint): StateItem => ({
  typehash,
  key: toHex(packWords([key])),
  value: toHex(packWords([value])),
})
