import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import type { Hex } from '../../../protocol/bytes.ts'
import { CoalitionError } from '../../../protocol/errors.ts'
import { createIssuedByValidator } from '../../../protocol/tickets/issuedByValidator.ts'
import { encodeTicketJson } from '../../../protocol/tickets/ticketJson.ts'
import { encodeTicketPayload } from '../../../protocol/tickets/ticketToken.ts'
import { hashTicket, type Ticket } from '../../../protocol/wire/ticket.ts'
import { createRateLimit } from '../../../workers/member/rateLimit.ts'
import {
  audience,
  createTestTicket,
  FIRST,
  HEARTBEAT_EVERY_SECONDS,
  holder,
  issueOf,
  keys,
  revokeOf,
  serveTickets,
  signerOf,
  signersOf,
  startIssuer,
  ticketsRoot,
} from './issuer-of-tests.ts'

let world: Awaited<ReturnType<typeof startIssuer>>
const ticket = createTestTicket()
before(async () => {
  world = await startIssuer()
  await world.command(issueOf(ticket))
})
after(() => world.stop())

const codeOf = (run: () => unknown): string | undefined => {
  try {
    run()
    return undefined
  } catch (error) {
    if (!(error instanceof CoalitionError)) throw error
    return error.code
  }
}

const refusalOf = (of: Ticket, nowMs?: () => number): string | undefined =>
  codeOf(() => signerOf(world.running[0]!, nowMs).sign(of))

test('a valid ticket that three of four members sign is one that IssuedBy accepts', () => {
  const signatures = world.running.slice(1).map((member) => signerOf(member).sign(ticket))
  const jws = JSON.stringify({ payload: encodeTicketPayload(ticket, { ticketsRoot }), signatures })
  const rules = { ticketsRoot, signers: signersOf(FIRST), audience, lifetimeMaxMs: 600_000 }
  const validator = createIssuedByValidator(rules)
  const endsAtMs = validator.validate({ class: 'issued-by', jws }, { signer: holder }, Date.now())
  assert.equal(endsAtMs, Number(ticket.notAfter) * 1_000)
  assert.deepEqual(signerOf(world.running[1]!).sign(ticket), signatures[0], 'and signs the same again')
})

test('a member signs for whoever knows the whole ticket, and nothing else of it', () => {
  const word: Hex = `0x${'0f'.repeat(32)}`
  for (const change of [
    { salt: word },
    { audience: word },
    { ticketId: word },
    { subject: keys[0]!.signer },
    { notAfter: ticket.notAfter + 1n },
    { notBefore: ticket.notBefore - 1n },
  ]) {
    assert.equal(refusalOf({ ...ticket, ...change }), 'TICKET_UNKNOWN', Object.keys(change)[0])
  }
  assert.equal(refusalOf({ ...ticket, salt: '0x00' }), 'INVALID_TICKET')
})

test('a member signs in the ticket’s window alone, to the second', async () => {
  // An hour later a member that decides no more counts as behind: so the window is what moves.
  const now = BigInt(Math.floor(Date.now() / 1_000))
  const early = createTestTicket({ notBefore: now + 1_000n, notAfter: now + 2_000n })
  const ending = createTestTicket({ notBefore: now - 5n, notAfter: now + 1_000n })
  await world.command(issueOf(early), issueOf(ending))
  const nowMs = () => Number(now) * 1_000
  assert.equal(refusalOf(early, nowMs), 'TICKET_NOT_YET_VALID')
  assert.equal(refusalOf(ending, nowMs), undefined)
  const at = (second: bigint, millisecond: number) => () => Number(second) * 1_000 + millisecond
  const state = world.running[0]!.replica.state
  const there = (second: bigint) => () => ({ ...state(), timestampMs: second * 1_000n })
  const signAt = (of: Ticket, second: bigint, millisecond: number) =>
    codeOf(() =>
      signerOf(
        { ...world.running[0]!, replica: { ...world.running[0]!.replica, state: there(second) } },
        at(second, millisecond),
      ).sign(of),
    )
  assert.equal(signAt(early, early.notBefore - 1n, 999), 'TICKET_NOT_YET_VALID')
  assert.equal(signAt(early, early.notBefore, 0), undefined)
  assert.equal(signAt(early, early.notAfter, 999), undefined)
  assert.equal(signAt(early, early.notAfter + 1n, 0), 'TICKET_EXPIRED')
})

