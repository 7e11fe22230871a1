import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CoalitionError } from '../../../protocol/errors.ts'
import { InvalidLogSizeError } from '../../../protocol/log/logSize.ts'
import { ProofLengthError } from '../../../protocol/log/proofLength.ts'
import { HashLengthError, hashEmptyTree } from '../../../protocol/log/treeHash.ts'
import { rootOf } from '../../../protocol/log/treeRoot.ts'
import {
  ConsistencyNotProvenError,
  EmptyLogConsistencyError,
  LogShrinksError,
  type VerifyConsistencyParameters,
  verifyConsistency,
} from '../../../protocol/log/verifyConsistency.ts'
import generated from '../../vectors/tlog/generated-600.json' with { type: 'json' }
import vectors from '../../vectors/tlog/merkle-consistency.json' with { type: 'json' }
import { flipBit, fromBase64, leafHashesOf, naiveProof, spoilProof } from './naiveTree.ts'

const LEAVES = leafHashesOf(130)

for (const { source, size1, size2, root1, root2, proof, wantErr } of vectors) {
  test(`verifyConsistency: ${wantErr ? 'refuses' : 'accepts'} ${source.replace('testdata/consistency/', '')}`, () => {
    const verify = () =>
      verifyConsistency({
        size1: BigInt(size1),
        size2: BigInt(size2),
        root1: fromBase64(root1),
        root2: fromBase64(root2),
        proof: proof.map(fromBase64),
      })
    if (wantErr) assert.throws(verify, CoalitionError)
    else verify()
  })
}

test('verifyConsistency: accepts the generated proofs up to 600 leaves', () => {
  for (const { size1, size2, root1, root2, proof } of generated.consistency) {
    verifyConsistency({
      size1: BigInt(size1),
      size2: BigInt(size2),
      root1: fromBase64(root1),
      root2: fromBase64(root2),
      proof: proof.map(fromBase64),
    })
  }
})

/** A true proof between random sizes of one log. */
const proven = fc.integer({ min: 1, max: LEAVES.length }).chain((size2) =>
  fc.integer({ min: 1, max: size2 }).map((size1): VerifyConsistencyParameters => {
    const [older, newer] = [LEAVES.slice(0, size1), LEAVES.slice(0, size2)]
    const proof = naiveProof(size1, newer)
    return { size1: BigInt(size1), root1: rootOf(older), size2: BigInt(size2), root2: rootOf(newer), proof }
  }),
)

test('verifyConsistency: accepts a true proof between any two sizes', () => {
  fc.assert(fc.property(proven, verifyConsistency))
})

test('verifyConsistency: refuses a flipped bit anywhere in proof or roots', () => {
  fc.assert(
    fc.property(proven, fc.nat(), (truth, bit) => {
      const refused = (lie: Partial<VerifyConsistencyParameters>) =>
        assert.throws(() => verifyConsistency({ ...truth, ...lie }), ConsistencyNotProvenError)
      refused({ root1: flipBit(truth.root1, bit) })
      refused({ root2: flipBit(truth.root2, bit) })
      truth.proof.forEach((hash, position) => {
        refused({ proof: truth.proof.with(position, flipBit(hash, bit)) })
      })
    }),
  )
})

test('verifyConsistency: refuses a truncated, extended, swapped or wrongly long proof', () => {
  fc.assert(
    fc.property(proven, (truth) => {
      for (const proof of spoilProof(truth.proof, truth.root1)) {
        assert.throws(() => verifyConsistency({ ...truth, proof }), CoalitionError)
      }
    }),
  )
})

test('verifyConsistency: refuses a log that was rewritten at any one leaf of the older', () => {
  fc.assert(
    fc.property(proven, fc.nat(), (truth, at) => {
      fc.pre(truth.size1 < truth.size2)
      const rewritten = LEAVES.slice(0, Number(truth.size2))
      const changed = at % Number(truth.size1)
      rewritten[changed] = flipBit(rewritten[changed]!, at)
      const proof = naiveProof(Number(truth.size1), rewritten)
      const root2 = rootOf(rewritten)
      assert.throws(() => verifyConsistency({ ...truth, root2, proof }), ConsistencyNotProvenError)
    }),
  )
})

test('verifyConsistency: names each refusal', () => {
  const [root1, root2] = [rootOf(LEAVES.slice(0, 3)), rootOf(LEAVES.slice(0, 7))]
  const truth = { size1: 3n, root1, size2: 7n, root2, proof: naiveProof(3, LEAVES.slice(0, 7)) }
  verifyConsistency(truth)
  assert.throws(() => verifyConsistency({ ...truth, size2: 2n }), LogShrinksError)
  assert.throws(() => verifyConsistency({ ...truth, size1: 0n, root1: hashEmptyTree() }), EmptyLogConsistencyError)
  assert.throws(() => verifyConsistency({ ...truth, size1: -1n }), InvalidLogSizeError)
  assert.throws(() => verifyConsistency({ ...truth, size2: 2n ** 64n }), InvalidLogSizeError)
  assert.throws(() => verifyConsistency({ ...truth, root1: root1.slice(1) }), HashLengthError)
  assert.throws(() => verifyConsistency({ ...truth, root2: new Uint8Array(33) }), HashLengthError)
  assert.throws(() => verifyConsistency({ ...truth, proof: truth.proof.with(0, new Uint8Array(1)) }), HashLengthError)
  assert.throws(() => verifyConsistency({ ...truth, proof: truth.proof.with(2, new Uint8Array(1)) }), HashLengthError)
  assert.throws(() => verifyConsistency({ ...truth, proof: [] }), ProofLengthError)
  assert.throws(() => verifyConsistency({ ...truth, proof: truth.proof.slice(0, -1) }), ProofLengthError)
  assert.throws(() => verifyConsistency({ ...truth, proof: [...truth.proof, root1] }), ProofLengthError)
  assert.throws(() => verifyConsistency({ ...truth, size2: 3n, root2: root1 }), ProofLengthError)
  assert.throws(() => verifyConsistency({ ...truth, size2: 3n, proof: [] }), ConsistencyNotProvenError)
})

test('verifyConsistency: accepts the empty log against itself', () => {
  const root = hashEmptyTree()
  verifyConsistency({ size1: 0n, root1: root, size2: 0n, root2: root, proof: [] })
})
