import { CoalitionError } from '../errors.ts'
import { assertLeafIndex, LOG_SIZE_MAX } from './logSize.ts'
import { TILE_WIDTH, type Tile, tileWidth } from './tile.ts'

/** Up to 256 entries as one resource: those that the level-0 tile of the same index and width has the hashes of. */
export type EntryBundle = { level: 'entries'; index: bigint; width: number }

export class InvalidTilePathError extends CoalitionError {
  constructor() {
    super('INVALID_TILE_PATH', 'This is not the path of a tile or of an entry bundle.', {
      fix: 'Write tile/LEVEL/INDEX or tile/entries/INDEX, .p/WIDTH behind a partial one; level 0–63, width 1–255, index in groups of three digits, all but the last with an x: 1234067 is x001/x234/067.',
    })
  }
}

const TILE_LEVEL_MAX = 63

/**
 * Path of a tile or bundle under a log's prefix, without a leading slash: `tile/0/x001/x234/067.p/8` (C2SP tlog-tiles).
 *
 * @throws {InvalidTilePathError} level, index or width is out of its range.
 */
export function encodeTilePath({ level, index, width }: Tile | EntryBundle): string {
  const isLevel = level === 'entries' || (Number.isInteger(level) && level >= 0 && level <= TILE_LEVEL_MAX)
  const isWidth = Number.isInteger(width) && width >= 1 && width <= TILE_WIDTH
  if (!isLevel || !isWidth || index < 0n || index > LOG_SIZE_MAX) throw new InvalidTilePathError()
  const digits = index.toString()
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g)!
  const last = groups.pop()
  const folders = groups.map((group) => `x${group}/`).join('')
  return `tile/${level}/${folders}${last}${width === TILE_WIDTH ? '' : `.p/${width}`}`
}

const TILE_PATH_PATTERN = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/){0,6}\d{3})(?:\.p\/(\d{1,3}))?$/

/**
 * Exact inverse of `encodeTilePath`; a second spelling of a path is refused, so that a resource has one name in caches.
 *
 * @throws {InvalidTilePathError} `path` is anything else.
 */
export function decodeTilePath(path: string): Tile | EntryBundle {
  const [, levelText, indexText, widthText] = TILE_PATH_PATTERN.exec(path) ?? []
  if (levelText === undefined || indexText === undefined) throw new InvalidTilePathError()
  const level = levelText === 'entries' ? levelText : Number(levelText)
  const index = BigInt(indexText.replaceAll(/[x/]/g, ''))
  const width = widthText === undefined ? TILE_WIDTH : Number(widthText)
  if (encodeTilePath({ level, index, width }) !== path) throw new InvalidTilePathError()
  return { level, index, width }
}

/**
 * The bundle that holds the entry at `index` of a log of `size` leaves; the entry is its `index % 256`-th, from 0.
 *
 * @throws {LeafOutOfRangeError} `index` is not below `size`.
 * @throws {InvalidLogSizeError} `size` is not a uint64.
 */
export function bundleOf({ index, size }: { index: bigint; size: bigint }): EntryBundle {
  assertLeafIndex({ index, size })
  const bundleIndex = index / BigInt(TILE_WIDTH)
  return { level: 'entries', index: bundleIndex, width: tileWidth({ level: 0, index: bundleIndex, size }) }
}
