import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildLevels, proveInclusionInLevels, proveInclusionInList } from '../../../protocol/log/listProof.ts'
import { LeafOutOfRangeError } from '../../../protocol/log/logSize.ts'
import { HashLengthError } from '../../../protocol/log/treeHash.ts'
import { hexesOf, leafHashesOf, naivePath, naiveRoot } from './naiveTree.ts'

const LEAVES = leafHashesOf(70)

test('proveInclusionInList: is the RFC’s recursive path, for every leaf of every list up to 70', () => {
  for (let size = 1; size <= LEAVES.length; size++) {
    const leaves = LEAVES.slice(0, size)
    const levels = buildLevels(leaves)
    assert.deepEqual(hexesOf(levels.at(-1)!), hexesOf([naiveRoot(leaves)]))
    for (let index = 0; index < size; index++) {
      const expected = hexesOf(naivePath(index, leaves))
      assert.deepEqual(hexesOf(proveInclusionInLevels(levels, index)), expected, `leaf ${index} of ${size}`)
    }
  }
})

test('proveInclusionInList: gives what the levels give', () => {
  const leaves = LEAVES.slice(0, 11)
  assert.deepEqual(hexesOf(proveInclusionInList(leaves, 10)), hexesOf(naivePath(10, leaves)))
})

test('proveInclusionInList: refuses an index that the list does not have', () => {
  assert.throws(() => proveInclusionInList(LEAVES, 70), LeafOutOfRangeError)
  assert.throws(() => proveInclusionInList(LEAVES, -1), LeafOutOfRangeError)
  assert.throws(() => proveInclusionInList([], 0), LeafOutOfRangeError)
})

test('buildLevels: refuses a leaf hash that is not 32 bytes', () => {
  assert.throws(() => buildLevels([new Uint8Array(31)]), HashLengthError)
})
