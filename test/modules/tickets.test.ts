import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeAbiParameters, parseAbiParameters } from 'viem'
import { TICKETS_MAX, type TicketIssuerState, ticketIssuer } from '../../modules/tickets/machine.ts'
import { dropEnded, EMPTY_STATUS_LIST, findTicket, listTickets, setTicket } from '../../modules/tickets/statusList.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { keccak256 } from '../../protocol/hash.ts'
import { deriveStateRoot, isStateItemUnder, proveStateItem } from '../../protocol/wire/stateTree.ts'
import {
  encodeHeartbeat,
  encodeTicketIssued,
  encodeTicketRevoked,
  toTicketStatusItem,
} from '../../protocol/wire/ticket.ts'
import { decodeTicketCommand, encodeTicketCommand, type TicketCommand } from '../../protocol/wire/ticketCommand.ts'
import {
  decodeTicketIssuerParameters,
  encodeTicketIssuerParameters,
} from '../../protocol/wire/ticketIssuerParameters.ts'
import { packWords } from '../../protocol/wire/typedData.ts'
import { testMachine } from './machineHarness.ts'

const issuer: Hex = `0x${'51'.repeat(20)}`
const stranger: Hex = `0x${'52'.repeat(20)}`
const [first, second, third]: readonly Hex[] = ['a1', 'b2', 'c3'].map((byte): Hex => `0x${byte.repeat(32)}`)
const rules = {
  issuers: [issuer],
  anchorEveryCommits: 3,
  anchorEverySeconds: 10,
  heartbeatEverySeconds: 60,
}
const parameters = encodeTicketIssuerParameters(rules)
const commandOf = (command: TicketCommand, from = issuer) => ({
  component: `0x${'c0'.repeat(32)}` as Hex,
  submitter: from,
  sequence: 1n,
  index: 0,
  payload: encodeTicketCommand(command),
})
const issue = (ticketHash: Hex, notAfter = 1_000n) => commandOf({ kind: 'issue', ticketHash, notAfter })
const revoke = (ticketHash: Hex) => commandOf({ kind: 'revoke', ticketHash })
const renew = (ticketHash: Hex, newTicketHash: Hex, notAfter = 2_000n) =>
  commandOf({ kind: 'renew', ticketHash, newTicketHash, notAfter })

testMachine({
  name: 'ticketIssuer',
  machine: ticketIssuer,
  parameters,
  commands: [
    issue(second!),
    issue(first!),
    renew(first!, third!),
    revoke(second!),
    commandOf({ kind: 'requestAnchor' }),
  ],
  refused: [
    commandOf({ kind: 'issue', ticketHash: `0x${'d4'.repeat(32)}`, notAfter: 9n }, stranger),
    issue(first!), // revoked when it was renewed
    issue(third!),
    revoke(second!), // revoked already
    revoke(`0x${'d4'.repeat(32)}`),
    renew(third!, third!),
    renew(second!, `0x${'d4'.repeat(32)}`),
    { ...issue(first!), payload: new Uint8Array(0) },
    { ...issue(first!), payload: new Uint8Array(96) },
  ],
})

/** Runs one commit with `commands` at `timestampMs`. */
function commit(
  state: TicketIssuerState,
  { timestampMs, logSize, height = 1n }: { timestampMs: bigint; logSize: bigint; height?: bigint },
  ...commands: readonly ReturnType<typeof commandOf>[]
) {
  const events: Uint8Array[] = []
  for (const command of commands) {
    ticketIssuer.validate(state, command)
    const applied = ticketIssuer.apply(state, command, { height, timestampMs })
    state = applied.state
    events.push(...applied.events)
  }
  const after = { height, timestampMs, logSize: logSize + BigInt(events.length), observations: new Map() }
  const finished = ticketIssuer.finish(state, after)
  return { state: finished.state, anchor: finished.anchor, events: [...events, ...finished.events] }
}

const started = (timestampMs = 1n): TicketIssuerState => ({
  ...ticketIssuer.genesis(parameters),
  heartbeatMs: timestampMs,
})

