import { fromHex, type Hex } from '../protocol/bytes.ts'
import { countOf } from '../protocol/errors.ts'
import { planInclusion } from '../protocol/log/proofPlan.ts'
import type { Tile } from '../protocol/log/tile.ts'
import { encodeTilePath } from '../protocol/log/tilePath.ts'
import { completeFromTiles, tilesOf } from '../protocol/log/tileProof.ts'
import { hashLeaf } from '../protocol/log/treeHash.ts'
import { verifyInclusion } from '../protocol/log/verifyInclusion.ts'
import { type LogReader, NotInLogError } from './logReader.ts'
import { NotVerifiedError, verify } from './notVerified.ts'

/** An entry, and what proves it under the root that was asked for. */
export type ProvenEntry = {
  index: bigint
  entry: Uint8Array
  /** RFC 9162 §2.1.3, from the leaf's sibling upward; as `ComponentRegistry.verifyInclusion` takes it. */
  proof: readonly Uint8Array[]
}

export type ProveEntriesParameters = {
  /** First index. */
  start: bigint
  /** After the last; at most `size`. */
  end: bigint
  /** Leaves of the log that the entries are proven in. */
  size: bigint
  /** Root of those leaves, of a commit or a head that the caller trusts. */
  root: Hex
}

/**
 * Reads the entries from `start` to `end` of a log, each proven under a root that the caller trusts.
 *
 * @throws {NotVerifiedError} the log does not have them, or another entry than the root's.
 * @throws what the log reader throws.
 */
export async function proveEntries(log: LogReader, parameters: ProveEntriesParameters): Promise<ProvenEntry[]> {
  const { start, end, size, root } = parameters
  // Neighbours' proofs are made from the same tiles.
  const tiles = new Map<string, Promise<Uint8Array>>()
  const read = (tile: Tile): Promise<Uint8Array> => {
    const path = encodeTilePath(tile)
    const reading = tiles.get(path) ?? log.readTile(tile)
    tiles.set(path, reading)
    return reading
  }
  const proven: ProvenEntry[] = []
  try {
    for (let index = start; index < end; index++) {
      const plan = planInclusion({ index, size })
      const [entry, contents] = await Promise.all([
        log.readEntry({ index, size }),
        Promise.all(tilesOf(plan).map(read)),
      ])
      verify('the inclusion proof does not lead to the root', () => {
        const proof = completeFromTiles(plan, contents)
        verifyInclusion({ index, size, root: fromHex(root), leafHash: hashLeaf(entry), proof })
        proven.push({ index, entry, proof })
      })
    }
  } catch (cause) {
    if (!(cause instanceof NotInLogError)) throw cause
    throw new NotVerifiedError({
      reason: `the log served is shorter than the one of ${countOf(size, 'entry')} that is certified`,
      cause,
    })
  }
  return proven
}
