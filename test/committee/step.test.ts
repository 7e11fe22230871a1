import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeExtension } from '../../committee/extension.ts'
import { GENESIS_PARENT, type Parent } from '../../committee/state.ts'
import { DecidedRefusedError } from '../../committee/step.ts'
import type { Block, Effect } from '../../committee/types.ts'
import type { VerifiedCommit } from '../../protocol/wire/certificate.ts'
import { deriveCommitDigest } from '../../protocol/wire/commit.ts'
import { createBlock, createBody, createCommit, createSigners, digestOf, START_MS } from './fixture.ts'
import { ScriptedMember, type ScriptedOptions, votesOf } from './scriptedMember.ts'

const a = createBlock('a')
const b = createBlock('b')

function awake(options: ScriptedOptions = {}): ScriptedMember {
  const member = new ScriptedMember(options)
  member.wake()
  return member
}

const effectOf = <Kind extends Effect['kind']>(member: ScriptedMember, kind: Kind) =>
  member.effects.filter((effect): effect is Extract<Effect, { kind: Kind }> => effect.kind === kind)

// Time, spec §5.2.

for (const { name, offsetMs, vote } of [
  { name: 'as far ahead as clocks may differ', offsetMs: 500, vote: 'a' },
  { name: 'a millisecond farther ahead', offsetMs: 501, vote: 'nil' },
  { name: 'as old as the proposal timeout', offsetMs: -1_000, vote: 'a' },
  { name: 'a millisecond older', offsetMs: -1_001, vote: 'nil' },
])
  test(`time: a new proposal ${name} is prevoted ${vote}`, () => {
    const member = awake({ nowMs: START_MS - offsetMs })
    assert.deepEqual(votesOf(member.receive(member.proposal(a))), [`prevote 0 ${vote}`])
  })

test('time: a proposal that does not follow its parent in time is never voted for', () => {
  const parent: Parent = { ...GENESIS_PARENT, timestampMs: BigInt(START_MS) }
  const member = awake({ parent })
  assert.deepEqual(member.receive(member.proposal(a)), ['persist prevote 0', 'prevote 0 nil'])
})

test('time: a re-proposal with proof of lock is exempt from the clock', () => {
  const member = awake({ nowMs: START_MS + 60_000 })
  member.votes('prevote', [1, 2], { round: 1, block: null })
  const proven = member.proposal(a, { round: 1, validRound: 0, provers: [1, 2, 3] })
  assert.deepEqual(votesOf(member.receive(proven)), ['prevote 1 a'])
})

test('time: who builds is told the earliest time allowed', () => {
  const parent: Parent = { ...GENESIS_PARENT, timestampMs: 77n }
  const [build] = effectOf(awake({ self: 1, parent }), 'build')
  assert.equal(build?.earliestTimestampMs, 78n)
})

// Idleness, spec §4.

test('idle: a started member without work says nothing and waits for nothing', () => {
  const member = new ScriptedMember({ self: 1 })
  assert.deepEqual(member.give({ kind: 'started', nowMs: START_MS }), [])
})

test('idle: nothing happens before the member is started', () => {
  const member = new ScriptedMember({ self: 1 })
  assert.deepEqual(member.give({ kind: 'workAvailable', nowMs: START_MS }), [])
  assert.deepEqual(member.receive(member.vote('prevote', 2, { block: null })), [])
})

test('idle: a proposal is voted on without work of one’s own', () => {
  const member = new ScriptedMember()
  member.give({ kind: 'started', nowMs: START_MS })
  assert.deepEqual(votesOf(member.receive(member.proposal(a))), ['prevote 0 a'])
})

test('idle: f members at work wake nobody, f + 1 do', () => {
  const member = new ScriptedMember()
  member.give({ kind: 'started', nowMs: START_MS })
  assert.deepEqual(member.votes('prevote', [3], { block: null }), [])
  assert.deepEqual(member.votes('prevote', [2], { block: null }), ['timeout propose 0 in 1000'])
})

test('idle: work that is announced twice starts one timer', () => {
  const member = awake()
  assert.deepEqual(member.give({ kind: 'workAvailable', nowMs: START_MS }), [])
})

test('build: an answer for another round, or after voting, is not proposed', () => {
  const member = awake({ self: 1 })
  member.timeout('propose')
  assert.deepEqual(member.build(a), [])
})

// Evidence.

test('evidence: two proposals of one member in a round are reported once, and the first is voted for', () => {
  const member = awake()
  member.receive(member.proposal(a))
  assert.deepEqual(member.receive(member.proposal(b)), ['evidence proposal 0'])
  assert.deepEqual(member.receive(member.proposal(createBlock('c'))), [])
  const [evidence] = effectOf(member, 'reportEvidence')
  assert.notEqual(evidence?.a.signature, evidence?.b.signature)
})

