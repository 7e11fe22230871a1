import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Hex } from '../../../protocol/bytes.ts'
import { verifyAcknowledgement } from '../../../protocol/wire/acknowledgement.ts'
import { encodeSignedAdmission, verifySignedAdmission } from '../../../protocol/wire/admissionStatement.ts'
import { encodeEnvelope } from '../../../protocol/wire/envelope.ts'
import { ALARM_AHEAD_MS } from '../../../workers/attestation/admission.ts'
import { encodeFrame } from '../../../workers/member/frame.ts'
import { attributeBits } from '../../protocol/attestation/factory/quote.ts'
import { keys as factoryKeys } from '../../protocol/attestation/factory/world.ts'
import { approve, createAttestedWorld, FIRST, keys, quoteOf, rotateTo, signersOf, until } from './attested.ts'
import { component, createEnvelope } from './chronicle-of-tests.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** Four members at height 1, whose commit is what quotes are bound to. */
async function startCommittee() {
  const world = createAttestedWorld()
  await world.startAll()
  await world.submit(0, createEnvelope(1n, ['{}']))
  await until(() => FIRST.every((index) => world.member(index).replica.state().height === 1n))
  return world
}

test('a newcomer that is admitted is served, enters by rotation, and is counted', async () => {
  const world = await startCommittee()
  // It knows no commit yet: whoever does not admit it says over which one it may quote.
  await world.start(4)
  await until(() => FIRST.every((index) => world.admittedBy(index, 4)))
  await until(() => world.member(4).replica.state().height === 1n)
  const second = [1, 2, 3, 4]
  for (const index of [0, 1, 2]) await world.submit(index, approve(index, rotateTo(second)))
  await until(() => second.every((index) => world.member(index).replica.state().epoch === 1n))
  world.stop([0, 3])
  const envelope = createEnvelope(2n, ['{}'])
  const acknowledgement = await world.submit(1, envelope)
  verifyAcknowledgement({ acknowledgement, envelope, signers: signersOf(second) })
  world.stop([1, 2, 4])
})

test('a newcomer that takes long over its quote is served when it has one, although the committee is idle', async () => {
  const world = await startCommittee()
  let release = (): void => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const quote = async (data: Hex): Promise<Uint8Array> => {
    await held
    return quoteOf(data)
  }
  await world.start(4, { sources: { quote } })
  // Of itself it asks each peer about once, and gives up; that it is refused keeps it asking.
  await until(() => world.member(0).driver.vitals.drops().unadmitted >= 9)
  release()
  await until(() => world.member(4).replica.state().height === 1n)
  world.stop()
})

test('a member states whom it has admitted, under its own signature', async () => {
  const world = await startCommittee()
  await world.start(4)
  await until(() => world.admittedBy(0, 4))
  const [member, peer] = signersOf([0, 4]) as [Hex, Hex]
  const signed = world.member(0).driver.gate!.stateAdmission(peer)!
  const text = encodeSignedAdmission(signed)
  const { endsAtMs } = verifySignedAdmission(text, { component, peer, member })
  assert.equal(endsAtMs, Number(world.newestNonce().timeMs) + DAY_MS)
  const other: Hex = `0x${'c1'.repeat(32)}`
  for (const [what, changed, expected] of [
    ['another member', text, { component, peer, member: keys[1]!.signer }],
    ['another peer', text, { component, peer: keys[5]!.signer, member }],
    ['another component', text, { component: other, peer, member }],
    ['another end', encodeSignedAdmission({ ...signed, endsAtMs: endsAtMs + 1 }), { component, peer, member }],
    ['no JSON', '', { component, peer, member }],
    ['another form', '{}', { component, peer, member }],
  ] as const) {
    assert.throws(() => verifySignedAdmission(changed, expected), { code: 'ADMISSION_UNTRUSTED' }, what)
  }
  assert.equal(world.member(0).driver.gate!.stateAdmission(keys[5]!.signer), undefined)
  world.stop()
})

type Outsider = Awaited<ReturnType<ReturnType<typeof createAttestedWorld>['connectOutsider']>>
type TicketChange = Parameters<Outsider['ticket']>[0]

