import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeMessage } from '../../../committee/codec.ts'
import { encodeHandshake, type SignedHandshakeMessage } from '../../../committee/handshakeMessage.ts'
import { signMessage } from '../../../committee/sign.ts'
import type { Message, SignedMessage } from '../../../committee/types.ts'
import type { Hex } from '../../../protocol/bytes.ts'
import { decodeCommitRecord, encodeCommitRecord } from '../../../protocol/wire/commitRecord.ts'
import { encodeEnvelope } from '../../../protocol/wire/envelope.ts'
import { signDigest } from '../../../protocol/wire/signature.ts'
import { UndecidedError } from '../../../workers/member/driverErrors.ts'
import { encodeFrame } from '../../../workers/member/frame.ts'
import { FRAME_SIZE_MAX_BYTES } from '../../../workers/member/transport.ts'
import { type DropReason, dropReasonOf } from '../../../workers/member/vitals.ts'
import {
  component,
  createEnvelope,
  createTestDir,
  members,
  signers,
  startCommittee,
  startTestMember,
  submitter,
} from './chronicle-of-tests.ts'
import { createMemoryNetwork } from './memoryTransport.ts'

const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** A signature of somebody else over something else: whoever looked at it would count `signature`. */
const FORGED = signDigest(`0x${'77'.repeat(32)}`, submitter.secretKey)
const OTHER: Hex = `0x${'11'.repeat(32)}`
const position = { component, epoch: 0n, height: 1n, round: 0, signer: signers[1]! }
const prevote = (over: object): Uint8Array =>
  encodeFrame({
    kind: 'consensus',
    bytes: encodeMessage({
      kind: 'prevote',
      ...position,
      commitDigest: OTHER,
      signature: FORGED,
      ...over,
    } as SignedMessage),
  })
const request = (over: object): Uint8Array => {
  const message = { kind: 'request', component, epoch: 0n, signer: signers[1]!, nonce: OTHER, signature: FORGED }
  return encodeFrame({ kind: 'handshake', bytes: encodeHandshake({ ...message, ...over } as SignedHandshakeMessage) })
}
const answer = { kind: 'answer', asker: signers[0]!, height: 1n, newest: null }
const envelope = (over: object): Uint8Array =>
  encodeFrame({
    kind: 'envelope',
    bytes: encodeEnvelope({ ...createEnvelope(1n, ['{}']), signature: FORGED, ...over }),
  })

/** Each with every later, dearer fault as well: only the first is found, so the later ones were not looked for. */
const dropped: [string, Uint8Array, DropReason][] = [
  ['a frame that is too large', new Uint8Array(FRAME_SIZE_MAX_BYTES + 1), 'oversized'],
  ['a frame of no kind', new Uint8Array([255, 1, 2]), 'malformed'],
  ['no bytes', new Uint8Array(0), 'malformed'],
  ['a message of no form', encodeFrame({ kind: 'consensus', bytes: new Uint8Array(9) }), 'malformed'],
  [
    'a vote of another component',
    prevote({ component: OTHER, epoch: 9n, height: 9n, signer: submitter.signer }),
    'component',
  ],
  ['a vote of another epoch', prevote({ epoch: 9n, height: 9n, signer: submitter.signer }), 'epoch'],
  ['a vote of a decided height', prevote({ height: 0n, signer: submitter.signer }), 'heightBehind'],
  ['a vote of a height out of reach', prevote({ height: 3n, signer: submitter.signer }), 'heightAhead'],
  ['a vote of no member', prevote({ signer: submitter.signer }), 'membership'],
  ['a vote that its member did not sign', prevote({}), 'signature'],
  ['a handshake of another component', request({ component: OTHER, epoch: 9n, signer: submitter.signer }), 'component'],
  ['a handshake of another epoch', request({ epoch: 9n, signer: submitter.signer }), 'epoch'],
  ['a handshake of no member', request({ signer: submitter.signer }), 'membership'],
  ['an answer to an earlier restart', request({ ...answer, nonce: OTHER }), 'nonce'],
  ['a handshake that its member did not sign', request({}), 'signature'],
  ['an envelope of no form', encodeFrame({ kind: 'envelope', bytes: new Uint8Array(64) }), 'malformed'],
  [
    'an envelope that is too large',
    encodeFrame({ kind: 'envelope', bytes: new Uint8Array((1 << 20) + 1) }),
    'oversized',
  ],
  ['an envelope for another component', envelope({ component: OTHER, sequence: 9_999n }), 'component'],
  ['an envelope of a decided sequence', envelope({ sequence: 0n }), 'sequence'],
  ['an envelope too far ahead', envelope({ sequence: 9_999n }), 'poolFull'],
  ['an envelope that its submitter did not sign', envelope({}), 'signature'],
  [
    'an envelope of a stranger',
    encodeFrame({ kind: 'envelope', bytes: encodeEnvelope(createEnvelope(1n, ['{}'], members[2]!)) }),
    'command',
  ],
  [
    'a decision that is no record',
    encodeFrame({
      kind: 'decided',
      first: 1n,
      heights: [{ record: '{}', envelopes: [], extensions: [] }],
      extensions: [],
    }),
    'malformed',
  ],
]
for (const [name, frame, reason] of dropped)
  test(`a member drops ${name}, and counts it as ${reason} and nothing else`, async () => {
    const network = createMemoryNetwork()
    const member = await startTestMember({ index: 0, dir: createTestDir(), transport: network.connect(0) })
    await network.connect(9).broadcast(frame)
    const counts = () => Object.entries(member.driver.vitals.drops()).filter(([, count]) => count > 0)
    await until(() => counts().length > 0)
    assert.deepEqual(counts(), [[reason, 1]])
    assert.deepEqual([...member.driver.vitals.lastHeardMs()], [])
    assert.deepEqual(member.faults, [])
    member.kill()
  })

