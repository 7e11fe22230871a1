import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deriveMessageDigest } from '../../committee/digest.ts'
import {
  answerRequest,
  createHandshake,
  type HandshakeEffect,
  type HandshakeInput,
  type HandshakeState,
  stepHandshake,
} from '../../committee/handshake.ts'
import {
  type AuthenticatedAnswer,
  type AuthenticatedRequest,
  authenticateHandshake,
  decodeHandshake,
  encodeHandshake,
  type HandshakeAnswer,
  type HandshakeMessage,
  type HandshakeRequest,
  type SignedHandshakeMessage,
  signHandshake,
} from '../../committee/handshakeMessage.ts'
import { MalformedMessageError } from '../../committee/malformedMessage.ts'
import { recover } from '../../committee/recover.ts'
import { GENESIS_PARENT } from '../../committee/state.ts'
import type { SignedMessage } from '../../committee/types.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { createCertificate, type VerifiedCommit } from '../../protocol/wire/certificate.ts'
import { signDigest } from '../../protocol/wire/signature.ts'
import { createTestMembers } from '../protocol/wire/members.ts'
import {
  COMPONENT,
  createBlock,
  createBody,
  createCommit,
  createCommittee,
  createSigners,
  fakeSigned,
  START_MS,
} from './fixture.ts'
import { ScriptedMember } from './scriptedMember.ts'

const NONCE: Hex = `0x${'0a'.repeat(32)}`
const block = createBlock('a')
const [, first, second, third] = createSigners(4) as [Hex, Hex, Hex, Hex]

/** Member 0, which prevoted and precommitted `a` at height 1, and its handshake after a restart with `recordCount` records. */
function restart({ recordCount = 2, count = 4 } = {}): { live: ScriptedMember; handshake: HandshakeState } {
  const live = new ScriptedMember({ count })
  live.wake()
  live.receive(live.proposal(block))
  live.votes('prevote', [1, 2], { block })
  const { committee } = live
  const core = recover({ committee, parent: GENESIS_PARENT, records: live.records.slice(0, recordCount) })
  const { height, own } = core
  return { live, handshake: createHandshake({ committee, nonce: NONCE, stored: { height, own }, height }) }
}

function give(state: HandshakeState, inputs: readonly HandshakeInput[]): HandshakeEffect[] {
  return inputs.flatMap((input) => {
    const transition = stepHandshake(state, input)
    state = transition.state
    return transition.effects
  })
}

const answer = (
  signer: Hex,
  { height = 1n, newest = null }: { height?: bigint; newest?: SignedMessage | null } = {},
): HandshakeInput => {
  const origin = { component: COMPONENT, epoch: 0n, signer, nonce: NONCE, asker: createSigners(1)[0]! }
  const message = { kind: 'answer', ...origin, height, newest, signature: '0x' } as unknown as AuthenticatedAnswer
  return { kind: 'answerReceived', answer: message }
}
const JOIN = [{ kind: 'join' }]

test('handshake: a member asks, and again until it joins', () => {
  const { handshake } = restart()
  const [request] = give(handshake, [{ kind: 'requestDue' }])
  const expected = { kind: 'request', component: COMPONENT, epoch: 0n, signer: createSigners(1)[0], nonce: NONCE }
  assert.deepEqual(request, { kind: 'request', message: expected })
  assert.equal(give(handshake, [{ kind: 'requestDue' }, { kind: 'requestDue' }]).length, 2)
})

test('handshake: a quorum of answers, itself included, lets it join, once', () => {
  const { handshake } = restart()
  assert.deepEqual(give(handshake, [answer(first)]), [])
  assert.deepEqual(give(handshake, [answer(first), answer(first)]), [])
  assert.deepEqual(give(handshake, [answer(first), answer(second), answer(third), { kind: 'requestDue' }]), JOIN)
})

test('handshake: one alone, and one without a seat, ask nobody', () => {
  const alone = createCommittee({ count: 1 })
  const stored = { height: 1n, own: new Map() }
  const create = (committee: typeof alone) => createHandshake({ committee, nonce: NONCE, stored, height: 1n })
  assert.deepEqual(give(create(alone), [{ kind: 'requestDue' }]), JOIN)
  const observer = { ...createCommittee(), self: createSigners(9)[8]! }
  assert.deepEqual(give(create(observer), [{ kind: 'requestDue' }]), JOIN)
  assert.equal(give(create(createCommittee({ count: 2 })), [{ kind: 'requestDue' }])[0]!.kind, 'request')
})