/** What an outsider shows, and by which code each member refuses it. */
const REFUSED: {
  name: string
  code: string
  change: (world: ReturnType<typeof createAttestedWorld>) => TicketChange
}[] = [
  {
    name: 'another measurement',
    code: 'MEASUREMENT_NOT_ALLOWED',
    change: () => ({ world: { report: { mrTd: new Uint8Array(48).fill(0x12) } } }),
  },
  {
    name: 'another runtime measurement',
    code: 'MEASUREMENT_NOT_ALLOWED',
    change: () => ({ world: { report: { rtMr: [0xa0, 0xa1, 0xaf, 0].map((byte) => new Uint8Array(48).fill(byte)) } } }),
  },
  {
    name: 'a TD that can be debugged',
    code: 'TD_DEBUG',
    change: () => ({ world: { report: { tdAttributes: attributeBits(0, 28) } } }),
  },
  {
    name: 'a signature that is not the platform’s',
    code: 'QUOTE_SIGNATURE_INVALID',
    change: () => ({ world: { quote: { signingKey: factoryKeys.stranger } } }),
  },
  {
    name: 'a quote of another signer',
    code: 'QUOTE_BINDING_MISMATCH',
    change: () => ({ bindTo: { signer: keys[6]!.signer } }),
  },
  {
    name: 'a quote for another component',
    code: 'QUOTE_BINDING_MISMATCH',
    change: () => ({ bindTo: { componentId: `0x${'1e'.repeat(32)}` } }),
  },
  {
    name: 'a commit that is none of this component',
    code: 'TICKET_NONCE_UNKNOWN',
    change: (world) => ({ nonce: { ...world.newestNonce(), digest: `0x${'ab'.repeat(32)}` } }),
  },
  {
    name: 'a commit of a height that nobody has decided',
    code: 'TICKET_NONCE_UNKNOWN',
    change: (world) => ({ nonce: { ...world.newestNonce(), height: 2n } }),
  },
  {
    name: 'a commit that is too old',
    code: 'QUOTE_BINDING_STALE',
    change(world) {
      world.advance(10 * MINUTE_MS + 1)
      return {}
    },
  },
  {
    name: 'a binding that is over',
    code: 'QUOTE_BINDING_STALE',
    change: (world) => ({ notAfterMs: world.clock.nowMs() - 1 }),
  },
  {
    name: 'a binding that lasts too long',
    code: 'QUOTE_BINDING_STALE',
    change: (world) => ({ notAfterMs: world.newestNonce().timeMs + DAY_MS + 1 }),
  },
]
for (const { name, code, change } of REFUSED)
  test(`an outsider with ${name} is refused as ${code}, is told so, and is not served`, async () => {
    const world = await startCommittee()
    const outsider = await world.connectOutsider(5)
    await outsider.say({ kind: 'tickets', tickets: [outsider.ticket(change(world))] })
    await until(() => FIRST.every((index) => world.codeAt(index, 5) === code))
    await until(() => outsider.answers().includes(code))
    await outsider.askUntil('TICKET_MISSING')
    assert.deepEqual([...new Set(outsider.answers())].sort(), [code, 'TICKET_MISSING'].sort())
    assert.equal(world.member(0).driver.gate!.stateAdmission(outsider.signer), undefined)
    world.stop()
  })

test('members whose clocks are set back an hour go on telling a peer, and judge again what it shows', async () => {
  const world = await startCommittee()
  const outsider = await world.connectOutsider(5)
  const ticket = outsider.ticket({ world: { report: { mrTd: new Uint8Array(48).fill(0x12) } } })
  const show = () => outsider.say({ kind: 'tickets', tickets: [ticket] })
  await show()
  await until(() => FIRST.every((index) => world.codeAt(index, 5) === 'MEASUREMENT_NOT_ALLOWED'))
  await until(() => outsider.answers().includes('MEASUREMENT_NOT_ALLOWED'))
  world.setClocks(-HOUR_MS)
  await outsider.askUntil('TICKET_MISSING')
  world.advance(10_000)
  await show()
  // By such a clock the commit that it quoted over is yet to come.
  await until(() => FIRST.every((index) => world.codeAt(index, 5) === 'QUOTE_BINDING_STALE'))
  await until(() => outsider.answers().includes('QUOTE_BINDING_STALE'))
  world.stop()
})

test('an outsider without a ticket is neither served nor heard, signed or not', async () => {
  const world = await startCommittee()
  const outsider = await world.connectOutsider(5)
  const drops = () => world.member(0).driver.vitals.drops()
  await outsider.transport.broadcast(encodeFrame({ kind: 'behind', height: 0n, peer: keys[0]!.signer }))
  await until(() => drops().unadmitted === 1)
  await outsider.ask()
  await until(() => outsider.answers().length > 0)
  await outsider.say({ kind: 'tickets', tickets: [] })
  await until(() => drops().tickets === 1)
  assert.equal(world.codeAt(0, 5), 'TICKET_MISSING')
  const heights = [{ record: '{}', envelopes: [], extensions: [] }]
  await outsider.say({ kind: 'decided', first: 2n, heights, extensions: [] })
  await until(() => drops().unadmitted === 3)
  assert.deepEqual([...new Set(outsider.answers())], ['TICKET_MISSING'])
  assert.equal(drops().malformed, 0)
  world.stop()
})

