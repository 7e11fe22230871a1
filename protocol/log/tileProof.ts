import { completePlan, type HashReader, type ProofPlan } from './proofPlan.ts'
import { cutTile, TILE_HEIGHT, TILE_WIDTH, type Tile, tileOf } from './tile.ts'
import { HASH_SIZE_BYTES } from './treeHash.ts'
import { rootOf } from './treeRoot.ts'

/** The tiles that `plan` is completed from, each once: for a proof about one for every eight levels of the tree, twice at most. */
export function tilesOf(plan: ProofPlan): Tile[] {
  const tiles = new Map<string, Tile>()
  for (const node of plan.elements.flat()) {
    const tile = tileOf({ node, size: plan.size })
    tiles.set(keyOf(tile), tile)
  }
  return [...tiles.values()]
}

/**
 * Completes `plan` from the bytes of its tiles, given in the order of `tilesOf(plan)`. A wider tile than asked for
 * will do, because logs may drop a partial tile once the full one is there.
 *
 * The tiles are not authenticated, and need not be. What comes out is a proof, and `verifyInclusion` or
 * `verifyConsistency` accepts it only if every hash that went in is the one under the trusted root: checking tiles
 * against the root first (as Go's sumdb client does) would hash the same nodes a second time. So keep tiles in a cache
 * only after the proof made from them was verified, or one bad tile spoils every proof until it is thrown out.
 *
 * @throws {TileLengthError} a tile is missing, cut or too long.
 */
export function completeFromTiles(plan: ProofPlan, contents: readonly Uint8Array[]): Uint8Array[] {
  const tiles = new Map(
    tilesOf(plan).map((tile, position) => [keyOf(tile), cutTile(contents[position] ?? NO_BYTES, tile.width)]),
  )
  const read: HashReader = (node) => {
    const bytes = tiles.get(keyOf(tileOf({ node, size: plan.size })))!
    const height = node.level % TILE_HEIGHT
    // A tile stores every eighth level; those between are the roots of 2^height of its hashes.
    const start = Number((node.index << BigInt(height)) % BigInt(TILE_WIDTH))
    return rootOf(splitHashes(bytes, { start, count: 2 ** height }))
  }
  return completePlan(plan, read)
}

const NO_BYTES = new Uint8Array(0)

const keyOf = ({ level, index }: Tile): string => `${level}/${index}`

function splitHashes(bytes: Uint8Array, { start, count }: { start: number; count: number }): Uint8Array[] {
  const hashes: Uint8Array[] = []
  for (let position = start; position < start + count; position++) {
    const offset = position * HASH_SIZE_BYTES
    hashes.push(bytes.subarray(offset, offset + HASH_SIZE_BYTES))
  }
  return hashes
}