test('ticketIssuer: the log says what was issued and revoked, and names nobody', () => {
  const { events } = commit(
    started(),
    { timestampMs: 2n, logSize: 0n },
    issue(first!),
    renew(first!, second!),
    revoke(second!),
  )
  assert.deepEqual(
    events.map(toHex),
    [
      encodeTicketIssued(first!),
      encodeTicketRevoked(first!),
      encodeTicketIssued(second!),
      encodeTicketRevoked(second!),
    ].map(toHex),
  )
})

test('ticketIssuer: its state proves a valid ticket, and of a revoked one that it is not', () => {
  const issued = commit(started(), { timestampMs: 2n, logSize: 0n }, issue(first!)).state
  const valid = toTicketStatusItem(first!, 'valid')
  const items = ticketIssuer.items(issued)
  assert.ok(isStateItemUnder(deriveStateRoot(items), { item: valid, proof: proveStateItem(items, valid) }))
  const revoked = ticketIssuer.items(commit(issued, { timestampMs: 3n, logSize: 1n }, revoke(first!)).state)
  assert.throws(() => proveStateItem(revoked, valid), RangeError)
  proveStateItem(revoked, toTicketStatusItem(first!, 'revoked'))
})

test('ticketIssuer: a commit makes no item of a ticket that it does not change, so that none is hashed again', () => {
  const before = commit(started(), { timestampMs: 2n, logSize: 0n }, issue(first!), issue(second!)).state
  const after = ticketIssuer.items(commit(before, { timestampMs: 3n, logSize: 2n }, revoke(second!)).state)
  const itemsOf = (ticketHash: Hex) => ticketIssuer.items(before).filter(({ key }) => key === ticketHash)
  assert.equal(itemsOf(first!).length, 2)
  for (const item of itemsOf(first!)) assert.ok(after.includes(item))
  for (const item of itemsOf(second!)) assert.ok(!after.includes(item))
})

test('ticketIssuer: forgets a ticket once its last second is over, and not before', () => {
  const issued = commit(started(), { timestampMs: 2n, logSize: 0n }, issue(first!, 5n)).state
  const last = commit(issued, { timestampMs: 5_999n, logSize: 1n }).state
  assert.equal(last.tickets.count, 1)
  assert.equal(commit(last, { timestampMs: 6_000n, logSize: 1n }).state.tickets.count, 0)
})

test('ticketIssuer: a heartbeat is due when nothing was anchored for that long, and anchors', () => {
  const state = started(1_000n)
  assert.equal(ticketIssuer.dueAtMs(state, { logSize: 0n }), 61_000n)
  const early = commit(state, { timestampMs: 60_999n, logSize: 0n })
  assert.deepEqual([early.anchor, early.events.length], [false, 0])
  const due = commit(state, { timestampMs: 61_000n, logSize: 0n })
  assert.deepEqual([due.anchor, due.events.map(toHex)], [true, [toHex(encodeHeartbeat(61_000n))]])
  assert.equal(ticketIssuer.dueAtMs(due.state, { logSize: 1n }), 121_000n)
})

test('ticketIssuer: an anchor for another reason counts as a heartbeat', () => {
  const { state, anchor, events } = commit(
    started(1_000n),
    { timestampMs: 50_000n, logSize: 0n },
    issue(first!),
    commandOf({ kind: 'requestAnchor' }),
  )
  assert.deepEqual([anchor, events.length], [true, 1])
  assert.equal(ticketIssuer.dueAtMs(state, { logSize: 1n }), 110_000n)
})

test('ticketIssuer: the first commit of all carries a heartbeat, so that there is a head to ask about', () => {
  const { anchor, events } = commit(ticketIssuer.genesis(parameters), { timestampMs: 1_700_000_000_000n, logSize: 0n })
  assert.deepEqual([anchor, events.length], [true, 1])
})

test('ticketIssuer: refuses one more ticket than it remembers, and renewals with it', () => {
  let tickets = EMPTY_STATUS_LIST
  for (let i = 0; i < TICKETS_MAX; i++) {
    const ticketHash: Hex = toHex(keccak256(packWords([i])))
    tickets = setTicket(tickets, ticketHash, { status: 'valid', notAfter: 1_000n })
  }
  const state = { ...started(), tickets }
  assert.throws(() => ticketIssuer.validate(state, issue(first!)), { code: 'TICKETS_FULL' })
  const [known] = listTickets(tickets)[0]!
  assert.throws(() => ticketIssuer.validate(state, renew(known, first!)), { code: 'TICKETS_FULL' })
  ticketIssuer.validate(state, revoke(known))
})

