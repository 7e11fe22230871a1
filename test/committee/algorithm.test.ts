import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBlock, digestOf, START_MS } from './fixture.ts'
import { ScriptedMember, type ScriptedOptions, votesOf } from './scriptedMember.ts'

/** Lines are those of Algorithm 1 in Buchman, Kwon and Milosevic (2018). Proposers at height 1: 1, 2, 3, 0, 1 … */
const a = createBlock('a')
const b = createBlock('b')
const c = createBlock('c')

function awake(options: ScriptedOptions = {}): ScriptedMember {
  const member = new ScriptedMember(options)
  member.wake()
  return member
}

/** Member 0, locked on a in round 0 and now in round 1. */
function lockedInRound1(): ScriptedMember {
  const member = awake()
  member.receive(member.proposal(a))
  assert.deepEqual(votesOf(member.votes('prevote', [1, 2], { block: a })), ['precommit 0 a'])
  member.votes('precommit', [1, 2], { block: null })
  member.timeout('precommit')
  assert.equal(member.state.round, 1)
  return member
}

test('line 14: the proposer of a round has a block built and proposes it, durable first', () => {
  const member = new ScriptedMember({ self: 1 })
  assert.deepEqual(member.wake(), ['build 1/0', 'timeout propose 0 in 1000'])
  const lines = member.build(a)
  assert.deepEqual(lines, ['persist proposal 0', 'proposal 0 a', 'persist prevote 0', 'prevote 0 a'])
})

test('line 14: the proposer of a later round proposes its valid value again, with its proof', () => {
  const member = awake({ self: 2 })
  member.receive(member.proposal(a))
  member.votes('prevote', [0, 1], { block: a })
  member.votes('precommit', [0, 1], { block: null })
  assert.deepEqual(votesOf(member.timeout('precommit')), ['proposal 1 a valid 0', 'prevote 1 a'])
})

test('line 20: who is not the proposer waits for a proposal', () => {
  assert.deepEqual(new ScriptedMember({ self: 0 }).wake(), ['timeout propose 0 in 1000'])
})

test('line 22: an unlocked member prevotes a new value after it computed it', () => {
  const member = awake()
  assert.deepEqual(member.receive(member.proposal(a)), ['execute a', 'persist prevote 0', 'prevote 0 a'])
})

test('line 22: nothing is prevoted before execution has answered', () => {
  const member = awake({ machine: () => 'silence' })
  assert.deepEqual(member.receive(member.proposal(a)), ['execute a'])
  assert.deepEqual(votesOf(member.timeout('propose')), ['prevote 0 nil'])
})

test('line 26: what the machine refuses is prevoted nil', () => {
  const member = awake({ machine: () => 'refuse' })
  assert.deepEqual(votesOf(member.receive(member.proposal(a))), ['prevote 0 nil'])
})

test('line 26: a value that gives another commit than its proposer says is prevoted nil', () => {
  const member = awake()
  const lying = member.proposal(a, { commitDigest: member.name(b) })
  assert.deepEqual(votesOf(member.receive(lying)), ['prevote 0 nil'])
})

test('line 26: a block on another parent is prevoted nil and never executed', () => {
  const member = awake()
  const orphan = createBlock('orphan', { parent: `0x${'11'.repeat(32)}` })
  assert.deepEqual(member.receive(member.proposal(orphan)), ['persist prevote 0', 'prevote 0 nil'])
  assert.deepEqual(
    member.votes('prevote', [1, 2, 3], { block: orphan }).filter((line) => line.startsWith('execute')),
    [],
  )
})

test('line 26: a locked member prevotes nil for another new value', () => {
  const member = lockedInRound1()
  assert.deepEqual(votesOf(member.receive(member.proposal(b, { round: 1 }))), ['prevote 1 nil'])
})

test('line 22: a locked member prevotes its own value, though proposed as new', () => {
  const member = lockedInRound1()
  assert.deepEqual(votesOf(member.receive(member.proposal(a, { round: 1 }))), ['prevote 1 a'])
})

test('line 28: a proof of the lock’s own round or a later one unlocks', () => {
  const member = lockedInRound1()
  member.receive(member.proposal(b, { round: 1 }))
  member.votes('precommit', [1, 2, 3], { round: 1, block: null })
  member.timeout('precommit')
  const proven = member.proposal(b, { round: 2, validRound: 1, provers: [1, 2, 3] })
  assert.deepEqual(votesOf(member.receive(proven)), ['prevote 2 b'])
})

