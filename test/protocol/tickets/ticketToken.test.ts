import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { test } from 'node:test'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import fc from 'fast-check'
import { encodeAbiParameters, hashStruct, keccak256 } from 'viem'
import { type Hex, toHex } from '../../../protocol/bytes.ts'
import { deriveContractAudience, deriveNamedAudience } from '../../../protocol/tickets/audience.ts'
import { createIssuedByValidator } from '../../../protocol/tickets/issuedByValidator.ts'
import { decodeBase64Url, encodeBase64Url } from '../../../protocol/tickets/jws.ts'
import { isJwsSignedBy, signJws } from '../../../protocol/tickets/jwsSignature.ts'
import {
  decodeTicketJson,
  encodeTicketJson,
  TICKET_JSON_SIZE_MAX_BYTES,
  TICKET_TIME_MAX,
} from '../../../protocol/tickets/ticketJson.ts'
import { encodeTicketPayload } from '../../../protocol/tickets/ticketToken.ts'
import { signDigest } from '../../../protocol/wire/signature.ts'
import { hashTicket, type Ticket } from '../../../protocol/wire/ticket.ts'
import { createTestMembers } from '../wire/members.ts'

const ticketsRoot: Hex = `0x${'77'.repeat(32)}`
const ticket: Ticket = {
  ticketId: `0x${'1d'.repeat(32)}`,
  subject: `0x${'51'.repeat(20)}`,
  audience: `0x${'a0'.repeat(32)}`,
  notBefore: 1_700_000_000n,
  notAfter: 1_700_003_600n,
  salt: `0x${'5a'.repeat(32)}`,
}
const nowMs = 1_700_000_100_000
const members = createTestMembers(4)
const signers = members.map(({ signer }) => signer)

const sign = (payload: string, by = members) =>
  by.map(({ signer, secretKey }) => signJws({ sign: (digest) => signDigest(digest, secretKey) }, { payload, signer }))
const validatorFor = (audience: Hex) =>
  createIssuedByValidator({ ticketsRoot, signers, audience, lifetimeMaxMs: 3_600_000 })

const bytesOf = (sizeBytes: number) =>
  fc.uint8Array({ minLength: sizeBytes, maxLength: sizeBytes }).map((bytes): Hex => toHex(bytes))
const anyTicket: fc.Arbitrary<Ticket> = fc
  .record({
    ticketId: bytesOf(32),
    subject: bytesOf(20),
    audience: bytesOf(32),
    times: fc.tuple(fc.bigInt(0n, TICKET_TIME_MAX), fc.bigInt(0n, TICKET_TIME_MAX)),
    salt: bytesOf(32),
  })
  .map(({ times: [a, b], ...rest }) => ({ ...rest, notBefore: a < b ? a : b, notAfter: a < b ? b : a }))

test('encodeTicketPayload: is these very bytes, whoever derives them', () => {
  assert.equal(
    new TextDecoder().decode(decodeBase64Url(encodeTicketPayload(ticket, { ticketsRoot }))),
    `{"iss":"coalition:tickets:${ticketsRoot}","sub":"${ticket.subject}","aud":"${ticket.audience}","iat":1700000000,"nbf":1700000000,"exp":1700003600,"jti":"${hashTicket(ticket)}"}`,
  )
})

test('encodeTicketPayload: gives away neither id nor salt, and changes with every member of the ticket', () => {
  fc.assert(
    fc.property(anyTicket, anyTicket, (one, other) => {
      const payload = encodeTicketPayload(one, { ticketsRoot })
      const text = new TextDecoder().decode(decodeBase64Url(payload))
      assert.ok(!text.includes(one.salt.slice(2)) && !text.includes(one.ticketId.slice(2)))
      for (const member of Object.keys(one) as (keyof Ticket)[]) {
        if (one[member] === other[member]) continue
        const changed: Ticket = { ...one, [member]: other[member] }
        if (changed.notBefore > changed.notAfter) continue
        assert.notEqual(encodeTicketPayload(changed, { ticketsRoot }), payload, member)
      }
    }),
  )
})

test('a ticket that a quorum signed is one that IssuedBy accepts, for its audience and its subject, until it ends', () => {
  const signatures = sign(encodeTicketPayload(ticket, { ticketsRoot }), members.slice(0, 3))
  const jws = JSON.stringify({ payload: encodeTicketPayload(ticket, { ticketsRoot }), signatures })
  const peer = { signer: ticket.subject }
  const validate = (audience: Hex, at = nowMs, who = peer) =>
    validatorFor(audience).validate({ class: 'issued-by', jws }, who, at)
  assert.equal(validate(ticket.audience), Number(ticket.notAfter) * 1_000)
  assert.throws(() => validate(`0x${'a1'.repeat(32)}`), { code: 'TICKET_AUDIENCE_MISMATCH' })
  assert.throws(() => validate(ticket.audience, nowMs, { signer: signers[0]! }), { code: 'TICKET_SUBJECT_MISMATCH' })
  assert.throws(() => validate(ticket.audience, Number(ticket.notAfter) * 1_000 + 1), { code: 'TICKET_EXPIRED' })
  assert.throws(() => validate(ticket.audience, Number(ticket.notBefore) * 1_000 - 60_001), {
    code: 'TICKET_NOT_YET_VALID',
  })
})

