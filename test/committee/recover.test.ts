import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeRecord, encodeRecord } from '../../committee/record.ts'
import { RecoveryRefusedError, recover } from '../../committee/recover.ts'
import { type CommitteeState, GENESIS_PARENT, ownKeyOf } from '../../committee/state.ts'
import type { AuthenticatedMessage, WalRecord } from '../../committee/types.ts'
import { createBlock, START_MS } from './fixture.ts'
import { ScriptedMember, votesOf } from './scriptedMember.ts'

const a = createBlock('a')
const b = createBlock('b')

/** A long height of member 2: nil, a lock, its own re-proposal, another lock. Calls `look` after every input. */
function live(look: (member: ScriptedMember) => void): ScriptedMember {
  const member = new ScriptedMember({ self: 2 })
  member.wake()
  const steps = [
    () => member.receive(member.proposal(a)),
    () => member.votes('prevote', [0], { block: a }),
    () => member.votes('prevote', [1], { block: a }),
    () => member.votes('precommit', [0], { block: null }),
    () => member.votes('precommit', [1], { block: null }),
    () => member.timeout('precommit'),
    () => member.votes('prevote', [0, 1], { round: 1, block: null }),
    () => member.timeout('prevote'),
    () => member.votes('precommit', [0, 1], { round: 1, block: null }),
    () => member.timeout('precommit'),
    () => member.receive(member.proposal(b, { round: 2 })),
    () => member.votes('prevote', [0, 1, 3], { round: 2, block: b }),
    () => member.votes('precommit', [0, 1, 3], { round: 2, block: null }),
    () => member.timeout('precommit'),
    () => member.receive(member.proposal(b, { round: 3, validRound: 2, provers: [0, 1, 3] })),
    () => member.votes('prevote', [0, 1], { round: 3, block: b }),
  ]
  for (const next of steps) {
    next()
    look(member)
  }
  return member
}

const recovered = (member: ScriptedMember, records: readonly WalRecord[] = member.records): CommitteeState =>
  recover({
    committee: member.committee,
    parent: GENESIS_PARENT,
    records: records.map((record) => decodeRecord(encodeRecord(record))),
  })

test('recover: knows at every moment all that was signed, and the lock', () => {
  let locks = 0
  live((member) => {
    const state = recovered(member)
    assert.deepEqual(state.own, member.state.own)
    assert.deepEqual(state.locked, member.state.locked)
    const signed = [...state.own.values()].at(-1)
    if (signed?.round === member.state.round)
      assert.deepEqual([state.round, state.step], [member.state.round, member.state.step])
    if (state.locked !== null) locks++
  })
  assert.ok(locks > 5)
})

test('recover: killed after any record, a member signs nothing that contradicts what it signed', () => {
  const member = live(() => {})
  for (let count = 0; count <= member.records.length; count++) {
    const state = recovered(member, member.records.slice(0, count))
    const again = new ScriptedMember({ self: 2, state })
    again.give({ kind: 'started', nowMs: START_MS })
    // The whole history once more: a second message for one round and kind would throw in requestSignature.
    for (const block of [b, a]) {
      again.receive(again.proposal(block))
      again.votes('prevote', [0, 1, 3], { block })
      again.timeout('propose')
      again.timeout('prevote')
      again.votes('precommit', [0, 1, 3], { block: null })
      again.timeout('precommit')
    }
    for (const { message } of again.records) {
      assert.equal(state.own.has(ownKeyOf(message)), false, `${count} records: ${message.kind} ${message.round}`)
    }
  }
})

test('recover: says again what it said in its round, and goes on from there', () => {
  const member = new ScriptedMember({ self: 1 })
  member.wake()
  member.build(a)
  const again = new ScriptedMember({ self: 1, state: recovered(member, member.records.slice(0, 1)) })
  again.name(a)
  const lines = again.give({ kind: 'started', nowMs: START_MS })
  assert.deepEqual(lines, [
    'proposal 0 a',
    'timeout propose 0 in 1000',
    'execute a',
    'persist prevote 0',
    'prevote 0 a',
  ])
})

