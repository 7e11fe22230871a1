import { appendToTiles, type TileAppend } from '../../../protocol/log/appendToTiles.ts'
import { type CompactRange, EMPTY_RANGE } from '../../../protocol/log/compactRange.ts'
import { cutTile, type Tile } from '../../../protocol/log/tile.ts'

/** A log's tiles in memory, as a member's store keeps them: one row a tile, written only behind what it has. */
export function createTileStore() {
  const rows = new Map<string, Uint8Array>()
  let range: CompactRange = EMPTY_RANGE

  const write = ({ level, index, offset, hashes }: TileAppend): void => {
    const stored = rows.get(`${level}/${index}`) ?? new Uint8Array(0)
    if (stored.length !== offset * 32) throw new Error(`tile ${level}/${index} has ${stored.length} bytes`)
    const longer = new Uint8Array(stored.length + hashes.length)
    longer.set(stored)
    longer.set(hashes, stored.length)
    rows.set(`${level}/${index}`, longer)
  }

  return {
    range: () => range,
    rows: (): ReadonlyMap<string, Uint8Array> => rows,
    append(leafHashes: readonly Uint8Array[]): void {
      const appended = appendToTiles(range, leafHashes)
      appended.appends.forEach(write)
      range = appended.range
    },
    read: ({ level, index, width }: Tile): Uint8Array =>
      cutTile(rows.get(`${level}/${index}`) ?? new Uint8Array(0), width),
  }
}
