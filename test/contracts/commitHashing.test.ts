import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { type Abi, hashStruct, hashTypedData } from 'viem'
import type { Hex } from '../../protocol/bytes.ts'
import { type Commit, deriveCommitDigest, derivePrecommitDigest } from '../../protocol/wire/commit.ts'
import { hashRetirementMarker, hashRotation } from '../../protocol/wire/next.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { createRandom } from '../chain/random.ts'
import { digestOf } from '../chain/testLog.ts'

const types = {
  Commit: [
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
  ],
  Precommit: [
    { name: 'commit', type: 'Commit' },
    { name: 'round', type: 'uint32' },
  ],
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
} as const

let world: TestChain
let harness: { address: Hex; abi: Abi }
before(async () => {
  world = await createTestChain()
  harness = await world.deploy('test/contracts/CertificatesHarness.sol')
})
const read = (functionName: string, args: readonly unknown[]): Promise<unknown> =>
  world.chain.client.readContract({ ...harness, functionName, args })

const MAX_UINT64 = 2n ** 64n - 1n

test('hashCommit and precommitDigest: as viem and protocol/wire have them, for random commits', async () => {
  const random = createRandom()
  const number = (): bigint => random.pick([0n, 1n, BigInt(random.below(2 ** 31)), MAX_UINT64])
  for (let run = 0; run < 25; run++) {
    const hash = (field: string): Hex => digestOf(`${random.seed} ${run} ${field}`)
    const commit: Commit = {
      component: hash('component'),
      epoch: number(),
      height: number(),
      body: hash('body'),
      logSize: number(),
      logRoot: hash('logRoot'),
      state: hash('state'),
      timestampMs: number(),
      anchor: random.below(2) === 1,
      next: hash('next'),
    }
    const round = random.pick([0, 1, 2 ** 32 - 1])
    const context = `replay with SEED=${random.seed}`
    const commitDigest = hashStruct({ data: commit, types, primaryType: 'Commit' })
    assert.equal(await read('hashCommit', [commit]), commitDigest, context)
    assert.equal(deriveCommitDigest(commit), commitDigest, context)
    const digest = hashTypedData({
      domain: { name: 'coalition', version: '1' },
      types,
      primaryType: 'Precommit',
      message: { commit, round },
    })
    assert.equal(await read('precommitDigest', [commitDigest, round]), digest, context)
    assert.equal(derivePrecommitDigest({ commitDigest, round }), digest, context)
  }
})

test('hashRotation: as viem and protocol/wire have it', async () => {
  const rotation = { component: digestOf('component'), newEpoch: MAX_UINT64, newCommitteeHash: digestOf('committee') }
  const expected = hashStruct({ data: rotation, types, primaryType: 'Rotation' })
  assert.equal(await read('hashRotation', [rotation]), expected)
  assert.equal(hashRotation(rotation), expected)
})

test('hashRetirementMarker: as viem and protocol/wire have it, whatever the length of its reason', async () => {
  for (const reason of ['', 'merged', 'ü'.repeat(128)]) {
    const marker = { component: digestOf('component'), successor: digestOf('next'), effectiveHeight: 9n, reason }
    const expected = hashStruct({ data: marker, types, primaryType: 'RetirementMarker' })
    assert.equal(await read('hashRetirementMarker', [marker]), expected)
    assert.equal(hashRetirementMarker(marker), expected)
  }
})

test('ComponentKey: two keys compare by every bit', async () => {
  const key = digestOf('key')
  assert.deepEqual(await read('compareKeys', [key, key]), [true, false])
  for (const bit of [0n, 128n, 255n]) {
    const other: Hex = `0x${(BigInt(key) ^ (1n << bit)).toString(16).padStart(64, '0')}`
    assert.deepEqual(await read('compareKeys', [key, other]), [false, true])
  }
})