test('a member hears whom it authenticated, once a vote: the same one again is a duplicate', async () => {
  const { network, running, stop } = await startCommittee([0, 1, 2])
  await until(() => running.every(({ driver }) => driver.status().isJoined))
  const vote: Message = { kind: 'prevote', ...position, signer: signers[3]!, commitDigest: null }
  const bytes = encodeMessage(signMessage(vote, (digest) => signDigest(digest, members[3]!.secretKey)))
  const stranger = network.connect(9)
  const { vitals } = running[0]!.driver
  assert.equal(vitals.lastHeardMs().has(signers[3]!), false)
  for (let times = 0; times < 3; times++) await stranger.broadcast(encodeFrame({ kind: 'consensus', bytes }))
  await until(() => vitals.drops().duplicate === 2)
  assert.deepEqual([...vitals.lastHeardMs().keys()].sort(), signers.slice(1))
  stop()
})

test('a member drops decisions that are forged, of another batch, replayed or out of reach, each by its reason', async () => {
  const { running, stop } = await startCommittee([0, 1, 2])
  const bytes = encodeEnvelope(createEnvelope(1n, ['{}']))
  await running[0]!.driver.submit(bytes)
  const text = running[0]!.store.readRecord(1n)!
  const batch = running[0]!.store.readBatch(1n)
  stop()
  const record = decodeCommitRecord(text)
  const { commit, certificate } = record
  const forged = `0x${certificate.signatures.slice(2, -2)}${certificate.signatures.endsWith('00') ? '01' : '00'}` as Hex
  const decided = (of: string, envelopes: readonly Uint8Array[] = batch) =>
    encodeFrame({ kind: 'decided', first: 1n, heights: [{ record: of, envelopes, extensions: [] }], extensions: [] })
  const network = createMemoryNetwork()
  const late = await startTestMember({ index: 3, dir: createTestDir(), transport: network.connect(3) })
  const peer = network.connect(9)
  const expectDrop = async (frame: Uint8Array, reason: DropReason) => {
    const before = late.driver.vitals.drops()
    await peer.broadcast(frame)
    await until(() => late.driver.vitals.drops()[reason] > before[reason])
    assert.deepEqual(late.driver.vitals.drops(), { ...before, [reason]: before[reason] + 1 })
  }
  const as = (over: object) => encodeCommitRecord({ ...record, commit: { ...commit, ...over } })
  await expectDrop(decided(as({ component: OTHER, epoch: 9n, height: 9n }), []), 'component')
  await expectDrop(decided(as({ epoch: 9n, height: 9n }), []), 'epoch')
  await expectDrop(decided(as({ height: 9n }), []), 'heightAhead')
  await expectDrop(decided(text, []), 'batch')
  await expectDrop(
    decided(encodeCommitRecord({ ...record, certificate: { ...certificate, signatures: forged } })),
    'certificate',
  )
  assert.equal(late.replica.state().height, 0n)
  await peer.broadcast(decided(text))
  await until(() => late.replica.state().height === 1n)
  await expectDrop(decided(text), 'heightBehind')
  await expectDrop(encodeFrame({ kind: 'envelope', bytes }), 'sequence')
  assert.deepEqual(late.faults, [])
  late.kill()
})

test('dropReasonOf: an error that is none of ours, and an envelope that only waits, drop nothing', () => {
  assert.equal(dropReasonOf(new UndecidedError({ reason: 'no quorum' })), undefined)
  assert.equal(dropReasonOf(new Error('a fault')), undefined)
})
