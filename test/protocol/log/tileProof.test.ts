import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { planConsistency, planInclusion, planRange } from '../../../protocol/log/proofPlan.ts'
import { TileLengthError } from '../../../protocol/log/tile.ts'
import { completeFromTiles, tilesOf } from '../../../protocol/log/tileProof.ts'
import { rootOfRange } from '../../../protocol/log/treeRoot.ts'
import { verifyConsistency } from '../../../protocol/log/verifyConsistency.ts'
import { InclusionNotProvenError, verifyInclusion } from '../../../protocol/log/verifyInclusion.ts'
import generated from '../../vectors/tlog/generated-600.json' with { type: 'json' }
import { flipBit, fromBase64, hexesOf, hexOf, leafHashesOf } from './naiveTree.ts'
import { createTileStore } from './tileStore.ts'

const COUNT = 66_000
const LEAVES = leafHashesOf(COUNT)
const store = createTileStore()
store.append(LEAVES)

/** Any size up to what the store holds: old sizes are read from the same rows, through narrower tiles. */
const someSize = fc.oneof(
  fc.integer({ min: 1, max: COUNT }),
  fc.integer({ min: 1, max: 600 }),
  fc.constantFrom(1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537),
)

const rootAt = (size: bigint): Uint8Array => {
  const plan = planRange({ size })
  return rootOfRange({ size, hashes: completeFromTiles(plan, tilesOf(plan).map(store.read)) })
}

test('completeFromTiles: gives the generated inclusion proofs', () => {
  for (const { index, size, root, proof } of generated.inclusion) {
    const plan = planInclusion({ index: BigInt(index), size: BigInt(size) })
    assert.deepEqual(hexesOf(completeFromTiles(plan, tilesOf(plan).map(store.read))), hexesOf(proof.map(fromBase64)))
    assert.equal(hexOf(rootAt(BigInt(size))), hexOf(fromBase64(root)))
  }
})

test('completeFromTiles: gives the generated consistency proofs', () => {
  for (const { size1, size2, proof } of generated.consistency) {
    const plan = planConsistency({ size1: BigInt(size1), size2: BigInt(size2) })
    assert.deepEqual(hexesOf(completeFromTiles(plan, tilesOf(plan).map(store.read))), hexesOf(proof.map(fromBase64)))
  }
})

test('completeFromTiles: proves any leaf under any size that the log has had', () => {
  fc.assert(
    fc.property(someSize, fc.nat(), (count, at) => {
      const [size, index] = [BigInt(count), BigInt(at % count)]
      const plan = planInclusion({ index, size })
      const proof = completeFromTiles(plan, tilesOf(plan).map(store.read))
      verifyInclusion({ index, size, root: rootAt(size), leafHash: LEAVES[at % count]!, proof })
    }),
    { numRuns: 60 },
  )
})

test('completeFromTiles: proves consistency between any two sizes that the log has had', () => {
  fc.assert(
    fc.property(someSize, someSize, (a, b) => {
      const [size1, size2] = [BigInt(Math.min(a, b)), BigInt(Math.max(a, b))]
      const plan = planConsistency({ size1, size2 })
      const proof = completeFromTiles(plan, tilesOf(plan).map(store.read))
      verifyConsistency({ size1, root1: rootAt(size1), size2, root2: rootAt(size2), proof })
    }),
    { numRuns: 60 },
  )
})

test('tilesOf: asks for a tile once, and for at most two of each tile level', () => {
  fc.assert(
    fc.property(someSize, fc.nat(), (count, at) => {
      const tiles = tilesOf(planInclusion({ index: BigInt(at % count), size: BigInt(count) }))
      const keys = tiles.map(({ level, index }) => `${level}/${index}`)
      assert.equal(new Set(keys).size, keys.length)
      for (const level of [0, 1, 2]) assert.ok(tiles.filter((tile) => tile.level === level).length <= 2)
    }),
  )
})

test('completeFromTiles: takes a full tile in place of a partial one that a log has dropped', () => {
  const plan = planInclusion({ index: 3n, size: 300n })
  const wider = tilesOf(plan).map(({ level, index }) => store.read({ level, index, width: 256 }))
  assert.deepEqual(
    hexesOf(completeFromTiles(plan, wider)),
    hexesOf(completeFromTiles(plan, tilesOf(plan).map(store.read))),
  )
})

test('completeFromTiles: makes of a tile with any one changed hash a proof that is refused, or the same proof', () => {
  fc.assert(
    fc.property(someSize, fc.nat(), fc.nat(), (count, at, bit) => {
      const [size, index] = [BigInt(count), BigInt(at % count)]
      const plan = planInclusion({ index, size })
      const contents = tilesOf(plan).map(store.read)
      fc.pre(contents.length > 0)
      const honest = hexesOf(completeFromTiles(plan, contents))
      const lied = contents.with(bit % contents.length, flipBit(contents[bit % contents.length]!, bit))
      const proof = completeFromTiles(plan, lied)
      const verify = () => verifyInclusion({ index, size, root: rootAt(size), leafHash: LEAVES[at % count]!, proof })
      // A tile also holds hashes that this proof does not use: the leaf's own, and those of other tiles' paths.
      if (hexesOf(proof).join() === honest.join()) verify()
      else assert.throws(verify, InclusionNotProvenError)
    }),
    { numRuns: 60 },
  )
})

test('completeFromTiles: refuses a tile that is missing, cut, ragged or too long', () => {
  const plan = planInclusion({ index: 3n, size: 300n })
  const contents = tilesOf(plan).map(store.read)
  const complete = (bytes: Uint8Array) => completeFromTiles(plan, contents.with(0, bytes))
  assert.throws(() => completeFromTiles(plan, contents.slice(0, -1)), TileLengthError)
  assert.throws(() => complete(contents[0]!.slice(32)), TileLengthError)
  assert.throws(() => complete(contents[0]!.slice(1)), TileLengthError)
  assert.throws(() => complete(new Uint8Array(257 * 32)), TileLengthError)
})