test('ticketIssuer: names each refusal', () => {
  const issued = commit(started(), { timestampMs: 2n, logSize: 0n }, issue(first!), issue(third!))
  const { state } = commit(issued.state, { timestampMs: 3n, logSize: 2n }, revoke(third!))
  const refusalOf = (command: ReturnType<typeof commandOf>): string | undefined => {
    try {
      ticketIssuer.validate(state, command)
      return undefined
    } catch (error) {
      return (error as CoalitionError).code
    }
  }
  assert.deepEqual(
    [
      issue(first!),
      revoke(second!),
      revoke(third!),
      renew(third!, second!),
      renew(first!, first!),
      commandOf({ kind: 'requestAnchor' }, stranger),
      { ...issue(second!), payload: Uint8Array.of(1) },
      issue(second!),
    ].map(refusalOf),
    [
      ...['TICKET_KNOWN', 'TICKET_UNKNOWN', 'TICKET_REVOKED', 'TICKET_REVOKED', 'TICKET_KNOWN'],
      ...['ISSUER_REFUSED', 'UNKNOWN_COMMAND', undefined],
    ],
  )
})

test('setTicket: the list does not remember in which order it was written', () => {
  const entry = { status: 'valid', notAfter: 7n } as const
  const one = setTicket(setTicket(EMPTY_STATUS_LIST, first!, entry), `0x${'a1'.repeat(31)}00`, entry)
  const two = setTicket(setTicket(EMPTY_STATUS_LIST, `0x${'a1'.repeat(31)}00`, entry), first!, entry)
  assert.deepEqual(listTickets(one), listTickets(two))
  assert.equal(one.count, 2)
  assert.equal(findTicket(EMPTY_STATUS_LIST, first!), undefined, 'and leaves the list that it was given as it was')
  assert.equal(dropEnded(one, 7n), one)
  assert.equal(dropEnded(one, 8n).count, 0)
})

test('decodeTicketCommand: is the exact inverse of encoding, and refuses every other length and a longer number', () => {
  const commands: TicketCommand[] = [
    { kind: 'issue', ticketHash: first!, notAfter: 2n ** 64n - 1n },
    { kind: 'renew', ticketHash: first!, newTicketHash: second!, notAfter: 0n },
    { kind: 'revoke', ticketHash: third! },
    { kind: 'requestAnchor' },
  ]
  for (const command of commands) {
    const bytes = encodeTicketCommand(command)
    assert.deepEqual(decodeTicketCommand(bytes), command)
    for (let size = 0; size < bytes.length; size++) {
      assert.throws(() => decodeTicketCommand(bytes.subarray(0, size)), CoalitionError)
    }
    assert.throws(() => decodeTicketCommand(new Uint8Array([...bytes, ...new Uint8Array(32)])), CoalitionError)
  }
  const tooLong = encodeTicketCommand(commands[0]!)
  tooLong[64 + 23] = 1
  assert.throws(() => decodeTicketCommand(tooLong), { code: 'UNKNOWN_COMMAND' })
})

test('decodeTicketIssuerParameters: is the exact inverse of encoding, and refuses all else', () => {
  assert.deepEqual(decodeTicketIssuerParameters(parameters), rules)
  for (let size = 0; size < parameters.length; size++) {
    assert.throws(() => decodeTicketIssuerParameters(parameters.subarray(0, size)), CoalitionError)
  }
  assert.throws(() => decodeTicketIssuerParameters(new Uint8Array(1 << 20)), {
    code: 'INVALID_TICKET_ISSUER_PARAMETERS',
  })
  const fields = parseAbiParameters('address[], uint32, uint32, uint32')
  const zero = encodeAbiParameters(fields, [[issuer], 1, 1, 0])
  assert.throws(() => decodeTicketIssuerParameters(Buffer.from(zero.slice(2), 'hex')), {
    code: 'INVALID_TICKET_ISSUER_PARAMETERS',
  })
})
