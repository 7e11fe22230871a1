import { appendLeafHashes, type CompactRange } from './compactRange.ts'
import { TILE_HEIGHT, TILE_WIDTH } from './tile.ts'
import { HASH_SIZE_BYTES } from './treeHash.ts'

/** What a store writes for one tile: hashes that stand behind those it has, never in place of one. */
export type TileAppend = {
  /** Of the tile, from 0; see `Tile`. */
  level: number
  /** Of the tile within its level. */
  index: bigint
  /** How many hashes the tile has before; 0 makes a new one. The first new hash is at tree index `256 × index + offset`. */
  offset: number
  /** The new hashes, 32 bytes each, one behind the other. */
  hashes: Uint8Array
}

/**
 * Appends leaves and says which stored hashes that adds, lowest level first and in order of index.
 *
 * Nothing is read: a level-1 hash is closed by the same merges that the range does anyway. A store may keep a row a
 * tile and write `hashes` behind it, or a row a hash; both serve every narrower tile by `cutTile`.
 *
 * @throws {HashLengthError} a leaf hash is not 32 bytes.
 * @throws {InvalidLogSizeError} the log would have more than 2^64 − 1 leaves.
 * @throws {InvalidCompactRangeError} the range has fewer hashes than its size says.
 */
export function appendToTiles(
  range: CompactRange,
  leafHashes: readonly Uint8Array[],
): { range: CompactRange; appends: TileAppend[] } {
  const added: Uint8Array[][] = []
  const appended = appendLeafHashes(range, leafHashes, (level, hash) => {
    if (level % TILE_HEIGHT !== 0) return
    added[level / TILE_HEIGHT] ??= []
    added[level / TILE_HEIGHT]!.push(hash)
  })
  const appends = added.flatMap((hashes, level) =>
    splitByTile({ level, first: range.size >> BigInt(TILE_HEIGHT * level), hashes }),
  )
  return { range: appended, appends }
}

/** Cuts a level's new hashes, of which the first has tree index `first` at that level, at the ends of tiles. */
function splitByTile(options: { level: number; first: bigint; hashes: readonly Uint8Array[] }): TileAppend[] {
  const { level, first, hashes } = options
  const appends: TileAppend[] = []
  let index = first / BigInt(TILE_WIDTH)
  let offset = Number(first % BigInt(TILE_WIDTH))
  for (let taken = 0; taken < hashes.length; ) {
    const run = hashes.slice(taken, taken + TILE_WIDTH - offset)
    appends.push({ level, index, offset, hashes: joinHashes(run) })
    taken += run.length
    index += 1n
    offset = 0
  }
  return appends
}

function joinHashes(hashes: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * HASH_SIZE_BYTES)
  hashes.forEach((hash, position) => {
    bytes.set(hash, position * HASH_SIZE_BYTES)
  })
  return bytes
}