test('what a connected peer says must bear its signature, for this component', async () => {
  const world = await startCommittee()
  const outsider = await world.connectOutsider(5)
  const drops = () => world.member(0).driver.vitals.drops()
  const behind = { kind: 'behind', height: 0n, peer: keys[0]!.signer } as const
  await outsider.say(behind, { signer: keys[1]!.signer })
  await until(() => drops().signature === 1)
  const shown = { kind: 'tickets', tickets: [outsider.ticket({})] } as const
  await outsider.say(shown, { component: `0x${'c1'.repeat(32)}` })
  await until(() => drops().signature === 2)
  await outsider.say(shown, { signer: keys[6]!.signer })
  await until(() => drops().signature === 3)
  assert.deepEqual(outsider.answers(), [])
  await outsider.say(shown)
  await until(() => world.admittedBy(0, 5))
  await outsider.askUntil('decided')
  world.stop()
})

test('an outsider whose admission ends is disconnected, without being asked', async () => {
  const world = await startCommittee()
  const outsider = await world.connectOutsider(5)
  const notAfterMs = world.clock.nowMs() + 2 * MINUTE_MS
  await outsider.say({ kind: 'tickets', tickets: [outsider.ticket({ notAfterMs })] })
  await until(() => world.admittedBy(0, 5))
  await outsider.askUntil('decided')
  const before = outsider.heard.length
  world.advance(2 * MINUTE_MS)
  assert.equal(world.admittedBy(0, 5), false)
  await outsider.askUntil('TICKET_MISSING')
  const later = outsider.heard.slice(before).filter(({ kind }) => kind === 'decided')
  assert.deepEqual(later, [])
  await until(
    () =>
      !world
        .member(0)
        .driver.gate!.status()
        .admitted.some(({ signer }) => signer === outsider.signer),
  )
  world.stop()
})

test('a member of the epoch whose quote ends goes on voting and being counted; each member alarms once', async () => {
  const world = createAttestedWorld()
  const quoted = { isOut: false }
  const quote = async (data: Hex): Promise<Uint8Array> => {
    if (quoted.isOut) throw new Error('this platform quotes no more')
    return quoteOf(data)
  }
  for (const index of [0, 1, 2]) await world.start(index)
  await world.start(3, { sources: { quote } })
  await world.submit(0, createEnvelope(1n, ['{}']))
  await until(() => [0, 1, 2].every((index) => world.admittedBy(index, 3)))
  quoted.isOut = true
  world.advance(DAY_MS - ALARM_AHEAD_MS)
  // A commit of now: the others' own quotes are renewed over it.
  await world.submit(1, createEnvelope(2n, ['{}']))
  const alarmsOf = (by: number) => world.alarms.filter((alarm) => alarm.by === by && alarm.signer === keys[3]!.signer)
  await until(() => [0, 1, 2].every((by) => alarmsOf(by).length === 1))
  world.advance(2 * ALARM_AHEAD_MS)
  assert.equal(world.admittedBy(0, 3), false)
  world.member(0).kill() // without the fourth there is no quorum now
  const envelope = createEnvelope(3n, ['{}'])
  const acknowledgement = await world.submit(1, envelope)
  verifyAcknowledgement({ acknowledgement, envelope, signers: signersOf(FIRST) })
  await until(() => world.member(3).replica.state().height === 3n)
  const listed = world
    .member(1)
    .driver.gate!.status()
    .admitted.find(({ signer }) => signer === keys[3]!.signer)
  assert.equal(listed?.isEnding, true)
  for (const by of [1, 2]) assert.equal(alarmsOf(by).length, 1)
  world.stop([1, 2, 3])
})

test('a member renews its quote over a commit of now, and its peers keep it admitted beyond its first end', async () => {
  const world = await startCommittee()
  const outsider = await world.start(4)
  await until(() => FIRST.every((index) => world.admittedBy(index, 4)))
  const first = world.member(0).driver.gate!.stateAdmission(outsider.signer)!.endsAtMs
  world.advance(6 * MINUTE_MS)
  await world.submit(0, createEnvelope(2n, ['{}']))
  await until(() => (world.member(0).driver.gate!.stateAdmission(outsider.signer)?.endsAtMs ?? 0) > first)
  assert.deepEqual(world.alarms, [])
  world.stop()
})

