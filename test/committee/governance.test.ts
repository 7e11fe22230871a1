import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ComponentState, createGenesis, type Executed, execute } from '../../committee/execution.ts'
import { decodeSnapshot, encodeSnapshot, SnapshotRefusedError } from '../../committee/snapshot.ts'
import { type ChronicleState, chronicle as machine } from '../../modules/chronicle/machine.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { encodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import { encodeChronicleParameters } from '../../protocol/wire/chronicleParameters.ts'
import { ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { deriveCommitteeHash } from '../../protocol/wire/committee.ts'
import { encodeEnvelope, signEnvelope, verifyEnvelope } from '../../protocol/wire/envelope.ts'
import {
  decodeCommitteeRotated,
  decodeRetirementMarker,
  encodeGovernanceCommand,
  type GovernanceCommand,
} from '../../protocol/wire/governance.ts'
import { hashRetirementMarker, hashRotation } from '../../protocol/wire/next.ts'
import { createTestMembers } from '../protocol/wire/members.ts'

const component: Hex = `0x${'c0'.repeat(32)}`
const successor: Hex = `0x${'5c'.repeat(32)}`
const keys = createTestMembers(9)
const submitter = keys[8]!
const seatsOf = (indexes: readonly number[]) => indexes.map((index) => ({ signer: keys[index]!.signer }))
const genesisMembers = seatsOf([0, 1, 2, 3])
const parameters = encodeChronicleParameters({
  submitters: [submitter.signer],
  anchorEveryCommits: 1000,
  anchorEverySeconds: 1000,
})
const genesis = createGenesis(machine, { component, parameters, members: genesisMembers })
type State = ComponentState<ChronicleState>

const rotation: GovernanceCommand = { kind: 'approveRotation', newEpoch: 1n, members: seatsOf([1, 2, 3, 4]) }
const otherRotation: GovernanceCommand = { ...rotation, members: seatsOf([0, 1, 2, 3, 4, 5, 6]) }
const retirement: GovernanceCommand = { kind: 'approveRetirement', epoch: 0n, successor, reason: 'replaced' }
const statement = encodeChronicleCommand({ kind: 'recordStatement', statement: new Uint8Array([1]) })

/** Executes one height whose envelopes are of these keys, each with its next sequence. */
function run(
  state: State,
  envelopes: readonly { key: number; commands: readonly Uint8Array[] }[],
): Executed<ChronicleState> {
  const sequences = new Map(state.sequences)
  const signed = envelopes.map(({ key, commands }) => {
    const { signer, secretKey } = keys[key]!
    const sequence = (sequences.get(signer) ?? 0n) + 1n
    sequences.set(signer, sequence)
    const envelope = signEnvelope({ component, submitter: signer, sequence, commands }, secretKey)
    return verifyEnvelope(encodeEnvelope(envelope), { component })
  })
  const batch = { envelopes: signed, timestampMs: state.timestampMs + 1n, extensions: [] }
  return execute(machine, { state, batch })
}

const approve = (key: number, command: GovernanceCommand) => ({ key, commands: [encodeGovernanceCommand(command)] })
const record = { key: 8, commands: [statement] }

test('governance: fewer than a quorum of approvals change nothing but the standing approvals', () => {
  const { commit, state, entries } = run(genesis, [approve(0, rotation), approve(1, rotation)])
  assert.equal(commit.next, ZERO_BYTES32)
  assert.equal(commit.anchor, false)
  assert.equal(entries.length, 0)
  assert.equal(state.epoch, 0n)
  assert.equal(state.governance.approvals.size, 2)
  assert.notEqual(commit.state, run(genesis, [approve(0, rotation)]).commit.state)
})

test('governance: a quorum of the very same approval decides a rotation, and its commit is the epoch’s last', () => {
  const { commit, state, entries } = run(genesis, [
    record,
    approve(0, rotation),
    approve(2, rotation),
    approve(1, rotation),
  ])
  const newCommitteeHash = deriveCommitteeHash(rotation.members)
  assert.equal(commit.epoch, 0n)
  assert.equal(commit.anchor, true)
  assert.equal(commit.next, hashRotation({ component, newEpoch: 1n, newCommitteeHash }))
  assert.deepEqual(decodeCommitteeRotated(entries.at(-1)!), { newEpoch: 1n, members: rotation.members })
  assert.equal(commit.logSize, 2n)
  assert.equal(state.epoch, 1n)
  assert.deepEqual(state.governance, {
    members: rotation.members,
    committeeHash: newCommitteeHash,
    approvals: new Map(),
    retirement: null,
  })
  const later = run(state, [record])
  assert.equal(later.commit.epoch, 1n)
  assert.equal(later.commit.next, ZERO_BYTES32)
})

test('governance: after a rotation nothing is marked for the chain that adds no leaf to what the rotation anchored', () => {
  const rotated = run(genesis, [record, approve(0, rotation), approve(1, rotation), approve(2, rotation)])
  const asked = run(rotated.state, [{ key: 8, commands: [encodeChronicleCommand({ kind: 'requestAnchor' })] }])
  assert.equal(asked.commit.logSize, rotated.commit.logSize)
  assert.equal(asked.commit.anchor, false)
})

test('governance: approvals of different content do not add up, and a later approval takes the place of an earlier one', () => {
  const split = run(genesis, [approve(0, rotation), approve(1, rotation), approve(2, otherRotation)])
  assert.equal(split.commit.next, ZERO_BYTES32)
  const moved = run(split.state, [approve(0, otherRotation)])
  assert.equal(moved.commit.next, ZERO_BYTES32)
  assert.equal(moved.state.governance.approvals.size, 3)
  const decided = run(moved.state, [approve(3, otherRotation)])
  assert.deepEqual(decided.state.governance.members, otherRotation.members)
})

test('governance: one member that approves twice counts once', () => {
  const { commit } = run(genesis, [
    approve(0, rotation),
    approve(0, rotation),
    approve(1, rotation),
    approve(1, rotation),
  ])
  assert.equal(commit.next, ZERO_BYTES32)
})

test('governance: a batch that goes on after the approval that ends the epoch is refused', () => {
  const batch = [approve(0, rotation), approve(1, rotation), approve(2, rotation), record]
  assert.throws(() => run(genesis, batch), { code: 'BATCH_REFUSED' })
})

test('governance: a quorum of the new committee rotates it again, and members that left have no say', () => {
  const { state } = run(genesis, [approve(0, rotation), approve(1, rotation), approve(2, rotation)])
  const again: GovernanceCommand = { kind: 'approveRotation', newEpoch: 2n, members: genesisMembers }
  assert.throws(() => run(state, [approve(0, again)]), causedBy('APPROVAL_REFUSED'))
  const { commit } = run(state, [approve(4, again), approve(1, again), approve(2, again)])
  assert.equal(commit.epoch, 1n)
  assert.notEqual(commit.next, ZERO_BYTES32)
})

const causedBy = (code: string) => (error: { code: string; cause?: { code?: string } }) =>
  error.code === 'BATCH_REFUSED' && error.cause?.code === code

test('governance: refuses strangers, other epochs, company in its envelope and malformed bytes, and leaves the state alone', () => {
  const before = encodeSnapshot(machine, genesis)
  const refused = [
    { batch: [approve(4, rotation)], code: 'APPROVAL_REFUSED' },
    { batch: [approve(8, rotation)], code: 'APPROVAL_REFUSED' },
    { batch: [approve(0, { ...rotation, newEpoch: 2n })], code: 'APPROVAL_REFUSED' },
    { batch: [approve(0, { ...rotation, newEpoch: 0n })], code: 'APPROVAL_REFUSED' },
    { batch: [approve(0, { ...retirement, epoch: 1n })], code: 'APPROVAL_REFUSED' },
    { batch: [{ key: 0, commands: [encodeGovernanceCommand(rotation), statement] }], code: 'APPROVAL_REFUSED' },
    { batch: [{ key: 0, commands: [encodeGovernanceCommand(rotation).subarray(0, 64)] }], code: 'INVALID_GOVERNANCE' },
    { batch: [{ key: 0, commands: [statement] }], code: 'SUBMITTER_REFUSED' },
  ]
  for (const { batch, code } of refused) assert.throws(() => run(genesis, batch), causedBy(code))
  assert.deepEqual(encodeSnapshot(machine, genesis), before)
})

test('governance: a quorum retires the component, and nothing is executed after its last commit', () => {
  const { commit, state, entries } = run(genesis, [
    approve(0, retirement),
    approve(1, retirement),
    approve(2, retirement),
  ])
  const marker = { component, successor, effectiveHeight: 1n, reason: 'replaced' }
  assert.equal(commit.next, hashRetirementMarker(marker))
  assert.equal(commit.anchor, true)
  assert.deepEqual(decodeRetirementMarker(entries.at(-1)!), marker)
  assert.deepEqual(state.governance.retirement, marker)
  assert.throws(() => run(state, [record]), { code: 'BATCH_REFUSED' })
  assert.throws(() => run(state, []), { code: 'BATCH_REFUSED' })
})

test('governance: a snapshot taken anywhere restores to the same future, and the state root covers what it keeps', () => {
  const commands = [rotation, otherRotation, retirement]
  const steps = fc.array(fc.record({ key: fc.nat(3), what: fc.nat(2), isStatement: fc.boolean() }), {
    minLength: 1,
    maxLength: 12,
  })
  fc.assert(
    fc.property(steps, (some) => {
      let state = genesis
      let restored = genesis
      const seen = new Map<string, Hex>()
      for (const { key, what, isStatement } of some) {
        if (state.epoch > 0n || state.governance.retirement !== null) break
        const envelopes = [isStatement ? record : approve(key, commands[what]!)]
        const [one, two] = [run(state, envelopes), run(restored, envelopes)]
        assert.deepEqual(two.commit, one.commit)
        state = one.state
        const snapshot = encodeSnapshot(machine, state)
        restored = decodeSnapshot(machine, snapshot)
        assert.deepEqual(restored, state)
        seen.set(String(snapshot), one.commit.state)
      }
      assert.equal(new Set(seen.values()).size, seen.size)
    }),
    { numRuns: 40 },
  )
})

test('decodeSnapshot: refuses every truncation of a snapshot with standing approvals', () => {
  const { state } = run(genesis, [record, approve(0, rotation), approve(1, retirement)])
  const snapshot = encodeSnapshot(machine, state)
  assert.deepEqual(decodeSnapshot(machine, snapshot), state)
  for (let size = 0; size < snapshot.length; size += 32) {
    assert.throws(() => decodeSnapshot(machine, snapshot.subarray(0, size)), SnapshotRefusedError)
  }
})
