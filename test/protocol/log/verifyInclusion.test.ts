import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CoalitionError } from '../../../protocol/errors.ts'
import { proveInclusionInList } from '../../../protocol/log/listProof.ts'
import { InvalidLogSizeError, LeafOutOfRangeError } from '../../../protocol/log/logSize.ts'
import { ProofLengthError } from '../../../protocol/log/proofLength.ts'
import { HashLengthError } from '../../../protocol/log/treeHash.ts'
import { rootOf } from '../../../protocol/log/treeRoot.ts'
import {
  InclusionNotProvenError,
  type VerifyInclusionParameters,
  verifyInclusion,
} from '../../../protocol/log/verifyInclusion.ts'
import generated from '../../vectors/tlog/generated-600.json' with { type: 'json' }
import vectors from '../../vectors/tlog/merkle-inclusion.json' with { type: 'json' }
import { flipBit, fromBase64, leafHashesOf, spoilProof } from './naiveTree.ts'

const LEAVES = leafHashesOf(300)

for (const { source, leafIdx, treeSize, root, leafHash, proof, wantErr } of vectors) {
  test(`verifyInclusion: ${wantErr ? 'refuses' : 'accepts'} ${source.replace('testdata/inclusion/', '')}`, () => {
    const verify = () =>
      verifyInclusion({
        index: BigInt(leafIdx),
        size: BigInt(treeSize),
        root: fromBase64(root),
        leafHash: fromBase64(leafHash),
        proof: proof.map(fromBase64),
      })
    if (wantErr) assert.throws(verify, CoalitionError)
    else verify()
  })
}

test('verifyInclusion: accepts the generated proofs up to 600 leaves', () => {
  for (const { index, size, root, leafHash, proof } of generated.inclusion) {
    verifyInclusion({
      index: BigInt(index),
      size: BigInt(size),
      root: fromBase64(root),
      leafHash: fromBase64(leafHash),
      proof: proof.map(fromBase64),
    })
  }
})

/** A true proof in a random tree. */
const proven = fc.integer({ min: 1, max: LEAVES.length }).chain((size) =>
  fc.nat({ max: size - 1 }).map((index): VerifyInclusionParameters => {
    const leaves = LEAVES.slice(0, size)
    const proof = proveInclusionInList(leaves, index)
    return { index: BigInt(index), size: BigInt(size), root: rootOf(leaves), leafHash: leaves[index]!, proof }
  }),
)

test('verifyInclusion: accepts a true proof of any leaf of any tree', () => {
  fc.assert(fc.property(proven, verifyInclusion))
})

test('verifyInclusion: refuses a flipped bit anywhere in proof, root or leaf hash', () => {
  fc.assert(
    fc.property(proven, fc.nat(), (truth, bit) => {
      assert.throws(() => verifyInclusion({ ...truth, root: flipBit(truth.root, bit) }), InclusionNotProvenError)
      assert.throws(
        () => verifyInclusion({ ...truth, leafHash: flipBit(truth.leafHash, bit) }),
        InclusionNotProvenError,
      )
      truth.proof.forEach((hash, position) => {
        const proof = truth.proof.with(position, flipBit(hash, bit))
        assert.throws(() => verifyInclusion({ ...truth, proof }), InclusionNotProvenError)
      })
    }),
  )
})

test('verifyInclusion: refuses a truncated, extended, swapped or wrongly long proof', () => {
  fc.assert(
    fc.property(proven, (truth) => {
      for (const proof of spoilProof(truth.proof, truth.root)) {
        assert.throws(() => verifyInclusion({ ...truth, proof }), CoalitionError)
      }
    }),
  )
})

test('verifyInclusion: refuses a true proof under any other index', () => {
  fc.assert(
    fc.property(proven, fc.bigInt({ min: 1n, max: 299n }), (truth, step) => {
      const index = (truth.index + step) % truth.size
      fc.pre(index !== truth.index)
      assert.throws(() => verifyInclusion({ ...truth, index }), CoalitionError)
    }),
  )
})

const [leaf, root] = [LEAVES[0]!, LEAVES[0]!]

test('verifyInclusion: names each refusal', () => {
  const truth = { index: 0n, size: 1n, root, leafHash: leaf, proof: [] }
  verifyInclusion(truth)
  assert.throws(() => verifyInclusion({ ...truth, index: 1n }), LeafOutOfRangeError)
  assert.throws(() => verifyInclusion({ ...truth, index: -1n }), LeafOutOfRangeError)
  assert.throws(() => verifyInclusion({ ...truth, size: 0n }), LeafOutOfRangeError)
  assert.throws(() => verifyInclusion({ ...truth, size: 2n ** 64n }), InvalidLogSizeError)
  assert.throws(() => verifyInclusion({ ...truth, root: root.slice(1) }), HashLengthError)
  assert.throws(() => verifyInclusion({ ...truth, leafHash: new Uint8Array(33) }), HashLengthError)
  assert.throws(() => verifyInclusion({ ...truth, proof: [leaf] }), ProofLengthError)
  assert.throws(() => verifyInclusion({ ...truth, size: 2n }), ProofLengthError)
  assert.throws(() => verifyInclusion({ ...truth, size: 2n, proof: [new Uint8Array(31)] }), HashLengthError)
  assert.throws(() => verifyInclusion({ ...truth, size: 2n, proof: [leaf] }), InclusionNotProvenError)
})

test('verifyInclusion: reads no more of an endless proof than the size allows', () => {
  const endless = new Array<Uint8Array>(10_000).fill(leaf)
  assert.throws(() => verifyInclusion({ index: 0n, size: 2n ** 64n - 1n, root, leafHash: leaf, proof: endless }), {
    code: 'PROOF_LENGTH',
    message: 'A proof of 10000 hash(es) is not what these sizes and this index ask for.',
  })
})