test('a member that was restarted admits its peers again, without a word from them that they were away', async () => {
  const world = await startCommittee()
  await world.start(4)
  await until(() => world.admittedBy(0, 4))
  world.member(0).kill()
  await world.start(0, { isNew: false })
  assert.equal(world.admittedBy(0, 4), false)
  world.advance(6 * MINUTE_MS)
  await world.submit(1, createEnvelope(2n, ['{}']))
  await until(() => world.admittedBy(0, 4))
  world.stop()
})

test('a member does not bring its own operator’s approval of somebody whom it has not admitted', async () => {
  const world = await startCommittee()
  const envelope = approve(0, rotateTo([1, 2, 3, 5]))
  const submit = () => world.member(0).driver.submit(encodeEnvelope(envelope))
  await assert.rejects(submit(), { code: 'ENTRANT_NOT_ADMITTED', message: new RegExp(keys[5]!.signer) })
  assert.equal(world.member(0).driver.vitals.drops().unadmitted, 0)
  assert.deepEqual(world.member(0).driver.status().pool, { envelopes: 0, bytes: 0 })
  // Once it has, the very same envelope is taken.
  const outsider = await world.connectOutsider(5)
  await outsider.say({ kind: 'tickets', tickets: [outsider.ticket({})] })
  await until(() => world.admittedBy(0, 5))
  const acknowledgement = await world.submit(0, envelope)
  verifyAcknowledgement({ acknowledgement, envelope, signers: signersOf(FIRST) })
  world.stop()
})

test('what a quorum has approved is decided by every member alike, whomever it has admitted', async () => {
  const world = await startCommittee()
  const second = [1, 2, 3, 5]
  const outsider = await world.connectOutsider(5)
  // Only three members see its tickets, and their operators approve; the fourth executes what they decided.
  world.network.cut(0)
  await outsider.say({ kind: 'tickets', tickets: [outsider.ticket({ nonce: world.newestNonce() })] })
  await until(() => [1, 2, 3].every((index) => world.admittedBy(index, 5)))
  world.network.heal(0)
  for (const index of [1, 2, 3]) await world.submit(index, approve(index, rotateTo(second)))
  await until(() => FIRST.every((index) => world.member(index).replica.state().epoch === 1n))
  assert.equal(world.admittedBy(0, 5), false)
  world.stop()
})

test('a rotation among members that are there, and a retirement, ask for no admission', async () => {
  const world = createAttestedWorld()
  for (const index of FIRST) await world.start(index, { sources: {} })
  await world.submit(0, approve(0, rotateTo([0, 1, 2])))
  await world.submit(
    1,
    approve(1, { kind: 'approveRetirement', epoch: 0n, successor: `0x${'5c'.repeat(32)}`, reason: '' }),
  )
  world.stop()
})

test('before the first commit a block of the home chain is quoted over, and no more after it', async () => {
  const world = createAttestedWorld()
  const digest: Hex = `0x${'b1'.repeat(32)}`
  const timeMs = world.clock.nowMs() - MINUTE_MS
  const blocks = {
    newest: async () => ({ digest, timeMs }),
    timeOf: async (asked: Hex) => (asked === digest ? timeMs : undefined),
  }
  for (const index of FIRST) await world.start(index, { blocks })
  await world.start(4, { blocks })
  await until(() => FIRST.every((index) => world.admittedBy(index, 4)))
  await world.submit(0, createEnvelope(1n, ['{}']))
  await until(() => world.member(0).replica.state().height === 1n)
  const outsider = await world.connectOutsider(5)
  await outsider.say({ kind: 'tickets', tickets: [outsider.ticket({ nonce: { digest, height: 0n, timeMs } })] })
  await until(() => world.codeAt(0, 5) === 'TICKET_NONCE_UNKNOWN')
  world.stop()
})

test('a component without validators has no gate: signed frames and tickets are dropped there', async () => {
  const { startCommittee: startOpen } = await import('./chronicle-of-tests.ts')
  const { network, running, stop } = await startOpen([0])
  const { vitals, gate } = running[0]!.driver
  assert.equal(gate, undefined)
  const bytes = encodeFrame({ kind: 'behind', height: 0n, peer: running[0]!.signer })
  const stranger = network.connect(9)
  await stranger.broadcast(
    encodeFrame({ kind: 'signed', signer: keys[5]!.signer, signature: `0x${'00'.repeat(64)}`, bytes }),
  )
  await stranger.broadcast(encodeFrame({ kind: 'tickets', tickets: [] }))
  await until(() => vitals.drops().unadmitted === 2)
  stop()
})