test('a member does not sign what was revoked or renewed, and signs what came in its place', async () => {
  const [first, second] = [createTestTicket(), createTestTicket()]
  await world.command(issueOf(first))
  assert.equal(refusalOf(first), undefined)
  await world.command({
    kind: 'renew',
    ticketHash: hashTicket(first),
    newTicketHash: hashTicket(second),
    notAfter: second.notAfter,
  })
  assert.deepEqual([refusalOf(first), refusalOf(second)], ['TICKET_REVOKED', undefined])
  await world.command(revokeOf(second))
  for (const member of world.running) {
    assert.equal(
      codeOf(() => signerOf(member).sign(second)),
      'TICKET_REVOKED',
    )
  }
})

test('a member does not sign a ticket that lasts longer than it was issued for', async () => {
  const longer = createTestTicket()
  await world.command(issueOf(longer, longer.notAfter - 1n))
  assert.equal(refusalOf(longer), 'TICKET_END_MISMATCH')
})

test('a member that has heard no commit for two heartbeats does not sign: it may not know of a revocation', async () => {
  const long = createTestTicket({ notAfter: ticket.notAfter + 100_000n })
  const { timestampMs } = await world.command(issueOf(long))
  const limitMs = 2 * 1_000 * HEARTBEAT_EVERY_SECONDS
  const refusalAfter = (silentMs: number) => refusalOf(long, () => Number(timestampMs) + silentMs)
  assert.deepEqual([refusalAfter(limitMs), refusalAfter(limitMs + 1)], [undefined, 'MEMBER_BEHIND'])
})

const post = (url: string, body: string) => fetch(`${url}/ticket`, { method: 'POST', body })
const errorOf = async (response: Response): Promise<[number, string]> => [
  response.status,
  ((await response.json()) as { error: { code: string } }).error.code,
]

test('POST /ticket: signs, and refuses by code', async () => {
  const member = world.running[0]!
  const server = await serveTickets(member)
  const { url } = server
  const signed = await post(url, encodeTicketJson(ticket))
  assert.equal(signed.status, 200)
  assert.deepEqual(await signed.json(), signerOf(member).sign(ticket))
  const revoked = createTestTicket()
  await world.command(issueOf(revoked), revokeOf(revoked))
  const secret = encodeTicketJson({ ...ticket, salt: `0x${'5e'.repeat(32)}` })
  for (const [body, status, code] of [
    ['', 400, 'INVALID_TICKET'],
    ['{}', 400, 'INVALID_TICKET'],
    [secret.slice(0, -1), 400, 'INVALID_TICKET'],
    [secret, 404, 'TICKET_UNKNOWN'],
    [encodeTicketJson(revoked), 403, 'TICKET_REVOKED'],
    [' '.repeat(1_025), 413, 'REQUEST_TOO_LARGE'],
    [' '.repeat(1 << 20), 413, 'REQUEST_TOO_LARGE'],
  ] as const) {
    assert.deepEqual(await errorOf(await post(url, body)), [status, code], code)
  }
  for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS']) {
    const refused = await fetch(`${url}/ticket`, { method })
    assert.equal(refused.headers.get('allow'), 'POST')
    assert.deepEqual(await errorOf(refused), [405, 'METHOD_NOT_ALLOWED'], method)
  }
  assert.equal((await fetch(`${url}/tickets`)).status, 404)
  assert.deepEqual(server.logged, [], 'nothing that anyone sends is logged')
  await server.close()
})