test('line 28: a proof older than the lock does not unlock', () => {
  const member = awake()
  member.votes('prevote', [1, 2], { round: 1, block: null })
  assert.equal(member.state.round, 1)
  member.receive(member.proposal(a, { round: 1 }))
  member.votes('prevote', [1, 2], { round: 1, block: a })
  assert.equal(member.state.locked?.round, 1)
  member.votes('precommit', [1, 2], { round: 1, block: null })
  member.timeout('precommit')
  const older = member.proposal(b, { round: 2, validRound: 0, provers: [1, 2, 3] })
  assert.deepEqual(votesOf(member.receive(older)), ['prevote 2 nil'])
})

test('line 34: a split quorum of prevotes starts the prevote timer once, and is shown to all', () => {
  const member = awake()
  member.receive(member.proposal(a))
  assert.deepEqual(member.votes('prevote', [1], { block: a }), [])
  assert.deepEqual(member.votes('prevote', [2], { block: null }), [
    'timeout prevote 0 in 250',
    'relay prevote a, prevote a, prevote nil',
  ])
  assert.deepEqual(member.votes('prevote', [3], { block: null }), [])
})

test('line 36: a quorum of prevotes for the proposed value locks it', () => {
  const member = awake()
  member.receive(member.proposal(a))
  const lines = member.votes('prevote', [1, 2], { block: a })
  assert.deepEqual(lines, ['persist precommit 0', 'precommit 0 a'])
  assert.deepEqual(member.state.locked, { round: 0, commitDigest: member.name(a) })
  assert.equal(member.state.valid?.round, 0)
})

test('line 36: without the proposal a quorum of prevotes locks nothing', () => {
  const member = awake()
  assert.deepEqual(votesOf(member.votes('prevote', [1, 2, 3], { block: a })), [])
  assert.equal(member.state.locked, null)
})

test('line 36: a member that precommitted nil takes the value as valid, and does not lock', () => {
  const member = awake()
  member.receive(member.proposal(a))
  member.votes('prevote', [1], { block: a })
  member.votes('prevote', [2], { block: null })
  assert.deepEqual(votesOf(member.timeout('prevote')), ['precommit 0 nil'])
  assert.deepEqual(votesOf(member.votes('prevote', [3], { block: a })), [])
  assert.equal(member.state.locked, null)
  assert.equal(member.state.valid?.proposal.commitDigest, member.name(a))
})

test('line 36: a proof that comes a round late makes the value valid and leaves the lock', () => {
  const member = awake()
  member.receive(member.proposal(a))
  member.votes('prevote', [1], { block: a })
  member.votes('prevote', [2], { block: null })
  member.timeout('prevote')
  member.votes('precommit', [1, 2], { block: null })
  member.timeout('precommit')
  member.votes('prevote', [3], { block: a })
  assert.equal(member.state.valid?.round, 0)
  assert.equal(member.state.locked, null)
})

test('line 44: a quorum of nil prevotes is precommitted nil', () => {
  const member = awake()
  member.timeout('propose')
  assert.deepEqual(votesOf(member.votes('prevote', [1, 2], { block: null })), ['precommit 0 nil'])
})

test('line 47: a quorum of precommits of any kind starts the precommit timer once', () => {
  const member = awake()
  member.votes('precommit', [1, 2], { block: null })
  assert.deepEqual(member.votes('precommit', [3], { block: a }), [
    'timeout precommit 0 in 250',
    'relay precommit nil, precommit nil, precommit a',
  ])
  member.timeout('propose')
  const timers = member.effects.filter((effect) => effect.kind === 'scheduleTimeout')
  assert.equal(timers.filter(({ timeout }) => timeout.kind === 'precommit').length, 1)
})

test('line 49: a quorum of precommits decides, and the next height begins idle', () => {
  const member = awake()
  member.receive(member.proposal(a))
  member.votes('prevote', [1, 2], { block: a })
  assert.deepEqual(member.votes('precommit', [1, 2], { block: a }), ['decide a in 0'])
  assert.deepEqual([member.state.height, member.state.round, member.state.step], [2n, 0, 'propose'])
  assert.equal(member.state.isActive, false)
  assert.equal(member.state.parent.commitDigest, digestOf(a))
})

test('line 49: precommits of different rounds never add up', () => {
  const member = awake()
  member.receive(member.proposal(a))
  member.votes('prevote', [1, 2], { block: a })
  member.votes('precommit', [1], { block: a })
  member.votes('precommit', [2], { block: null })
  member.timeout('precommit')
  assert.deepEqual(votesOf(member.votes('precommit', [2, 3], { round: 1, block: a })), [])
  assert.equal(member.state.height, 1n)
})

test('line 49: an earlier round’s quorum still decides', () => {
  const member = lockedInRound1()
  assert.deepEqual(votesOf(member.receive(member.vote('precommit', 3, { block: a }))), [])
  assert.deepEqual(votesOf(member.votes('precommit', [1], { block: a })), ['decide a in 0'])
})

