import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommitNotAnchorableError, type EncodeAnchorParameters, encodeAnchor } from '../../chain/encodeAnchor.ts'
import { type Commit, ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { createTestCommittee } from './testCommittee.ts'
import { createTestLog, digestOf } from './testLog.ts'

const committee = createTestCommittee({ name: 'encode', memberCount: 4 })
const log = createTestLog({ name: 'encode' })

function prepare(changes: Partial<Commit> = {}): EncodeAnchorParameters {
  const commit: Commit = {
    component: digestOf('component'),
    epoch: 2n,
    height: 9n,
    body: digestOf('body'),
    logSize: 7n,
    logRoot: log.root(7),
    state: digestOf('state'),
    timestampMs: 1_700_000_000_000n,
    anchor: true,
    next: ZERO_BYTES32,
    ...changes,
  }
  return {
    previous: {
      committeeHash: committee.hash,
      epoch: 2n,
      height: 8n,
      logSize: 5n,
      logRoot: log.root(5),
      state: digestOf('state before'),
      timestampMs: 1_699_999_999_000n,
      anchorIndex: 3n,
      anchoredAt: 1_699_999_999n,
      retired: false,
    },
    certified: { commit, certificate: committee.certify(commit) },
    members: committee.members,
    consistencyProof: log.proveConsistency(5, 7),
  }
}

const assertNotAnchorable = (parameters: EncodeAnchorParameters, reason: RegExp): void =>
  assert.throws(
    () => encodeAnchor(parameters),
    (error) => error instanceof CommitNotAnchorableError && reason.test(error.message),
  )

test('encodeAnchor: the size that the contract’s layout gives', () => {
  const { consistencyProof } = prepare()
  const sizeBytes = 304 + 1 + 3 * 64 + 20 + 32 * consistencyProof.length
  assert.equal(encodeAnchor(prepare()).length, 2 + 2 * sizeBytes)
})

test('encodeAnchor: refuses a commit that the machine did not mark', () =>
  assertNotAnchorable(prepare({ anchor: false }), /not marked/))

test('encodeAnchor: refuses a commit of another epoch than the head’s', () =>
  assertNotAnchorable(prepare({ epoch: 3n }), /epoch 3/))

test('encodeAnchor: refuses members that are not the head’s committee', () => {
  const { members } = createTestCommittee({ name: 'other', memberCount: 4 })
  assertNotAnchorable({ ...prepare(), members }, /committee/)
})

test('encodeAnchor: refuses a decision that the commit did not make, and a commit’s decision left out', () => {
  const next = { kind: 'rotation', newCommitteeHash: digestOf('next') } as const
  assertNotAnchorable({ ...prepare(), next }, /next/)
  assertNotAnchorable(prepare({ next: digestOf('some decision') }), /next/)
})

test('encodeAnchor: refuses a certificate with more signatures than signers', () => {
  const parameters = prepare()
  const { commit, certificate } = parameters.certified
  const signatures = `${certificate.signatures}${'00'.repeat(64)}` as const
  assertNotAnchorable(
    { ...parameters, certified: { commit, certificate: { ...certificate, signatures } } },
    /signature/,
  )
})

test('encodeAnchor: refuses a proof from an empty log, which needs none', () => {
  const parameters = prepare()
  assertNotAnchorable({ ...parameters, previous: { ...parameters.previous, logSize: 0n } }, /proof/)
})
