import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { appendLeafHashes, EMPTY_RANGE } from '../../../protocol/log/compactRange.ts'
import { InvalidLogSizeError, LeafOutOfRangeError, LOG_SIZE_MAX } from '../../../protocol/log/logSize.ts'
import {
  completePlan,
  type HashReader,
  planConsistency,
  planInclusion,
  planRange,
} from '../../../protocol/log/proofPlan.ts'
import { HashLengthError, hashNode } from '../../../protocol/log/treeHash.ts'
import { foldRight, rootOf, rootOfRange } from '../../../protocol/log/treeRoot.ts'
import {
  EmptyLogConsistencyError,
  LogShrinksError,
  verifyConsistency,
} from '../../../protocol/log/verifyConsistency.ts'
import { verifyInclusion } from '../../../protocol/log/verifyInclusion.ts'
import { hexesOf, hexOf, leafHashesOf, naivePath, naiveProof, naiveRoot } from './naiveTree.ts'

const LEAVES = leafHashesOf(70)

/** Reads from a list of leaves; a node over a leaf that is not there would hash `undefined` and throw. */
const readFrom =
  (leaves: readonly Uint8Array[]): HashReader =>
  ({ level, index }) =>
    rootOf(Array.from({ length: 2 ** level }, (_, i) => leaves[Number(index) * 2 ** level + i]!))

test('planInclusion: completes to the RFC’s recursive path, for every leaf of every size up to 70', () => {
  for (let size = 1; size <= LEAVES.length; size++) {
    const leaves = LEAVES.slice(0, size)
    for (let index = 0; index < size; index++) {
      const plan = planInclusion({ index: BigInt(index), size: BigInt(size) })
      const expected = hexesOf(naivePath(index, leaves))
      assert.deepEqual(hexesOf(completePlan(plan, readFrom(leaves))), expected, `leaf ${index} of ${size}`)
    }
  }
})

test('planConsistency: completes to the RFC’s recursive proof, between all sizes up to 70', () => {
  for (let size2 = 1; size2 <= LEAVES.length; size2++) {
    const leaves = LEAVES.slice(0, size2)
    for (let size1 = 1; size1 <= size2; size1++) {
      const plan = planConsistency({ size1: BigInt(size1), size2: BigInt(size2) })
      const expected = hexesOf(naiveProof(size1, leaves))
      assert.deepEqual(hexesOf(completePlan(plan, readFrom(leaves))), expected, `${size1} to ${size2}`)
    }
  }
})

test('planRange: completes to the range that appending gives', () => {
  for (let size = 0; size <= LEAVES.length; size++) {
    const leaves = LEAVES.slice(0, size)
    const hashes = completePlan(planRange({ size: BigInt(size) }), readFrom(leaves))
    assert.deepEqual(hexesOf(hashes), hexesOf(appendLeafHashes(EMPTY_RANGE, leaves).hashes))
    assert.equal(hexOf(rootOfRange({ size: BigInt(size), hashes })), hexOf(naiveRoot(leaves)))
  }
})

/** A log of any size whose leaves are all alike: then so are all subtrees of one level, and 64 hashes hold it. */
const ALIKE = [LEAVES[0]!]
for (let level = 1; level < 64; level++) ALIKE.push(hashNode(ALIKE[level - 1]!, ALIKE[level - 1]!))
const readAlike: HashReader = ({ level }) => ALIKE[level]!
const rootOfAlike = (size: bigint): Uint8Array => foldRight(completePlan(planRange({ size }), readAlike))

const sizeUpToMax = fc.oneof(
  fc.bigInt({ min: 1n, max: LOG_SIZE_MAX }),
  fc.tuple(fc.integer({ min: 0, max: 63 }), fc.bigInt({ min: -2n, max: 2n })).map(([bits, off]) => {
    const size = (1n << BigInt(bits)) + off
    return size < 1n ? 1n : size
  }),
  fc.constant(LOG_SIZE_MAX),
)

test('planInclusion: gives proofs that verify in logs of up to 2^64 − 1 leaves', () => {
  fc.assert(
    fc.property(sizeUpToMax, fc.bigInt({ min: 0n, max: LOG_SIZE_MAX }), (size, at) => {
      const index = at % size
      const proof = completePlan(planInclusion({ index, size }), readAlike)
      verifyInclusion({ index, size, root: rootOfAlike(size), leafHash: ALIKE[0]!, proof })
    }),
  )
})

test('planConsistency: gives proofs that verify between logs of up to 2^64 − 1 leaves', () => {
  fc.assert(
    fc.property(sizeUpToMax, sizeUpToMax, (a, b) => {
      const [size1, size2] = a < b ? [a, b] : [b, a]
      const proof = completePlan(planConsistency({ size1, size2 }), readAlike)
      verifyConsistency({ size1, root1: rootOfAlike(size1), size2, root2: rootOfAlike(size2), proof })
    }),
  )
})

test('planInclusion: reads at most two hashes a level', () => {
  fc.assert(
    fc.property(sizeUpToMax, fc.bigInt({ min: 0n, max: LOG_SIZE_MAX }), (size, at) => {
      const reads = planInclusion({ index: at % size, size }).elements.flat().length
      assert.ok(reads <= 2 * size.toString(2).length, `${reads} reads at size ${size}`)
    }),
  )
})

test('planInclusion: refuses a leaf that the log does not have', () => {
  assert.throws(() => planInclusion({ index: 5n, size: 5n }), LeafOutOfRangeError)
  assert.throws(() => planInclusion({ index: 0n, size: 0n }), LeafOutOfRangeError)
  assert.throws(() => planInclusion({ index: 0n, size: 2n ** 64n }), InvalidLogSizeError)
})

test('planConsistency: refuses sizes between which nothing can be proven', () => {
  assert.throws(() => planConsistency({ size1: 5n, size2: 4n }), LogShrinksError)
  assert.throws(() => planConsistency({ size1: 0n, size2: 4n }), EmptyLogConsistencyError)
  assert.throws(() => planConsistency({ size1: 1n, size2: 2n ** 64n }), InvalidLogSizeError)
})

test('planRange: refuses a size that is not a uint64', () => {
  assert.throws(() => planRange({ size: -1n }), InvalidLogSizeError)
})

test('completePlan: refuses a stored hash that is not 32 bytes', () => {
  const plan = planInclusion({ index: 0n, size: 2n })
  assert.throws(() => completePlan(plan, () => new Uint8Array(31)), HashLengthError)
})