test('POST /ticket: a body without a length that never ends is cut at its bound', async () => {
  const server = await serveTickets(world.running[0]!)
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  socket.write(`POST /ticket HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n`)
  for (let chunk = 0; chunk < 3; chunk++) socket.write(`200\r\n${' '.repeat(512)}\r\n`)
  const answer = await text(socket)
  assert.match(answer, /^HTTP\/1\.1 413 /)
  assert.match(answer, /REQUEST_TOO_LARGE/)
  assert.match(answer, /connection: close/i)
  await server.close()
})

test('POST /ticket: whoever goes away in the middle of a body leaves nothing behind', async () => {
  const server = await serveTickets(world.running[0]!)
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  socket.write('POST /ticket HTTP/1.1\r\nhost: here\r\ncontent-length: 100\r\n\r\n{"ticketId"')
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.destroy()
  assert.equal((await post(server.url, encodeTicketJson(ticket))).status, 200)
  assert.ok(!server.logged.join('').includes('ticketId'))
  await server.close()
})

test('POST /ticket: one address has its rate', async () => {
  const server = await serveTickets(world.running[0]!, { requestsPerSecond: 0, requestsAtOnce: 2 })
  for (let i = 0; i < 2; i++) assert.equal((await post(server.url, encodeTicketJson(ticket))).status, 200)
  const refused = await post(server.url, encodeTicketJson(ticket))
  assert.equal(refused.headers.get('retry-after'), '1')
  assert.deepEqual(await errorOf(refused), [429, 'TOO_MANY_REQUESTS'])
  await server.close()
})

test('createRateLimit: refills with time, up to its bound, an address by itself, and remembers so many', () => {
  let now = 0
  const limit = createRateLimit({ perSecond: 2, atOnce: 3 }, () => now)
  const admitted = (address: string, count: number): number =>
    Array.from({ length: count }, () => limit.admit(address)).filter(Boolean).length
  assert.equal(admitted('a', 5), 3)
  assert.equal(admitted('b', 5), 3)
  now = 499
  assert.equal(admitted('a', 1), 0)
  now = 1_000
  assert.equal(admitted('a', 5), 2)
  now = 1_000_000
  assert.equal(admitted('a', 5), 3)
  for (let other = 0; other < 1_023; other++) limit.admit(`other ${other}`)
  assert.equal(admitted('a', 1), 0, 'the most recent are remembered')
  limit.admit('one more')
  limit.admit('and another')
  assert.equal(admitted('b', 1), 1)
})

test('a member without a seat does not sign, and the new committee’s members do', async () => {
  const rotated = await startIssuer([0, 1, 2, 3, 4])
  await rotated.command(issueOf(ticket))
  const refusalBy = (index: number) => codeOf(() => signerOf(rotated.running[index]!).sign(ticket))
  assert.deepEqual([refusalBy(0), refusalBy(4)], [undefined, 'NO_SEAT'])
  const members = signersOf([1, 2, 3, 4]).map((signer) => ({ signer }))
  await rotated.govern({ kind: 'approveRotation', newEpoch: 1n, members })
  assert.deepEqual([refusalBy(0), refusalBy(1), refusalBy(4)], ['NO_SEAT', undefined, undefined])
  rotated.stop()
})

test('a member of a retired issuer signs nothing more', async () => {
  const retired = await startIssuer()
  await retired.command(issueOf(ticket))
  await retired.govern({ kind: 'approveRetirement', epoch: 0n, successor: `0x${'00'.repeat(32)}`, reason: 'moved' })
  for (const member of retired.running) {
    assert.equal(
      codeOf(() => signerOf(member).sign(ticket)),
      'COMPONENT_RETIRED',
    )
  }
  const server = await serveTickets(retired.running[0]!)
  assert.deepEqual(await errorOf(await post(server.url, encodeTicketJson(ticket))), [410, 'COMPONENT_RETIRED'])
  await server.close()
  retired.stop()
})
