import { CoalitionError } from '../errors.ts'
import { HASH_SIZE_BYTES } from './treeHash.ts'
import type { TreeNode } from './treeNode.ts'

/** Levels of the tree in one tile: 256 hashes, and the seven levels above them that follow from those. */
export const TILE_HEIGHT = 8
/** Hashes in a full tile, and entries in a full bundle. */
export const TILE_WIDTH = 2 ** TILE_HEIGHT

/**
 * A stretch of a log's stored hashes (C2SP tlog-tiles): those of nodes `index × 256` up to `index × 256 + width` at
 * tree level `level × 8`. Only rightmost tiles are partial, and a partial tile is the beginning of every wider one.
 */
export type Tile = {
  /** 0 holds leaf hashes; each hash of level n + 1 is the root of a full tile of level n. 0–63. */
  level: number
  /** From 0, counted in tiles of this level; a uint64. */
  index: bigint
  /** Hashes in it, 1–256; 256 is a full tile. */
  width: number
}

export class TileLengthError extends CoalitionError {
  constructor({ width, sizeBytes }: { width: number; sizeBytes: number }) {
    super('TILE_LENGTH', `A tile of ${sizeBytes} bytes does not hold ${width} hash(es).`, {
      fix: `Give ${HASH_SIZE_BYTES} bytes a hash, at least as many hashes as asked for and at most ${TILE_WIDTH}; fetch the tile again, from another member if need be.`,
      kind: 'refused',
    })
  }
}

/** Width of a tile in a log of `size` leaves: 256 where it is full, 0 where there is no such tile. */
export function tileWidth({ level, index, size }: { level: number; index: bigint; size: bigint }): number {
  const hashes = (size >> BigInt(TILE_HEIGHT * level)) - index * BigInt(TILE_WIDTH)
  return hashes <= 0n ? 0 : hashes >= BigInt(TILE_WIDTH) ? TILE_WIDTH : Number(hashes)
}

/** The tile that a tree node is read from: one of its hashes, or the root of 2^(level mod 8) of them. */
export function tileOf({ node, size }: { node: TreeNode; size: bigint }): Tile {
  const level = Math.floor(node.level / TILE_HEIGHT)
  const index = node.index >> BigInt(TILE_HEIGHT - (node.level % TILE_HEIGHT))
  return { level, index, width: tileWidth({ level, index, size }) }
}

/**
 * The first `width` hashes of a tile, as a view of its bytes. An older, narrower tile is the beginning of the newer
 * one, so a store keeps the widest and serves every other by this cut.
 *
 * @throws {TileLengthError} `bytes` is not a whole number of hashes, or holds fewer than `width` or more than 256.
 */
export function cutTile(bytes: Uint8Array, width: number): Uint8Array {
  const sizeBytes = bytes.length
  const isWhole = sizeBytes % HASH_SIZE_BYTES === 0 && sizeBytes <= TILE_WIDTH * HASH_SIZE_BYTES
  if (!isWhole || width < 1 || sizeBytes < width * HASH_SIZE_BYTES) throw new TileLengthError({ width, sizeBytes })
  return bytes.subarray(0, width * HASH_SIZE_BYTES)
}