test('signJws: is an ES256K signature that another implementation verifies', () => {
  const payload = encodeTicketPayload(ticket, { ticketsRoot })
  const [signed] = sign(payload)
  const point = secp256k1.getPublicKey(members[0]!.secretKey, false)
  const coordinate = (from: number): string => Buffer.from(point.subarray(from, from + 32)).toString('base64url')
  const key = createPublicKey({
    key: { kty: 'EC', crv: 'secp256k1', x: coordinate(1), y: coordinate(33) },
    format: 'jwk',
  })
  const input = Buffer.from(`${signed!.protected}.${payload}`)
  assert.ok(verify('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, decodeBase64Url(signed!.signature)))
  assert.deepEqual(JSON.parse(Buffer.from(signed!.protected, 'base64url').toString()), {
    alg: 'ES256K',
    kid: signers[0],
  })
})

test('isJwsSignedBy: accepts the address’s own signature, and no other bytes of it, header or payload', () => {
  const payload = encodeTicketPayload(ticket, { ticketsRoot })
  const [signed] = sign(payload)
  const header = signed!.protected
  const signature = decodeBase64Url(signed!.signature)
  assert.ok(isJwsSignedBy(signers[0]!, { header, payload, signature }))
  assert.ok(!isJwsSignedBy(signers[1]!, { header, payload, signature }))
  assert.ok(!isJwsSignedBy(signers[0]!, { header: sign(payload)[1]!.protected, payload, signature }))
  assert.ok(!isJwsSignedBy(signers[0]!, { header, payload: `${payload}A`, signature }))
  for (const wrong of [signature.subarray(1), new Uint8Array(64), new Uint8Array(64).fill(255), new Uint8Array(0)]) {
    assert.ok(!isJwsSignedBy(signers[0]!, { header, payload, signature: wrong }))
  }
  signature.forEach((_, index) => {
    assert.ok(!isJwsSignedBy(signers[0]!, { header, payload, signature: signature.with(index, signature[index]! ^ 1) }))
  })
})

test('decodeTicketJson: is the exact inverse of encoding', () => {
  fc.assert(fc.property(anyTicket, (each) => assert.deepEqual(decodeTicketJson(encodeTicketJson(each)), each)))
  const spaced = JSON.stringify(JSON.parse(encodeTicketJson(ticket)), null, 2)
  assert.deepEqual(decodeTicketJson(`${spaced}\n`), ticket)
})

const json = (change: object): string => JSON.stringify({ ...JSON.parse(encodeTicketJson(ticket)), ...change })
for (const [what, text] of [
  ['no JSON', '{'],
  ['a list', '[]'],
  ['null', 'null'],
  ['a member missing', json({ salt: undefined })],
  ['a member too many', json({ note: 'x' })],
  ['a short salt', json({ salt: '0x5a' })],
  ['upper-case hex', json({ subject: `0x${'AB'.repeat(20)}` })],
  ['a number for a time', json({ notAfter: 1_700_003_600 })],
  ['a time with a leading zero', json({ notBefore: '01' })],
  ['a time beyond 2^40', json({ notAfter: (TICKET_TIME_MAX + 1n).toString() })],
  ['an end before the beginning', json({ notAfter: '1' })],
  ['too many bytes', `${encodeTicketJson(ticket)}${' '.repeat(TICKET_JSON_SIZE_MAX_BYTES)}`],
] as const) {
  test(`decodeTicketJson: refuses ${what}, and does not repeat what it was given`, () => {
    assert.throws(
      () => decodeTicketJson(text),
      (error: Error & { code?: string }) =>
        error.code === 'INVALID_TICKET' && !error.message.includes('5a5a') && !error.message.includes('1700'),
    )
  })
}

test('encodeBase64Url: is the inverse of decodeBase64Url', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (bytes) => {
      const text = encodeBase64Url(bytes)
      assert.equal(text, Buffer.from(bytes).toString('base64url'))
      assert.deepEqual(decodeBase64Url(text), bytes)
    }),
  )
})

test('audiences: a name’s is the EIP-712 struct of it, a contract’s what TicketGate computes', () => {
  const types = { Audience: [{ name: 'name', type: 'string' }] }
  const name = 'https://rollup.example/api'
  assert.equal(deriveNamedAudience(name), hashStruct({ data: { name }, types, primaryType: 'Audience' }))
  const address: Hex = `0x${'9a'.repeat(20)}`
  const encoded = encodeAbiParameters([{ type: 'uint256' }, { type: 'address' }], [31_337n, address])
  assert.equal(deriveContractAudience({ chainId: 31_337n, address }), keccak256(encoded))
})
