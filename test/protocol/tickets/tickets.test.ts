import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { test } from 'node:test'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { deriveBindingReportData } from '../../../protocol/attestation/binding.ts'
import { createQuoteVerifier } from '../../../protocol/attestation/verifyQuote.ts'
import { fromHex, type Hex, toHex } from '../../../protocol/bytes.ts'
import { sha256 } from '../../../protocol/hash.ts'
import type { JwtRules } from '../../../protocol/tickets/admissionRules.ts'
import { createIssuedByValidator } from '../../../protocol/tickets/issuedByValidator.ts'
import { createJwtValidator } from '../../../protocol/tickets/jwtValidator.ts'
import { createTdxValidator } from '../../../protocol/tickets/tdxValidator.ts'
import { issuerOf } from '../../../protocol/tickets/ticketToken.ts'
import { deriveValidatorsSignature, validateTickets } from '../../../protocol/tickets/ticketValidator.ts'
import { deriveSignerAddress } from '../../../protocol/wire/signature.ts'
import { createWorld, NOW_MS } from '../attestation/factory/world.ts'

const peer = { signer: `0x${'51'.repeat(20)}` } as const
const nowMs = NOW_MS
const seconds = Math.floor(nowMs / 1_000)
const base64Url = (value: string | Uint8Array): string => Buffer.from(value).toString('base64url')

const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const ed25519 = generateKeyPairSync('ed25519')
const rawKey = (key: KeyObject): Hex => {
  const der = key.export({ type: 'spki', format: 'der' })
  return toHex(Uint8Array.from(key.asymmetricKeyType === 'ec' ? der.subarray(26) : der.subarray(12)))
}
const rules: JwtRules = {
  issuer: 'https://issuer.example',
  audience: 'superchain',
  subject: 'peer',
  lifetimeMaxMs: 3_600_000,
  keys: [
    { algorithm: 'ES256', publicKey: rawKey(p256.publicKey) },
    { algorithm: 'EdDSA', publicKey: rawKey(ed25519.publicKey), kid: 'one' },
  ],
}
const claims = { iss: rules.issuer, aud: rules.audience, sub: peer.signer, iat: seconds - 60, exp: seconds + 600 }

function createToken(options: { claims?: object; header?: object; key?: KeyObject } = {}): string {
  const key = options.key ?? p256.privateKey
  const isEc = key.asymmetricKeyType === 'ec'
  const header = base64Url(JSON.stringify({ alg: isEc ? 'ES256' : 'EdDSA', kid: 'one', ...options.header }))
  const payload = base64Url(JSON.stringify({ ...claims, ...options.claims }))
  const signature = sign(isEc ? 'sha256' : null, Buffer.from(`${header}.${payload}`), {
    key,
    dsaEncoding: 'ieee-p1363',
  })
  return `${header}.${payload}.${base64Url(signature)}`
}

const validateJwt = (token: string, change: Partial<JwtRules> = {}): number =>
  createJwtValidator({ ...rules, ...change }).validate({ class: 'jwt', token }, peer, nowMs)

test('createJwtValidator: accepts ES256 and EdDSA, until the token ends', () => {
  assert.equal(validateJwt(createToken()), claims.exp * 1_000)
  assert.equal(validateJwt(createToken({ key: ed25519.privateKey })), claims.exp * 1_000)
  assert.equal(validateJwt(createToken({ claims: { aud: ['other', rules.audience] } })), claims.exp * 1_000)
})

