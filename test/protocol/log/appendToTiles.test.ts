import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { appendToTiles } from '../../../protocol/log/appendToTiles.ts'
import { appendLeafHashes, EMPTY_RANGE } from '../../../protocol/log/compactRange.ts'
import { type Tile, tileWidth } from '../../../protocol/log/tile.ts'
import { decodeTilePath } from '../../../protocol/log/tilePath.ts'
import { rootOf } from '../../../protocol/log/treeRoot.ts'
import generated from '../../vectors/tlog/generated-600.json' with { type: 'json' }
import paths from '../../vectors/tlog/tile-paths.json' with { type: 'json' }
import { hexesOf, hexOf, leafHashesOf } from './naiveTree.ts'
import { createTileStore } from './tileStore.ts'

const LEAVES = leafHashesOf(70_000)

test('appendToTiles: stores the generated tiles at 600 leaves, byte for byte', () => {
  const store = createTileStore()
  store.append(LEAVES.slice(0, generated.tilesAtSize))
  for (const { path, bytes, sha256 } of generated.tiles) {
    const tile = store.read(decodeTilePath(path) as Tile)
    assert.equal(tile.length, bytes, path)
    assert.equal(createHash('sha256').update(tile).digest('hex'), sha256, path)
  }
})

for (const { size, tiles } of paths.treeShape) {
  test(`appendToTiles and tileWidth: a log of ${size} leaves has the shape of C2SP tlog-tiles`, () => {
    const store = createTileStore()
    store.append(LEAVES.slice(0, Number(size)))
    const shape: Record<string, { full: number; partial: number }> = {}
    for (const [key, bytes] of store.rows()) {
      const [level, index] = key.split('/')
      const width = tileWidth({ level: Number(level), index: BigInt(index!), size: BigInt(size) })
      assert.equal(bytes.length, width * 32, key)
      shape[level!] ??= { full: 0, partial: 0 }
      if (width === 256) shape[level!]!.full++
      else shape[level!]!.partial = width
    }
    assert.deepEqual(shape, tiles)
  })
}

test('appendToTiles: one hash of a level is the root of a full tile below', () => {
  const store = createTileStore()
  store.append(LEAVES.slice(0, 256 * 3 + 5))
  const above = store.read({ level: 1, index: 0n, width: 3 })
  for (let index = 0; index < 3; index++) {
    const root = rootOf(LEAVES.slice(256 * index, 256 * (index + 1)))
    assert.equal(hexOf(above.slice(32 * index, 32 * (index + 1))), hexOf(root))
  }
})

test('appendToTiles: any parts give the same rows as all at once, and the range of appendLeafHashes', () => {
  const parts = fc.array(fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 700 })), { maxLength: 6 })
  fc.assert(
    fc.property(parts, (counts) => {
      const [inParts, atOnce] = [createTileStore(), createTileStore()]
      let taken = 0
      for (const count of counts) {
        inParts.append(LEAVES.slice(taken, taken + count))
        taken += count
      }
      const leaves = LEAVES.slice(0, taken)
      atOnce.append(leaves)
      assert.deepEqual(inParts.rows(), atOnce.rows())
      assert.deepEqual(hexesOf(inParts.range().hashes), hexesOf(appendLeafHashes(EMPTY_RANGE, leaves).hashes))
    }),
    { numRuns: 30 },
  )
})

test('appendToTiles: leaves the range that it was given as it was, so that a proposal can be thrown away', () => {
  const { range } = appendToTiles(EMPTY_RANGE, LEAVES.slice(0, 255))
  const before = hexesOf(range.hashes)
  appendToTiles(range, LEAVES.slice(255, 400))
  assert.deepEqual([range.size, hexesOf(range.hashes)], [255n, before])
})

test('appendToTiles: no leaf writes nothing', () => {
  assert.deepEqual(appendToTiles(EMPTY_RANGE, []), { range: EMPTY_RANGE, appends: [] })
})
