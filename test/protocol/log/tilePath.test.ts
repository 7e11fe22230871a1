import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { InvalidLogSizeError, LeafOutOfRangeError, LOG_SIZE_MAX } from '../../../protocol/log/logSize.ts'
import { bundleOf, decodeTilePath, encodeTilePath, InvalidTilePathError } from '../../../protocol/log/tilePath.ts'
import vectors from '../../vectors/tlog/tile-paths.json' with { type: 'json' }

for (const { level, index, width, path } of vectors.tile) {
  test(`encodeTilePath: ${path}`, () => assert.equal(encodeTilePath({ level, index: BigInt(index), width }), path))
}

for (const { index, logSize, path } of vectors.entriesForIndex) {
  test(`bundleOf: entry ${index} of ${logSize} is in ${path}`, () => {
    assert.equal(encodeTilePath(bundleOf({ index: BigInt(index), size: BigInt(logSize) })), path)
  })
}

for (const { level, index, ok, wantIndex, wantWidth } of vectors.parse) {
  const path = `tile/${level}/${index}`
  test(`decodeTilePath: ${ok ? 'reads' : 'refuses'} ${path}`, () => {
    if (!ok) assert.throws(() => decodeTilePath(path), InvalidTilePathError)
    else assert.deepEqual(decodeTilePath(path), { level: Number(level), index: BigInt(wantIndex!), width: wantWidth })
  })
}

test('decodeTilePath: is the exact inverse of encodeTilePath', () => {
  const level = fc.oneof(fc.integer({ min: 0, max: 63 }), fc.constant('entries' as const))
  const index = fc.oneof(fc.bigInt({ min: 0n, max: LOG_SIZE_MAX }), fc.bigInt({ min: 0n, max: 10_000n }))
  fc.assert(
    fc.property(level, index, fc.integer({ min: 1, max: 256 }), (level, index, width) => {
      const tile = { level, index, width } as Parameters<typeof encodeTilePath>[0]
      assert.deepEqual(decodeTilePath(encodeTilePath(tile)), tile)
    }),
  )
})

for (const path of [
  '',
  'tile/0/',
  'tile/0/0',
  'tile/0/00',
  'tile/0/0000',
  'tile/00/000',
  'tile/01/000',
  'tile/64/000',
  'tile/0x1/000',
  'tile/0/x000/001',
  'tile/0/001/x002',
  'tile/0/X001/002',
  'tile/0/x001/x002',
  'tile/0/000.p/0',
  'tile/0/000.p/01',
  'tile/0/000.p/256',
  'tile/0/000.p/-1',
  'tile/0/000.p/1/',
  'tile/0/000.p/1\n',
  ' tile/0/000',
  '/tile/0/000',
  'tile/0/000/',
  'tile/entries/',
  'tile/Entries/000',
  'tile/entries/000.p/256',
  'tile/0/x018/x446/x744/x073/x709/x551/616',
  'tile/0/x001/x018/x446/x744/x073/x709/x551/615',
  'tile/０/000',
]) {
  test(`decodeTilePath: refuses ${JSON.stringify(path)}`, () => {
    assert.throws(() => decodeTilePath(path), InvalidTilePathError)
  })
}

test('encodeTilePath: refuses a level, index or width out of range', () => {
  const tile = { level: 0, index: 0n, width: 256 }
  for (const wrong of [{ level: 64 }, { level: -1 }, { level: 0.5 }, { width: 0 }, { width: 257 }, { width: 1.5 }]) {
    assert.throws(() => encodeTilePath({ ...tile, ...wrong }), InvalidTilePathError)
  }
  assert.throws(() => encodeTilePath({ ...tile, index: -1n }), InvalidTilePathError)
  assert.throws(() => encodeTilePath({ ...tile, index: 2n ** 64n }), InvalidTilePathError)
})

test('bundleOf: refuses an entry that the log does not have', () => {
  assert.throws(() => bundleOf({ index: 5n, size: 5n }), LeafOutOfRangeError)
  assert.throws(() => bundleOf({ index: 5n, size: 2n ** 64n }), InvalidLogSizeError)
})