test('handshake: what the store knows does not stop it', () => {
  const { live, handshake } = restart()
  const [prevote, precommit] = live.records.map(({ message }) => fakeSigned(message))
  assert.deepEqual(give(handshake, [answer(first, { newest: prevote! }), answer(second, { newest: precommit! })]), JOIN)
})

test('handshake: a vote that the store lost stops it for good', () => {
  const { live, handshake } = restart({ recordCount: 1 })
  const lost = fakeSigned(live.records[1]!.message)
  const inputs = [answer(first, { newest: lost }), answer(second), answer(third)]
  assert.deepEqual(give(handshake, inputs), [{ kind: 'halt', height: 1n, round: 0 }])
})

test('handshake: a vote that contradicts the store, or is of a later height, stops it for good', () => {
  const { live, handshake } = restart()
  const { message } = live.records[0]!
  const other = fakeSigned({ ...message, commitDigest: null } as SignedMessage)
  const later = fakeSigned({ ...message, height: 2n } as SignedMessage)
  for (const newest of [other, later]) assert.equal(give(handshake, [answer(first, { newest })])[0]!.kind, 'halt')
})

test('handshake: a vote of a height that is decided is no news', () => {
  const { live, handshake } = restart()
  const newest = fakeSigned({ ...live.records[0]!.message, round: 7 } as SignedMessage)
  const later = { ...handshake, stored: { height: 2n, own: new Map() }, height: 2n }
  assert.deepEqual(give(later, [answer(first, { newest }), answer(second)]), JOIN)
})

test('handshake: it catches up with an honest peer before it joins, and with no liar', () => {
  const { handshake } = restart()
  assert.deepEqual(give(handshake, [answer(first, { height: 2n ** 60n }), answer(second)]), JOIN)
  const inputs = [answer(first, { height: 2n ** 60n }), answer(second, { height: 2n })]
  assert.deepEqual(give(handshake, inputs), [])
  assert.deepEqual(give(handshake, [...inputs, decided({ signers: [1, 2, 3] })]), JOIN)
})

/** Height 1 decided in round 0 by the precommits of `signers`. */
function decided({ signers, next }: { signers: number[]; next?: Hex }): HandshakeInput {
  const all = createSigners(4)
  const signatures = new Map(signers.map((index): [Hex, Hex] => [all[index]!, `0x${'00'.repeat(64)}`]))
  const commit = createCommit(block, next === undefined ? {} : { next })
  return { kind: 'decided', commit, certificate: createCertificate({ round: 0, signers: all, signatures }) }
}

test('handshake: its own signature under a decision that its store does not know stops it for good', () => {
  const lost = restart({ recordCount: 1 }).handshake
  assert.deepEqual(give(lost, [decided({ signers: [0, 1, 2] })]), [{ kind: 'halt', height: 1n, round: 0 }])
  const whole = restart().handshake
  assert.deepEqual(give(whole, [decided({ signers: [0, 1, 2] }), answer(first), answer(second)]), JOIN)
})

test('handshake: where the epoch ends it does not join in it', () => {
  const { handshake } = restart()
  const inputs = [answer(first), decided({ signers: [1, 2, 3], next: `0x${'01'.repeat(32)}` }), answer(second)]
  assert.deepEqual(give(handshake, inputs.slice(0, 2)), [])
})

test('handshake: until it joins, a member follows decisions and signs nothing', () => {
  const live = new ScriptedMember()
  live.wake()
  live.receive(live.proposal(block))
  live.votes('prevote', [1, 2], { block })
  live.votes('precommit', [1, 2], { block })
  const decide = live.effects.find((effect) => effect.kind === 'decide')!
  const follower = new ScriptedMember({ self: 3 })
  follower.name(block)
  assert.deepEqual(follower.receive(follower.proposal(block)), [])
  assert.deepEqual(follower.votes('prevote', [0, 1, 2], { block }), [])
  const { commit, commitDigest: digest, certificate, proposal } = decide
  const certified = { commit, certificate, digest } as VerifiedCommit
  const body = createBody(block)
  const input = { kind: 'decidedReceived', certified, body, proposal, extensions: [], nowMs: START_MS } as const
  assert.deepEqual(follower.give(input), ['decide a in 0'])
  assert.equal(follower.state.height, 2n)
  assert.deepEqual(follower.timeout('propose'), [])
})

test('answerRequest: gives the latest that was heard of the one that asks', () => {
  const live = new ScriptedMember()
  const request = { kind: 'request', signer: second, nonce: NONCE } as AuthenticatedRequest
  live.wake()
  assert.equal(answerRequest(live.state, request).newest, null)
  live.votes('prevote', [2], { block })
  live.votes('precommit', [2], { block: null })
  live.votes('prevote', [1], { block })
  const { newest, height, asker } = answerRequest(live.state, request)
  assert.deepEqual([newest?.kind, newest?.signer, height, asker], ['precommit', second, 1n, second])
  const proposer = { kind: 'request', signer: first, nonce: NONCE } as AuthenticatedRequest
  live.receive(live.proposal(createBlock('b')))
  assert.equal(answerRequest(live.state, proposer).newest?.kind, 'prevote')
})

