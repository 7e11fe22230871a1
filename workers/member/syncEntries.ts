import type { LogReader } from '../../client/logReader.ts'
import { isEqualBytes } from '../../protocol/bytes.ts'
import { appendLeafHashes, type CompactRange } from '../../protocol/log/compactRange.ts'
import { TILE_WIDTH, tileWidth } from '../../protocol/log/tile.ts'
import { HASH_SIZE_BYTES, hashLeaf } from '../../protocol/log/treeHash.ts'
import { rootOf, rootOfRange } from '../../protocol/log/treeRoot.ts'
import { SnapshotUnprovenError } from './syncErrors.ts'
import type { Pace } from './syncPace.ts'

const WIDTH = BigInt(TILE_WIDTH)
/** Bundles that are asked for at once: their entries, 16 MiB each at the most, are what is held in memory. */
const BUNDLES_AT_ONCE = 4

export type CopyEntriesParameters = {
  /** The log as it was copied so far. */
  from: CompactRange
  /** Leaves that it has in the end. */
  to: bigint
  /** Its RFC 9162 root then: trusted or certified, so `to` is no peer's word either. */
  root: Uint8Array
  /** Takes entries, each of which was found under `root`, in order; gives the log as it is then. */
  append(entries: readonly Uint8Array[]): CompactRange
  /** A size at which `append` is to stop once, so that it sees the log's root there. */
  stopAt: bigint
  pace: Pace
}

/** A bundle, or the part of one that is copied, and the root of its leaves. */
type Portion = { start: bigint; end: bigint; root: Uint8Array }

/**
 * Copies a stretch of a peer's log. Hashes come first, and must lead to `root`; then each bundle is compared with its own
 * before it is appended: a peer cannot make anybody store, or wait for, more than one bundle that is not of this log.
 *
 * @throws {SnapshotUnprovenError} hashes or entries are of another log.
 * @throws {PeerTooSlowError}
 */
export async function copyEntries(log: LogReader, parameters: CopyEntriesParameters): Promise<CompactRange> {
  const { to, append, stopAt, pace } = parameters
  let range = parameters.from
  const portions = await readPortions(log, parameters)
  for (let first = 0; first < portions.length; first += BUNDLES_AT_ONCE) {
    const wanted = portions.slice(first, first + BUNDLES_AT_ONCE)
    const bundles = await Promise.all(wanted.map((portion) => readPortion(log, { portion, size: to })))
    for (const [index, entries] of bundles.entries()) {
      const { start } = wanted[index]!
      const stop = stopAt > start ? Number(stopAt - start) : 0
      for (const part of [entries.slice(0, stop), entries.slice(stop)]) if (part.length > 0) range = append(part)
      pace.came(entries.reduce((sum, { length }) => sum + length, 0))
    }
  }
  return range
}

async function readPortion(
  log: LogReader,
  { portion: { start, end, root }, size }: { portion: Portion; size: bigint },
): Promise<readonly Uint8Array[]> {
  const bundle = await log.readEntries({ index: start, size })
  const entries = bundle.slice(Number(start % WIDTH), Number(start % WIDTH) + Number(end - start))
  if (!isEqualBytes(rootOf(entries.map(hashLeaf)), root)) {
    throw new SnapshotUnprovenError({ url: log.url, reason: `entries ${start} to ${end - 1n} are of another log` })
  }
  return entries
}

/** What each bundle from `from.size` up to `to` must hash to; all of it together leads to `root`. */
async function readPortions(log: LogReader, { from, to, root, pace }: CopyEntriesParameters): Promise<Portion[]> {
  const portions: Portion[] = []
  let range = from
  const addLeaves = async (end: bigint): Promise<void> => {
    if (end <= range.size) return
    const leafHashes = await readHashes(log, { pace, level: 0, start: range.size, end, size: to })
    portions.push({ start: range.size, end, root: rootOf(leafHashes) })
    range = appendLeafHashes(range, leafHashes)
  }
  const nextBundle = ((from.size + WIDTH - 1n) / WIDTH) * WIDTH
  await addLeaves(nextBundle < to ? nextBundle : to)
  const lastBundle = (to / WIDTH) * WIDTH
  if (range.size < lastBundle) {
    // A hash of level 1 is the root of a whole bundle: as far as only those are added, they are the leaves of a log.
    const [start, end] = [range.size / WIDTH, lastBundle / WIDTH]
    const roots = await readHashes(log, { pace, level: 1, start, end, size: to })
    roots.forEach((each, offset) => {
      const at = (start + BigInt(offset)) * WIDTH
      portions.push({ start: at, end: at + WIDTH, root: each })
    })
    range = { size: lastBundle, hashes: appendLeafHashes({ size: start, hashes: range.hashes }, roots).hashes }
  }
  await addLeaves(to)
  if (!isEqualBytes(rootOfRange(range), root)) {
    throw new SnapshotUnprovenError({ url: log.url, reason: `its ${to} entries have another root` })
  }
  return portions
}

/** Hashes `start` up to, not including, `end` of one stored level, from tiles as a log of `size` leaves has them. */
async function readHashes(
  log: LogReader,
  { level, start, end, size, pace }: { level: number; start: bigint; end: bigint; size: bigint; pace: Pace },
): Promise<Uint8Array[]> {
  const hashes: Uint8Array[] = []
  for (let index = start / WIDTH; index * WIDTH < end; index++) {
    const tile = await log.readTile({ level, index, width: tileWidth({ level, index, size }) })
    pace.came(tile.length)
    const first = index * WIDTH < start ? Number(start - index * WIDTH) : 0
    const last = Number(end - index * WIDTH < WIDTH ? end - index * WIDTH : WIDTH)
    for (let position = first; position < last; position++) {
      hashes.push(tile.slice(position * HASH_SIZE_BYTES, (position + 1) * HASH_SIZE_BYTES))
    }
  }
  return hashes
}