test('recover: a locked value is executed anew and can be decided', () => {
  const member = new ScriptedMember()
  member.wake()
  member.receive(member.proposal(a))
  member.votes('prevote', [1, 2], { block: a })
  const again = new ScriptedMember({ state: recovered(member) })
  again.give({ kind: 'started', nowMs: START_MS })
  again.name(a)
  again.receive(again.proposal(a))
  assert.deepEqual(votesOf(again.votes('precommit', [1, 2], { block: a })), ['decide a in 0'])
})

test('recover: a lock holds after a restart', () => {
  const member = new ScriptedMember()
  member.wake()
  member.receive(member.proposal(a))
  member.votes('prevote', [1, 2], { block: a })
  const again = new ScriptedMember({ state: recovered(member) })
  again.give({ kind: 'started', nowMs: START_MS })
  again.votes('prevote', [1, 2], { round: 1, block: null })
  assert.deepEqual(votesOf(again.receive(again.proposal(b, { round: 1 }))), ['prevote 1 nil', 'precommit 1 nil'])
})

test('recover: a locked value is proposed again with its proof after a restart', () => {
  const member = new ScriptedMember({ self: 2 })
  member.wake()
  member.receive(member.proposal(a))
  member.votes('prevote', [0, 1], { block: a })
  const again = new ScriptedMember({ self: 2, state: recovered(member) })
  again.give({ kind: 'started', nowMs: START_MS })
  again.name(a)
  assert.deepEqual(votesOf(again.votes('prevote', [0, 1], { round: 1, block: null }))[0], 'proposal 1 a valid 0')
})

// Simulated with seed 111: of four members one was gone, one had entered round 1, been killed and forgotten the votes that
// let it go on, and two waited in round 0 for a third vote for ever.
test('recover: a member that left a round behind says its votes of it again, at its start and when retransmission is due', () => {
  const member = new ScriptedMember({ self: 3 })
  member.wake()
  member.votes('precommit', [0, 1, 2], { block: null })
  member.timeout('precommit')
  member.timeout('propose')
  const again = new ScriptedMember({ self: 3, state: recovered(member) })
  const expected = ['prevote 0 nil', 'precommit 0 nil', 'prevote 1 nil']
  assert.deepEqual(votesOf(again.give({ kind: 'started', nowMs: START_MS })), expected)
  const relayed = again.give({ kind: 'retransmitDue', nowMs: START_MS })
  assert.deepEqual(relayed, ['relay prevote nil, precommit nil, prevote nil'])

  const waiting = new ScriptedMember({ self: 0 })
  waiting.wake()
  waiting.timeout('propose')
  waiting.votes('prevote', [1, 3], { block: null })
  waiting.votes('precommit', [1], { block: null })
  const [, precommit] = again.effects.flatMap((effect) => (effect.kind === 'relay' ? effect.messages : []))
  assert.deepEqual(waiting.receive(precommit as AuthenticatedMessage), ['timeout precommit 0 in 250'])
})

test('recover: passes over heights that are decided, and starts idle without a record', () => {
  const member = live(() => {})
  const parent = { ...GENESIS_PARENT, height: 1n }
  const state = recover({ committee: member.committee, parent, records: member.records })
  assert.equal(state.own.size, 0)
  const again = new ScriptedMember({ self: 2, state })
  assert.deepEqual(again.give({ kind: 'started', nowMs: START_MS }), [])
})

const [first, second] = live(() => {}).records as [WalRecord, WalRecord]
for (const [name, records] of [
  ['a height that the store has not reached', [{ ...first, message: { ...first.message, height: 2n } }]],
  ['another member', [{ ...first, message: { ...first.message, signer: `0x${'11'.repeat(20)}` } }]],
  ['another epoch', [{ ...first, message: { ...first.message, epoch: 1n } }]],
  ['another component', [{ ...first, message: { ...first.message, component: `0x${'11'.repeat(32)}` } }]],
  ['a place that has one already', [first, first]],
  ['an earlier round than the one before', [{ ...second, message: { ...second.message, round: 3 } }, first]],
] as [string, WalRecord[]][])
  test(`recover: refuses a record of ${name}`, () => {
    const { committee } = new ScriptedMember({ self: 2 })
    assert.throws(() => recover({ committee, parent: GENESIS_PARENT, records }), RecoveryRefusedError)
  })