test('answerRequest: remembers votes of heights that are decided', () => {
  const live = new ScriptedMember()
  live.wake()
  live.receive(live.proposal(block))
  live.votes('prevote', [1, 2], { block })
  live.votes('precommit', [1, 2], { block })
  assert.equal(live.state.height, 2n)
  const { newest } = answerRequest(live.state, {
    kind: 'request',
    signer: second,
    nonce: NONCE,
  } as AuthenticatedRequest)
  assert.deepEqual([newest?.kind, newest?.height], ['precommit', 1n])
})

// On the wire, with real signatures.

const members = createTestMembers(4)
const committee = { ...createCommittee(), signers: members.map(({ signer }) => signer), self: members[0]!.signer }
const keyOf = (signer: Hex) => members.find((member) => member.signer === signer)!.secretKey
const signAs = (signer: Hex) => (digest: Hex) => signDigest(digest, keyOf(signer))
const sign = <M extends HandshakeMessage>(message: M, as: Hex = message.signer) => signHandshake(message, signAs(as))

const request: HandshakeRequest = {
  kind: 'request',
  component: COMPONENT,
  epoch: 0n,
  signer: members[1]!.signer,
  nonce: NONCE,
}
const position = { component: COMPONENT, epoch: 0n, height: 1n, round: 2, signer: members[0]!.signer }
const vote = fakeVote(members[0]!.signer)
const reply: HandshakeAnswer = { ...request, kind: 'answer', asker: members[0]!.signer, height: 3n, newest: vote }

function fakeVote(signer: Hex): SignedMessage {
  const message = { kind: 'prevote', ...position, signer, commitDigest: null } as const
  return { ...message, signature: signAs(signer)(deriveMessageDigest(message)) }
}

for (const message of [request, { ...reply, newest: null }, reply] as HandshakeMessage[])
  test(`handshake codec: ${message.kind}${'newest' in message && message.newest ? ' with a vote' : ''} there and back`, () => {
    const signed = sign(message) as SignedHandshakeMessage
    const bytes = encodeHandshake(signed)
    assert.deepEqual(decodeHandshake(bytes), signed)
    for (const bad of [bytes.subarray(0, -1), new Uint8Array([...bytes, 0]), new Uint8Array(0)]) {
      assert.throws(() => decodeHandshake(bad), MalformedMessageError)
    }
  })

const read = (message: SignedHandshakeMessage, nonce: Hex | null = NONCE) =>
  authenticateHandshake(encodeHandshake(message), { committee, nonce })

test('authenticateHandshake: lets a request and an answer of a member pass', () => {
  assert.deepEqual(read(sign(request)), { message: sign(request) })
  assert.deepEqual(read(sign(reply)), { message: sign(reply) })
})

const other: Hex = `0x${'11'.repeat(32)}`
for (const [name, message, refused, nonce = NONCE] of [
  ['another component', sign({ ...request, component: other }), 'component'],
  ['another epoch', sign({ ...request, epoch: 1n }), 'epoch'],
  ['a stranger', { ...sign(request), signer: createSigners(1)[0]! }, 'membership'],
  ['itself', sign({ ...request, signer: members[0]!.signer }), 'self'],
  ['an answer to an earlier restart', sign({ ...reply, nonce: other }), 'nonce'],
  ['an answer to another member', sign({ ...reply, asker: members[2]!.signer }), 'asker'],
  ['an answer where none is awaited', sign(reply), 'nonce', null],
  ['another’s signature', sign(request, members[2]!.signer), 'signature'],
  ['an answer that was changed', { ...sign(reply), height: 4n }, 'signature'],
  ['a vote of another member', sign({ ...reply, newest: fakeVote(members[2]!.signer) }), 'signature'],
  ['a vote that nobody signed', sign({ ...reply, newest: { ...vote, round: 9 } as SignedMessage }), 'signature'],
] as [string, SignedHandshakeMessage, string, (Hex | null)?][])
  test(`authenticateHandshake: refuses ${name}`, () => assert.deepEqual(read(message, nonce), { refused }))

test('authenticateHandshake: refuses bytes of no form', () => {
  assert.deepEqual(authenticateHandshake(new Uint8Array(32), { committee, nonce: NONCE }), { refused: 'malformed' })
})