test('evidence: the second of two proposals is decided where a quorum voted for it', () => {
  const member = awake()
  member.receive(member.proposal(a))
  member.votes('precommit', [1, 2, 3], { block: b })
  assert.deepEqual(votesOf(member.receive(member.proposal(b))), ['decide b in 0'])
})

for (const kind of ['prevote', 'precommit'] as const)
  test(`evidence: two ${kind}s of one member in a round are reported once, and each counts for what it names`, () => {
    const member = awake()
    member.receive(member.proposal(a))
    member.votes(kind, [3], { block: b })
    assert.deepEqual(member.votes(kind, [3], { block: a })[0], `evidence ${kind} 0`)
    assert.deepEqual(member.votes(kind, [3], { block: null }), [])
    const after = kind === 'prevote' ? ['precommit 0 a'] : ['decide a in 0']
    assert.deepEqual(votesOf(member.votes(kind, kind === 'prevote' ? [1] : [1, 2], { block: a })), after)
  })

test('evidence: one member’s votes for ever new values are not kept', () => {
  const member = awake()
  for (let index = 0; index < 100; index++) member.votes('prevote', [3], { block: createBlock(`v${index}`) })
  const votes = [...(member.state.rounds.get(0)?.prevotes.values() ?? [])].flat()
  assert.equal(votes.length, 1)
})

test('evidence: the same message twice is none', () => {
  const member = awake()
  for (let index = 0; index < 2; index++) {
    member.receive(member.proposal(a))
    member.votes('prevote', [1], { block: a })
    member.votes('precommit', [1], { block: null })
  }
  assert.deepEqual(effectOf(member, 'reportEvidence'), [])
})

// The member's own key, spec §5.4.

test('own key: a vote that this member did not ask for stops it for good', () => {
  const member = awake()
  assert.deepEqual(member.receive(member.vote('prevote', 0, { round: 2, block: a })), ['halt'])
  assert.equal(member.state.status, 'halted')
  assert.deepEqual(member.receive(member.proposal(a)), [])
})

test('own key: a vote that contradicts this member’s own stops it', () => {
  const member = awake()
  member.timeout('propose')
  assert.deepEqual(member.receive(member.vote('prevote', 0, { block: a })), ['halt'])
})

test('own key: its own vote come back is no fault', () => {
  const member = awake()
  member.timeout('propose')
  assert.deepEqual(member.receive(member.vote('prevote', 0, { block: null })), [])
  assert.equal(member.state.status, 'running')
})

// Gossip.

test('relay: a lock is shown to all as soon as one vote differs, once', () => {
  const member = awake()
  member.receive(member.proposal(a))
  member.votes('prevote', [1, 2], { block: a })
  assert.deepEqual(member.votes('prevote', [3], { block: null }), ['relay prevote a, prevote a, prevote a'])
  assert.deepEqual(member.votes('precommit', [3], { block: null }), [])
})

test('relay: a round in which all agree shows nothing', () => {
  const member = awake()
  member.receive(member.proposal(a))
  member.votes('prevote', [1, 2, 3], { block: a })
  member.votes('precommit', [1, 2, 3], { block: a })
  assert.deepEqual(effectOf(member, 'relay'), [])
})

test('retransmission: sends what was signed in this round, and the newest proven value with its proof', () => {
  const member = awake()
  const due = { kind: 'retransmitDue', nowMs: START_MS } as const
  assert.deepEqual(member.give(due), [])
  member.receive(member.proposal(a))
  assert.deepEqual(member.give(due), ['relay prevote a'])
  member.votes('prevote', [1, 2], { block: a })
  assert.deepEqual(member.give(due), ['relay prevote a, precommit a, proposal a, prevote a, prevote a, prevote a'])
  const relayed = effectOf(member, 'relay').at(-1)!.messages
  const other = new ScriptedMember({ self: 3 })
  other.wake()
  other.name(a)
  const taken = relayed.flatMap((message) => other.receive(message as never))
  assert.deepEqual(votesOf(taken), ['prevote 0 a', 'precommit 0 a'])
})

// The next height.

test('early: messages of the next height are kept, a few of each member, and taken when it begins', () => {
  const member = awake()
  const block = createBlock('next', { parent: digestOf(a), timestampMs: BigInt(START_MS) + 1n })
  const later = new ScriptedMember({ parent: { ...GENESIS_PARENT, height: 1n, commitDigest: digestOf(a) } })
  member.receive(later.proposal(block))
  for (let round = 0; round < 50; round++) member.receive(later.vote('prevote', 3, { round, block: null }))
  assert.equal(member.state.early.size, 3)
  member.receive(member.proposal(a))
  member.votes('prevote', [1, 2], { block: a })
  const lines = member.votes('precommit', [1, 2], { block: a })
  assert.deepEqual(votesOf(lines), ['decide a in 0', 'prevote 0 unknown'])
  assert.equal(member.state.early.size, 0)
})

// A decision from a peer, spec §5.5.

