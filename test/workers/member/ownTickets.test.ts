import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { QUOTE_SIZE_MAX_BYTES } from '../../../protocol/attestation/quote.ts'
import { type Hex, toHex } from '../../../protocol/bytes.ts'
import { decodeFrame, encodeFrame, type Frame } from '../../../workers/member/frame.ts'
import { type ShownTicket, TICKETS_MAX, TICKETS_SIZE_MAX_BYTES } from '../../../workers/member/peerFrame.ts'
import { createQuoteCommand } from '../../../workers/member/quoteCommand.ts'
import { readTicketsFile } from '../../../workers/member/ticketsFile.ts'
import { createTestDir } from './chronicle-of-tests.ts'

const reportData: Hex = `0x${'d0'.repeat(64)}`

/** A program that an operator might give. */
function writeCommand(body: string): string {
  const path = join(createTestDir(), 'quote')
  writeFileSync(path, `#!/bin/sh\n${body}\n`)
  chmodSync(path, 0o700)
  return path
}

test('createQuoteCommand: hands over the report data as one argument, and takes what is written for the quote', async () => {
  const quote = await createQuoteCommand(writeCommand('printf %s "$#:$1"'))(reportData)
  assert.equal(new TextDecoder().decode(quote), `1:${reportData.slice(2)}`)
})

for (const { name, command, reason } of [
  { name: 'fails', command: writeCommand('echo out; exit 3'), reason: /it ended with status 3/ },
  { name: 'writes nothing', command: writeCommand('exit 0'), reason: /it wrote nothing/ },
  {
    name: 'writes without end',
    command: writeCommand('exec cat /dev/zero'),
    reason: new RegExp(`it wrote more than ${QUOTE_SIZE_MAX_BYTES} bytes`),
  },
  { name: 'never ends', command: writeCommand('exec sleep 600'), reason: /it took longer than 300 ms/ },
  { name: 'is not there', command: '/nowhere/quote', reason: /it cannot be run \(ENOENT\)/ },
])
  test(`createQuoteCommand: refuses a program that ${name}`, async () => {
    const quote = createQuoteCommand(command, { timeoutMs: name === 'never ends' ? 300 : 30_000 })
    await assert.rejects(quote(reportData), { code: 'QUOTE_COMMAND', message: reason })
  })

function writeTickets(content: string): string {
  const path = join(createTestDir(), 'tickets.json')
  writeFileSync(path, content)
  return path
}

test('readTicketsFile: reads tokens, anew each time', async () => {
  const tickets = [
    { class: 'jwt', token: 'a.b.c' },
    { class: 'issued-by', jws: '{"payload":""}' },
  ]
  const path = writeTickets(JSON.stringify(tickets))
  assert.deepEqual(await readTicketsFile(path), tickets)
  writeFileSync(path, '[]')
  assert.deepEqual(await readTicketsFile(path), [])
})

for (const { name, path, reason } of [
  { name: 'no file', path: '/nowhere/tickets.json', reason: /it cannot be read/ },
  { name: 'no JSON', path: writeTickets('jwt'), reason: /it is not JSON/ },
  { name: 'a quote', path: writeTickets('[{"class":"tdx","quote":"00"}]'), reason: /0\.class/ },
  { name: 'a word too many', path: writeTickets('[{"class":"jwt","token":"a","more":1}]'), reason: /0/ },
  {
    name: 'what is no token',
    path: writeTickets('[{"class":"jwt","token":"ä"}]'),
    reason: /0\.token: a token is ASCII/,
  },
  {
    name: 'too many',
    path: writeTickets(JSON.stringify(Array(TICKETS_MAX).fill({ class: 'jwt', token: 'a' }))),
    reason: /it: /,
  },
  { name: 'too much', path: writeTickets(' '.repeat(TICKETS_SIZE_MAX_BYTES + 1)), reason: /more than 262144 bytes/ },
])
  test(`readTicketsFile: refuses ${name}`, async () => {
    await assert.rejects(readTicketsFile(path), { code: 'TICKETS_FILE', message: reason })
  })

const any32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex)
const anySigner = fc.uint8Array({ minLength: 20, maxLength: 20 }).map(toHex)
const anyToken = fc.stringMatching(/^[ -~]{0,40}$/)
const anyHeight = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const anyTimeMs = fc.integer({ min: 0, max: 2 ** 48 })
const anyTicket: fc.Arbitrary<ShownTicket> = fc.oneof(
  fc.record({ class: fc.constant('jwt' as const), token: anyToken }),
  fc.record({ class: fc.constant('issued-by' as const), jws: anyToken }),
  fc.record({
    class: fc.constant('tdx' as const),
    quote: fc.uint8Array({ maxLength: 100 }),
    notAfterMs: anyTimeMs,
    nonce: any32,
    nonceHeight: anyHeight,
  }),
)
const anyNonce = fc.record({
  digest: any32.filter((digest) => BigInt(digest) > 0n),
  height: anyHeight,
  timeMs: anyTimeMs,
})
const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ kind: fc.constant('tickets' as const), tickets: fc.array(anyTicket, { maxLength: 5 }) }),
  fc.record({
    kind: fc.constant('unadmitted' as const),
    peer: anySigner,
    code: fc.stringMatching(/^[A-Z][A-Z0-9_]{0,63}$/),
    nonce: fc.option(anyNonce, { nil: undefined }),
  }),
  fc.record({
    kind: fc.constant('signed' as const),
    signer: anySigner,
    signature: fc.uint8Array({ minLength: 64, maxLength: 64 }).map(toHex),
    bytes: fc.uint8Array({ maxLength: 100 }).filter(([first]) => first !== 6),
  }),
)

test('encodeFrame and decodeFrame: are exact inverses for what peers show and are told, and refuse any other bytes', () => {
  fc.assert(
    fc.property(anyFrame, fc.nat(), fc.integer({ min: 1, max: 255 }), (frame, at, change) => {
      const bytes = encodeFrame(frame)
      assert.deepEqual(decodeFrame(bytes), structuredClone(frame))
      assert.equal(decodeFrame(Uint8Array.of(...bytes, 0)), 'malformed')
      assert.equal(decodeFrame(bytes.subarray(0, -1)), 'malformed')
      // A changed byte is another frame, or none; never another spelling of this one.
      const changed = Uint8Array.from(bytes)
      changed[at % bytes.length]! ^= change
      const decoded = decodeFrame(changed)
      if (typeof decoded !== 'string') assert.deepEqual(encodeFrame(decoded), changed)
    }),
  )
})

test('decodeFrame: refuses what is signed twice, more tickets than there can be, and a code that is none', () => {
  const signed = { kind: 'signed', signer: `0x${'51'.repeat(20)}`, signature: `0x${'00'.repeat(64)}` } as const
  const once = encodeFrame({ ...signed, bytes: encodeFrame({ kind: 'tickets', tickets: [] }) })
  assert.equal(decodeFrame(encodeFrame({ ...signed, bytes: once })), 'malformed')
  const token = { class: 'jwt', token: 'a' } as const
  assert.equal(decodeFrame(encodeFrame({ kind: 'tickets', tickets: Array(TICKETS_MAX + 1).fill(token) })), 'malformed')
  const large = { class: 'jwt', token: 'a'.repeat(65_536) } as const
  assert.equal(decodeFrame(encodeFrame({ kind: 'tickets', tickets: [large, large, large, large] })), 'malformed')
  const told = { kind: 'unadmitted', peer: signed.signer, nonce: undefined } as const
  assert.equal(decodeFrame(encodeFrame({ ...told, code: 'no code' })), 'malformed')
})