test('line 49: a value that was only voted by others is executed before it is decided', () => {
  const member = awake({ nowMs: START_MS + 60_000 })
  assert.deepEqual(votesOf(member.receive(member.proposal(a))), ['prevote 0 nil'])
  assert.deepEqual(member.votes('precommit', [1, 2], { block: a }), [])
  assert.deepEqual(member.votes('precommit', [3], { block: a })[0], 'execute a')
  assert.equal(member.state.height, 2n)
})

test('line 55: f + 1 members of a later round take a member along, and f do not', () => {
  const member = awake()
  member.votes('prevote', [1], { round: 3, block: null })
  assert.equal(member.state.round, 0)
  member.votes('precommit', [2], { round: 2, block: null })
  assert.equal(member.state.round, 2)
})

test('line 55: a liar alone, however far ahead it claims to be, moves nobody and is not remembered', () => {
  const member = awake()
  for (let round = 1; round < 500; round++) member.votes('prevote', [3], { round: round * 1_000_000, block: null })
  assert.equal(member.state.round, 0)
  assert.ok(member.state.rounds.size <= 1)
})

test('line 57: without a proposal in time a member prevotes nil', () => {
  assert.deepEqual(awake().timeout('propose'), ['persist prevote 0', 'prevote 0 nil'])
})

test('line 61: without a majority in time a member precommits nil', () => {
  const member = awake()
  member.receive(member.proposal(a))
  member.votes('prevote', [1], { block: null })
  member.votes('prevote', [2], { block: c })
  assert.deepEqual(member.timeout('prevote'), ['persist precommit 0', 'precommit 0 nil'])
})

test('line 65: without a decision in time the next round begins, with longer waits', () => {
  const member = awake()
  member.votes('precommit', [1, 2, 3], { block: null })
  member.timeout('propose')
  assert.deepEqual(member.timeout('precommit').at(-1), 'timeout propose 1 in 1250')
})

test('line 65: a member that leaves a round has voted in it, for nil if for nothing else', () => {
  const member = awake()
  member.votes('precommit', [1, 2, 3], { block: null })
  const votes = votesOf(member.timeout('precommit'))
  assert.deepEqual(votes, ['prevote 0 nil', 'precommit 0 nil'])
  const prevoted = awake()
  prevoted.receive(prevoted.proposal(a))
  prevoted.votes('precommit', [1, 2, 3], { block: null })
  assert.deepEqual(votesOf(prevoted.timeout('precommit')), ['precommit 0 nil'])
})

test('line 55: a member that skips rounds has voted in the last of them, so that nobody waits there for it', () => {
  const member = awake()
  member.receive(member.vote('prevote', 1, { round: 5, block: null }))
  const votes = votesOf(member.receive(member.vote('prevote', 2, { round: 5, block: null })))
  assert.deepEqual(votes, ['prevote 4 nil', 'precommit 4 nil'])
})

test('lines 57, 61, 65: a timer of another round, height or step changes nothing', () => {
  const member = awake()
  member.timeout('propose')
  for (const round of [0, 1, 7]) assert.deepEqual(member.timeout('propose', round), [])
  assert.deepEqual(member.timeout('prevote', 1), [])
  assert.deepEqual(member.timeout('precommit', 5), [])
  const timeout = { kind: 'precommit', height: 9n, round: 0 } as const
  assert.deepEqual(member.give({ kind: 'timeoutElapsed', timeout, nowMs: START_MS }), [])
})

test('four members: a silent proposer costs one round', () => {
  const member = awake({ self: 2 })
  member.timeout('propose')
  member.votes('prevote', [0, 3], { block: null })
  member.votes('precommit', [0, 3], { block: null })
  assert.deepEqual(member.timeout('precommit'), ['build 1/1', 'timeout propose 1 in 1250'])
  assert.deepEqual(votesOf(member.build(b)), ['proposal 1 b', 'prevote 1 b'])
  assert.deepEqual(votesOf(member.votes('prevote', [0, 3], { round: 1, block: b })), ['precommit 1 b'])
  assert.deepEqual(votesOf(member.votes('precommit', [0, 3], { round: 1, block: b })), ['decide b in 1'])
})

test('one member decides alone', () => {
  const member = new ScriptedMember({ count: 1, self: 0 })
  assert.deepEqual(member.wake(), ['build 1/0', 'timeout propose 0 in 1000'])
  assert.deepEqual(votesOf(member.build(a)), ['proposal 0 a', 'prevote 0 a', 'precommit 0 a', 'decide a in 0'])
})

test('a step does not change the state it was given', () => {
  const member = awake()
  const before = structuredClone(member.state)
  const kept = member.state
  member.receive(member.proposal(a))
  member.votes('prevote', [1, 2, 3], { block: a })
  member.votes('precommit', [1, 2, 3], { block: a })
  assert.deepEqual(kept, before)
})
