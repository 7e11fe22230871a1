import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeAbiParameters, hashStruct as hashStructByViem, hashTypedData, keccak256, parseAbiParameters } from 'viem'
import type { Hex } from '../../../protocol/bytes.ts'
import {
  type Commit,
  deriveBodyDigest,
  deriveCommitDigest,
  derivePrecommitDigest,
} from '../../../protocol/wire/commit.ts'
import { hashRetirementMarker, hashRotation } from '../../../protocol/wire/next.ts'
import { DOMAIN } from '../../../protocol/wire/typedData.ts'

const COMMIT_FIELDS = [
  { name: 'component', type: 'bytes32' },
  { name: 'epoch', type: 'uint64' },
  { name: 'height', type: 'uint64' },
  { name: 'body', type: 'bytes32' },
  { name: 'logSize', type: 'uint64' },
  { name: 'logRoot', type: 'bytes32' },
  { name: 'state', type: 'bytes32' },
  { name: 'timestampMs', type: 'uint64' },
  { name: 'anchor', type: 'bool' },
  { name: 'next', type: 'bytes32' },
]
const types = {
  Commit: COMMIT_FIELDS,
  Precommit: [
    { name: 'commit', type: 'Commit' },
    { name: 'round', type: 'uint32' },
  ],
}

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b): Hex => `0x${Buffer.from(b).toString('hex')}`)
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const anyCommit: fc.Arbitrary<Commit> = fc.record({
  component: bytes32,
  epoch: uint64,
  height: uint64,
  body: bytes32,
  logSize: uint64,
  logRoot: bytes32,
  state: bytes32,
  timestampMs: uint64,
  anchor: fc.boolean(),
  next: bytes32,
})

test('deriveCommitDigest: equals viem’s hashStruct for any commit', () => {
  fc.assert(
    fc.property(anyCommit, (commit) => {
      assert.equal(deriveCommitDigest(commit), hashStructByViem({ primaryType: 'Commit', types, data: commit }))
    }),
  )
})

test('derivePrecommitDigest: equals viem’s hashTypedData under the domain of spec §4', () => {
  fc.assert(
    fc.property(anyCommit, fc.integer({ min: 0, max: 2 ** 32 - 1 }), (commit, round) => {
      const expected = hashTypedData({ domain: DOMAIN, types, primaryType: 'Precommit', message: { commit, round } })
      assert.equal(derivePrecommitDigest({ commitDigest: deriveCommitDigest(commit), round }), expected)
    }),
  )
})

test('deriveBodyDigest: is keccak-256 of the ABI encoding', () => {
  fc.assert(
    fc.property(bytes32, bytes32, bytes32, fc.integer({ min: 0, max: 2 ** 32 - 1 }), (parent, batch, ext, version) => {
      const encoded = encodeAbiParameters(parseAbiParameters('bytes32, bytes32, bytes32, uint32'), [
        parent,
        batch,
        ext,
        version,
      ])
      const body = { parent, batchRoot: batch, extensionsRoot: ext, machineVersion: version }
      assert.equal(deriveBodyDigest(body), keccak256(encoded))
    }),
  )
})

test('hashRotation and hashRetirementMarker: equal viem’s hashStruct', () => {
  const rotationTypes = {
    Rotation: [
      { name: 'component', type: 'bytes32' },
      { name: 'newEpoch', type: 'uint64' },
      { name: 'newCommitteeHash', type: 'bytes32' },
    ],
    RetirementMarker: [
      { name: 'component', type: 'bytes32' },
      { name: 'successor', type: 'bytes32' },
      { name: 'effectiveHeight', type: 'uint64' },
      { name: 'reason', type: 'string' },
    ],
  }
  fc.assert(
    fc.property(bytes32, bytes32, uint64, fc.string(), (component, other, number, reason) => {
      const rotation = { component, newEpoch: number, newCommitteeHash: other }
      assert.equal(
        hashRotation(rotation),
        hashStructByViem({ primaryType: 'Rotation', types: rotationTypes, data: rotation }),
      )
      const marker = { component, successor: other, effectiveHeight: number, reason }
      assert.equal(
        hashRetirementMarker(marker),
        hashStructByViem({ primaryType: 'RetirementMarker', types: rotationTypes, data: marker }),
      )
    }),
  )
})
