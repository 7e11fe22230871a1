import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LOG_SIZE_MAX } from '../../../protocol/log/logSize.ts'
import { cutTile, TileLengthError, tileOf, tileWidth } from '../../../protocol/log/tile.ts'
import { hexOf } from './naiveTree.ts'

const TILE = Uint8Array.from({ length: 256 * 32 }, (_, i) => i >> 5)

test('cutTile: gives the first hashes of a tile, and all of it', () => {
  assert.equal(hexOf(cutTile(TILE, 3)), '00'.repeat(32) + '01'.repeat(32) + '02'.repeat(32))
  assert.equal(hexOf(cutTile(TILE, 256)), hexOf(TILE))
})

test('cutTile: refuses no hash, more than there are, a ragged tile and one of 257', () => {
  assert.throws(() => cutTile(TILE, 0), TileLengthError)
  assert.throws(() => cutTile(TILE.subarray(0, 64), 3), TileLengthError)
  assert.throws(() => cutTile(TILE.subarray(1), 1), TileLengthError)
  assert.throws(() => cutTile(new Uint8Array(257 * 32), 1), TileLengthError)
  assert.throws(() => cutTile(new Uint8Array(31), 1), {
    code: 'TILE_LENGTH',
    message: 'A tile of 31 bytes does not hold 1 hash(es).',
  })
})

test('tileWidth: is what C2SP tlog-tiles says, floor(size / 256^level) cut at the tile', () => {
  const level = fc.integer({ min: 0, max: 8 })
  fc.assert(
    fc.property(
      level,
      fc.bigInt({ min: 0n, max: LOG_SIZE_MAX }),
      fc.integer({ min: -2, max: 2 }),
      (level, size, off) => {
        const hashes = size / 256n ** BigInt(level)
        const last = hashes / 256n
        const index = last + BigInt(off)
        fc.pre(index >= 0n)
        const expected = index < last ? 256 : index > last ? 0 : Number(hashes % 256n)
        assert.equal(tileWidth({ level, index, size }), expected)
      },
    ),
  )
})

test('tileOf: finds a node in the tile that has its first hash, eight levels to a tile', () => {
  const size = 2n ** 20n
  assert.deepEqual(tileOf({ node: { level: 0, index: 700n }, size }), { level: 0, index: 2n, width: 256 })
  assert.deepEqual(tileOf({ node: { level: 7, index: 5n }, size }), { level: 0, index: 2n, width: 256 })
  assert.deepEqual(tileOf({ node: { level: 8, index: 5n }, size }), { level: 1, index: 0n, width: 256 })
  assert.deepEqual(tileOf({ node: { level: 19, index: 1n }, size }), { level: 2, index: 0n, width: 16 })
})
