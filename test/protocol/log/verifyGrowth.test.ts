import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvalidLogSizeError } from '../../../protocol/log/logSize.ts'
import { ProofLengthError } from '../../../protocol/log/proofLength.ts'
import { HashLengthError, hashEmptyTree } from '../../../protocol/log/treeHash.ts'
import { rootOf } from '../../../protocol/log/treeRoot.ts'
import { ConsistencyNotProvenError, LogShrinksError } from '../../../protocol/log/verifyConsistency.ts'
import { verifyGrowth } from '../../../protocol/log/verifyGrowth.ts'
import { leafHashesOf, naiveProof } from './naiveTree.ts'

const LEAVES = leafHashesOf(9)
const first = { size1: 0n, root1: hashEmptyTree(), size2: 9n, root2: rootOf(LEAVES), proof: [] }
const later = { ...first, size1: 4n, root1: rootOf(LEAVES.slice(0, 4)), proof: naiveProof(4, LEAVES) }

test('verifyGrowth: accepts the first anchor with an empty proof, whatever stood for the root of nothing', () => {
  verifyGrowth(first)
  verifyGrowth({ ...first, root1: new Uint8Array(32) })
})

test('verifyGrowth: refuses a first anchor with a proof', () => {
  assert.throws(() => verifyGrowth({ ...first, proof: [first.root2] }), ProofLengthError)
})

test('verifyGrowth: refuses a first anchor whose root is not 32 bytes', () => {
  assert.throws(() => verifyGrowth({ ...first, root2: new Uint8Array(31) }), HashLengthError)
})

test('verifyGrowth: accepts a later anchor with its consistency proof, and refuses it without', () => {
  verifyGrowth(later)
  assert.throws(() => verifyGrowth({ ...later, root1: first.root2 }), ConsistencyNotProvenError)
  assert.throws(() => verifyGrowth({ ...later, proof: [] }), ProofLengthError)
})

test('verifyGrowth: refuses a size that does not grow, from an empty log too', () => {
  assert.throws(() => verifyGrowth({ ...later, size2: 4n, root2: later.root1, proof: [] }), LogShrinksError)
  assert.throws(() => verifyGrowth({ ...later, size2: 3n }), LogShrinksError)
  assert.throws(() => verifyGrowth({ ...first, size2: 0n, root2: first.root1 }), LogShrinksError)
})

test('verifyGrowth: refuses sizes that are not uint64', () => {
  assert.throws(() => verifyGrowth({ ...first, size1: -1n }), InvalidLogSizeError)
  assert.throws(() => verifyGrowth({ ...first, size2: 2n ** 64n }), InvalidLogSizeError)
})