const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
for (const [what, token, code] of [
  ['alg none', createToken({ header: { alg: 'none' } }), 'TICKET_ALGORITHM_REFUSED'],
  ['a shared secret', createToken({ header: { alg: 'HS256' } }), 'TICKET_ALGORITHM_REFUSED'],
  ['a critical extension', createToken({ header: { crit: ['exp'] } }), 'TICKET_MALFORMED'],
  ['a stranger’s signature', createToken({ key: stranger }), 'TICKET_SIGNATURE_INVALID'],
  [
    'a key that another kid names',
    createToken({ key: ed25519.privateKey, header: { kid: 'two' } }),
    'TICKET_SIGNATURE_INVALID',
  ],
  ['another issuer', createToken({ claims: { iss: 'https://other.example' } }), 'TICKET_ISSUER_MISMATCH'],
  ['another audience', createToken({ claims: { aud: 'other' } }), 'TICKET_AUDIENCE_MISMATCH'],
  ['another subject', createToken({ claims: { sub: '0x00' } }), 'TICKET_SUBJECT_MISMATCH'],
  ['a token that has ended', createToken({ claims: { exp: seconds - 1 } }), 'TICKET_EXPIRED'],
  ['a token of the future', createToken({ claims: { nbf: seconds + 61 } }), 'TICKET_NOT_YET_VALID'],
  ['a token that lasts too long', createToken({ claims: { exp: seconds + 3_600 } }), 'TICKET_LIFETIME_TOO_LONG'],
  ['a token without an end', createToken({ claims: { exp: undefined } }), 'TICKET_MALFORMED'],
  ['a token without a beginning', createToken({ claims: { iat: undefined } }), 'TICKET_MALFORMED'],
  ['two parts', createToken().split('.').slice(0, 2).join('.'), 'TICKET_MALFORMED'],
  ['padding', `${createToken()}=`, 'TICKET_MALFORMED'],
  ['an enormous token', `${createToken()}${'A'.repeat(70_000)}`, 'TICKET_MALFORMED'],
] as const) {
  test(`createJwtValidator: refuses ${what}`, () => assert.throws(() => validateJwt(token), { code }))
}

test('createJwtValidator: says of a token that lasts too long how a longer one is allowed', () => {
  const token = createToken({ claims: { exp: seconds + 3_600 } })
  assert.throws(() => validateJwt(token), {
    fix: /lifetimeMaxMs of the rules, --lifetime-max of coalition ticket verify/,
  })
})

test('createJwtValidator: its signature depends on every rule', () => {
  const signatures = [
    {},
    { issuer: 'https://other.example' },
    { audience: 'other' },
    { lifetimeMaxMs: 1 },
    { skewMs: 1 },
    { subject: 'someone' },
    { keys: rules.keys.slice(1) },
  ].map((change) => createJwtValidator({ ...rules, ...change }).signature)
  assert.equal(new Set(signatures).size, signatures.length)
})

const secretKeys = [1, 2, 3, 4].map((byte) => Uint8Array.from({ length: 32 }, () => byte))
const members = secretKeys
  .map((secretKey) => ({ secretKey, signer: deriveSignerAddress(secretKey) }))
  .sort((a, b) => (a.signer < b.signer ? -1 : 1))
const ticketsRoot: Hex = `0x${'77'.repeat(32)}`
const issuedBy = createIssuedByValidator({
  ticketsRoot,
  signers: members.map(({ signer }) => signer),
  audience: 'superchain',
  lifetimeMaxMs: 3_600_000,
})

function createIssued(signing: readonly { secretKey: Uint8Array; signer: Hex }[], change: object = {}): string {
  const payload = base64Url(JSON.stringify({ ...claims, iss: issuerOf(ticketsRoot), ...change }))
  const signatures = signing.map(({ secretKey, signer }) => {
    const header = base64Url(JSON.stringify({ alg: 'ES256K', kid: signer }))
    const digest = sha256(Buffer.from(`${header}.${payload}`))
    return { protected: header, signature: base64Url(secp256k1.sign(digest, secretKey, { prehash: false })) }
  })
  return JSON.stringify({ payload, signatures })
}

test('createIssuedByValidator: accepts a ticket that a quorum of the issuer’s members signed', () => {
  assert.equal(
    issuedBy.validate({ class: 'issued-by', jws: createIssued(members.slice(1)) }, peer, nowMs),
    claims.exp * 1_000,
  )
})

test('createIssuedByValidator: counts the members that are the committee now, and its signature stays', () => {
  const rules = {
    ticketsRoot,
    signers: members.map(({ signer }) => signer),
    audience: 'superchain',
    lifetimeMaxMs: 3_600_000,
  }
  let current = rules.signers
  const following = createIssuedByValidator(rules, { currentSigners: () => current })
  assert.equal(following.signature, issuedBy.signature)
  const jws = createIssued(members.slice(0, 3))
  assert.equal(following.validate({ class: 'issued-by', jws }, peer, nowMs), claims.exp * 1_000)
  current = [...rules.signers.slice(1), `0x${'ff'.repeat(20)}`]
  assert.throws(() => following.validate({ class: 'issued-by', jws }, peer, nowMs), { code: 'TICKET_QUORUM_MISSING' })
})