const certified = (block: Block, next?: `0x${string}`) => {
  const commit = createCommit(block, next === undefined ? {} : { next })
  const certificate = { round: 0, signers: 7n, signatures: '0x' }
  return { commit, certificate, digest: deriveCommitDigest(commit) } as unknown as VerifiedCommit
}
const decided = (block: Block, changes: { body?: Block; proposal?: Block; next?: `0x${string}` } = {}) => ({
  kind: 'decidedReceived' as const,
  certified: certified(block, changes.next),
  body: createBody(changes.body ?? block),
  proposal: changes.proposal ?? block,
  extensions: [],
  nowMs: START_MS,
})

test('decided: a peer’s certified commit is decided as one’s own is', () => {
  const member = awake()
  member.name(a)
  assert.deepEqual(member.give(decided(a)), ['decide a in 0'])
  assert.equal(member.state.height, 2n)
  assert.deepEqual(member.give(decided(a)), [])
})

for (const [name, input] of [
  ['without its parent', decided(createBlock('a', { parent: `0x${'11'.repeat(32)}` }))],
  ['with another body', decided(a, { body: b })],
  ['with another batch', decided(a, { proposal: b })],
  ['whose time goes back', decided(createBlock('a', { timestampMs: 0n }))],
] as const)
  test(`decided: refuses a certified commit ${name}`, () => {
    assert.throws(() => awake().give(input), DecidedRefusedError)
  })

test('decided: a commit that ends its epoch ends the core', () => {
  const member = awake()
  member.name(a)
  member.give(decided(a, { next: `0x${'ee'.repeat(32)}` }))
  assert.equal(member.state.status, 'ended')
  assert.deepEqual(member.give({ kind: 'workAvailable', nowMs: START_MS }), [])
})

// Vote extensions, spec §5.2.

function decideWithExtensions(self: number): ScriptedMember {
  const member = awake({ self, hasExtensions: true })
  const others = [0, 1, 2, 3].filter((other) => other !== self).slice(0, 2)
  if (self === 1) member.build(a)
  else member.receive(member.proposal(a))
  member.votes('prevote', others, { block: a })
  member.votes('precommit', others, { block: a })
  assert.equal(member.state.height, 2n)
  return member
}

test('extensions: a decision comes with a quorum’s, all of its round, for the next proposer to include', () => {
  const member = decideWithExtensions(2)
  const [decide] = effectOf(member, 'decide')
  const extensions = decide!.extensions.map(decodeExtension)
  assert.deepEqual(
    extensions.map(({ signer }) => signer),
    createSigners(3),
  )
  assert.ok(
    extensions.every(({ round, height, commitDigest }) => round === 0 && height === 1n && commitDigest === digestOf(a)),
  )
  const lines = member.give({ kind: 'workAvailable', nowMs: START_MS })
  assert.equal(lines[0], 'build 2/0')
  assert.deepEqual(effectOf(member, 'build').at(-1)?.extensions, decide?.extensions)
})

const extensionCases: [
  string,
  (all: readonly Uint8Array[], other: readonly Uint8Array[]) => readonly Uint8Array[],
  string,
][] = [
  ['a quorum’s', (all) => all, 'unknown'],
  ['fewer than a quorum’s', (all) => all.slice(1), 'nil'],
  ['one member’s twice', (all) => [all[0]!, all[0]!, all[1]!], 'nil'],
  ['out of order', (all) => [...all].reverse(), 'nil'],
  ['one of another round', (all, other) => [...all.slice(0, 2), other[2]!], 'nil'],
]
for (const [name, pick, vote] of extensionCases)
  test(`extensions: a proposal with ${name} is prevoted ${vote === 'nil' ? 'nil' : 'for'}`, () => {
    const member = decideWithExtensions(0)
    const extensions = effectOf(member, 'decide')[0]!.extensions
    const other = awake({ self: 0, hasExtensions: true })
    other.votes('prevote', [1, 2], { round: 1, block: null })
    other.receive(other.proposal(a, { round: 1 }))
    other.votes('prevote', [1, 2], { round: 1, block: a })
    other.votes('precommit', [1, 2], { round: 1, block: a })
    const otherRound = effectOf(other, 'decide')[0]!.extensions
    const block = createBlock('next', {
      parent: digestOf(a),
      timestampMs: BigInt(START_MS) + 1n,
      extensions: pick(extensions, otherRound),
    })
    assert.deepEqual(votesOf(member.receive(member.proposal(block))), [`prevote 0 ${vote === 'nil' ? 'nil' : 'next'}`])
  })

test('extensions: a member that lacks its parent’s leaves its turn to others', () => {
  const parent: Parent = { ...GENESIS_PARENT, height: 1n, commitDigest: digestOf(a), signers: createSigners(4) }
  const member = new ScriptedMember({ self: 2, hasExtensions: true, parent })
  assert.deepEqual(member.wake(), ['timeout propose 0 in 1000'])
})
