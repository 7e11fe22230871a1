import { type Hex, toHex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import type { StateItem } from '../protocol/wire/stateTree.ts'
import { deriveTypehash, packWords } from '../protocol/wire/typedData.ts'

/** When a module's commits go to the chain: whichever comes first, and never an empty one (spec §10). */
export type AnchorCadence = {
  readonly anchorEveryCommits: number
  readonly anchorEverySeconds: number
}

/** Where a module stands between two anchors. */
export type Anchoring = {
  /** The newest commit that was marked `anchor`; zeros before the first. */
  height: bigint
  logSize: bigint
  timestampMs: bigint
  /** When the oldest leaf that no marked commit covers was decided; undefined when there is none. */
  pendingSinceMs: bigint | undefined
  /** Whether a command of the commit that is being executed asked for the chain. */
  isRequested: boolean
}

export const UNANCHORED: Anchoring = {
  height: 0n,
  logSize: 0n,
  timestampMs: 0n,
  pendingSinceMs: undefined,
  isRequested: false,
}

/** What `snapshotAnchoring` gives: four words. */
export const ANCHORING_SIZE_BYTES = 128

export class MalformedSnapshotError extends CoalitionError {
  constructor() {
    super('MALFORMED_SNAPSHOT', 'The bytes are no snapshot of this state machine.', {
      fix: 'Fetch the snapshot again, from another member.',
      kind: 'refused',
    })
  }
}

const CADENCE_TYPEHASH = deriveTypehash('AnchorCadence(uint8 unit,uint32 amount)')
const ANCHORED_TYPEHASH = deriveTypehash('Anchored(uint8 field,uint64 amount)')

/** A leaf was appended at `timestampMs`. */
export const noteEntry = (anchoring: Anchoring, timestampMs: bigint): Anchoring =>
  anchoring.pendingSinceMs === undefined ? { ...anchoring, pendingSinceMs: timestampMs } : anchoring

/** Ends a commit: whether it is for the chain, and where that leaves the module. `logSize` counts its leaves. */
export function finishAnchoring(
  anchoring: Anchoring,
  cadence: AnchorCadence,
  context: { height: bigint; timestampMs: bigint; logSize: bigint; isEnd?: boolean },
): { anchoring: Anchoring; anchor: boolean } {
  const { height, timestampMs, logSize, isEnd = false } = context
  const dueAtMs = anchorDueAtMs(anchoring, cadence)
  const isDue =
    isEnd ||
    anchoring.isRequested ||
    height - anchoring.height >= BigInt(cadence.anchorEveryCommits) ||
    (dueAtMs !== undefined && timestampMs >= dueAtMs)
  if (!isDue || logSize <= anchoring.logSize) return { anchoring: { ...anchoring, isRequested: false }, anchor: false }
  return {
    anchoring: { height, logSize, timestampMs, pendingSinceMs: undefined, isRequested: false },
    anchor: true,
  }
}

/** When the oldest leaf that waits for the chain has waited long enough; undefined where none waits. */
export const anchorDueAtMs = (
  { pendingSinceMs }: Anchoring,
  { anchorEverySeconds }: AnchorCadence,
): bigint | undefined =>
  pendingSinceMs === undefined ? undefined : pendingSinceMs + 1000n * BigInt(anchorEverySeconds)

/** The state items of a cadence and of where it stands: all that `snapshotAnchoring` gives, and the cadence. */
export const listAnchoringItems = (anchoring: Anchoring, cadence: AnchorCadence): StateItem[] => [
  item(CADENCE_TYPEHASH, 0n, cadence.anchorEveryCommits),
  item(CADENCE_TYPEHASH, 1n, cadence.anchorEverySeconds),
  item(ANCHORED_TYPEHASH, 0n, anchoring.height),
  item(ANCHORED_TYPEHASH, 1n, anchoring.logSize),
  item(ANCHORED_TYPEHASH, 2n, anchoring.timestampMs),
  item(ANCHORED_TYPEHASH, 3n, anchoring.pendingSinceMs ?? 0n),
]

/** Between commits; a request lasts only while its commit is executed. */
export const snapshotAnchoring = ({ height, logSize, timestampMs, pendingSinceMs }: Anchoring): Uint8Array =>
  packWords([height, logSize, timestampMs, pendingSinceMs ?? 0n])

/**
 * Reads what stands at the start of a snapshot. That nothing else gives these bytes is for the machine to check, over the
 * whole of its snapshot.
 *
 * @throws {MalformedSnapshotError} too short.
 */
export function restoreAnchoring(snapshot: Uint8Array): Anchoring {
  if (snapshot.length < ANCHORING_SIZE_BYTES) throw new MalformedSnapshotError()
  const [height, logSize, timestampMs, pendingSinceMs] = [0, 1, 2, 3].map((index) => readWord(snapshot, index))
  return {
    height: height!,
    logSize: logSize!,
    timestampMs: timestampMs!,
    pendingSinceMs: pendingSinceMs === 0n ? undefined : pendingSinceMs,
    isRequested: false,
  }
}

const item = (typehash: Hex, key: bigint, value: bigint | number): StateItem => ({
  typehash,
  key: toHex(packWords([key])),
  value: toHex(packWords([value])),
})

const readWord = (bytes: Uint8Array, index: number): bigint =>
  BigInt(toHex(bytes.subarray(32 * index, 32 * index + 32)))