for (const [what, jws, code] of [
  ['two of four signatures', createIssued(members.slice(2)), 'TICKET_QUORUM_MISSING'],
  ['one member thrice', createIssued([members[0]!, members[0]!, members[0]!]), 'TICKET_QUORUM_MISSING'],
  [
    'a stranger among them',
    createIssued([members[0]!, members[1]!, { secretKey: new Uint8Array(32).fill(9), signer: members[2]!.signer }]),
    'TICKET_QUORUM_MISSING',
  ],
  [
    'another coalition’s issuer',
    createIssued(members, { iss: issuerOf(`0x${'78'.repeat(32)}`) }),
    'TICKET_ISSUER_MISMATCH',
  ],
  ['another holder', createIssued(members, { sub: `0x${'52'.repeat(20)}` }), 'TICKET_SUBJECT_MISMATCH'],
  ['what is not JWS', '{}', 'TICKET_MALFORMED'],
] as const) {
  test(`createIssuedByValidator: refuses ${what}`, () => {
    assert.throws(() => issuedBy.validate({ class: 'issued-by', jws }, peer, nowMs), { code })
  })
}

const componentId: Hex = `0x${'c0'.repeat(32)}`
const nonce: Hex = `0x${'ab'.repeat(32)}`
const notAfterMs = nowMs + 300_000
const world = createWorld({
  report: { reportData: fromHex(deriveBindingReportData({ componentId, signer: peer.signer, notAfterMs, nonce })) },
})
const tdx = createTdxValidator(
  {
    verifier: createQuoteVerifier({ root: world.root }),
    collateralOf: ({ fmspc }) => (fmspc === '0xb0c06f000000' ? world.collateral : undefined),
    nonceTimeMs: (digest) => (digest === nonce ? nowMs - 1_000 : undefined),
  },
  { componentId, policy: {} },
)
const quoteTicket = { class: 'tdx', quote: world.quote, notAfterMs, nonce } as const

test('createTdxValidator: accepts a quote that binds the peer', () => {
  assert.equal(tdx.validate(quoteTicket, peer, nowMs), notAfterMs)
})

test('createTdxValidator: refuses another peer, an unknown nonce, and a platform without collateral', () => {
  assert.throws(() => tdx.validate(quoteTicket, { signer: `0x${'52'.repeat(20)}` }, nowMs), {
    code: 'QUOTE_BINDING_MISMATCH',
  })
  assert.throws(() => tdx.validate({ ...quoteTicket, nonce: `0x${'ac'.repeat(32)}` }, peer, nowMs), {
    code: 'TICKET_NONCE_UNKNOWN',
  })
  const { quote } = createWorld({ sgx: { fmspc: new Uint8Array(6) } })
  assert.throws(() => tdx.validate({ ...quoteTicket, quote }, peer, nowMs), { code: 'TICKET_COLLATERAL_MISSING' })
})

test('validateTickets: all must pass, and the earliest end counts', () => {
  const jwt = createJwtValidator(rules)
  const tickets = [{ class: 'jwt', token: createToken() } as const, quoteTicket]
  assert.equal(validateTickets([jwt, tdx], { tickets, peer, nowMs }), notAfterMs)
  assert.throws(() => validateTickets([jwt, tdx], { tickets: tickets.slice(1), peer, nowMs }), {
    code: 'TICKET_MISSING',
  })
  const ended = { class: 'jwt', token: createToken({ claims: { exp: seconds - 1 } }) } as const
  assert.throws(() => validateTickets([jwt, tdx], { tickets: [ended, quoteTicket], peer, nowMs }), {
    code: 'TICKET_EXPIRED',
  })
  assert.equal(validateTickets([jwt, tdx], { tickets: [ended, ...tickets], peer, nowMs }), notAfterMs)
  assert.equal(validateTickets([], { tickets: [], peer, nowMs }), Number.POSITIVE_INFINITY)
})

test('deriveValidatorsSignature: is zero for none, ignores order, and tells sets apart', () => {
  const jwt = createJwtValidator(rules)
  assert.equal(deriveValidatorsSignature([]), `0x${'00'.repeat(32)}`)
  assert.equal(deriveValidatorsSignature([jwt, tdx]), deriveValidatorsSignature([tdx, jwt]))
  assert.notEqual(deriveValidatorsSignature([jwt]), deriveValidatorsSignature([jwt, tdx]))
})
