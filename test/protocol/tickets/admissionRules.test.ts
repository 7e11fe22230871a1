import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BINDING_LIFETIME_MAX_MS } from '../../../protocol/attestation/binding.ts'
import { toHex } from '../../../protocol/bytes.ts'
import { parseCoalition } from '../../../protocol/identity/coalition.ts'
import { defineConfluence } from '../../../protocol/identity/confluence.ts'
import {
  type AdmissionRule,
  assertAdmissionRules,
  deriveRuleSignature,
  deriveRulesSignature,
  RULES_MAX,
} from '../../../protocol/tickets/admissionRules.ts'
import { createJwtValidator } from '../../../protocol/tickets/jwtValidator.ts'

const word = (byte: string) => `0x${byte.repeat(32)}` as const
const pin = {
  mrTd: `0x${'11'.repeat(48)}`,
  rtMr: ['a0', 'a1', 'a2'].map((byte) => `0x${byte.repeat(48)}` as const),
} as const
const tdx = { class: 'tdx', policy: { measurements: [pin] } } as const
const jwt = {
  class: 'jwt',
  issuer: 'https://issuer.example',
  audience: 'superchain',
  keys: [{ algorithm: 'EdDSA', publicKey: word('aa') }],
  lifetimeMaxMs: 3_600_000,
} as const
const issuedBy = {
  class: 'issued-by',
  ticketsRoot: word('77'),
  signers: [`0x${'51'.repeat(20)}`, `0x${'52'.repeat(20)}`],
  audience: word('a0'),
  lifetimeMaxMs: 3_600_000,
} as const
const assertRules = (rules: readonly unknown[]) =>
  assertAdmissionRules(rules as readonly AdmissionRule[], { field: 'modules.atlas.admission' })

test('deriveRuleSignature: a default that is spelled out is the same rule, and every other word is another', () => {
  assert.equal(deriveRuleSignature({ ...tdx, lifetimeMaxMs: BINDING_LIFETIME_MAX_MS }), deriveRuleSignature(tdx))
  assert.equal(deriveRuleSignature({ ...jwt, skewMs: 60_000 }), deriveRuleSignature(jwt))
  const rules: AdmissionRule[] = [
    tdx,
    { ...tdx, lifetimeMaxMs: 1 },
    { ...tdx, policy: { measurements: [{ ...pin, mrOwner: pin.mrTd }] } },
    jwt,
    { ...jwt, issuer: 'https://other.example' },
    { ...jwt, subject: 'peer' },
    issuedBy,
    { ...issuedBy, ticketsRoot: word('78') },
    { ...issuedBy, signers: issuedBy.signers.slice(1) },
    { ...issuedBy, skewMs: 0 },
  ]
  assert.equal(new Set(rules.map(deriveRuleSignature)).size, rules.length)
})

test('assertAdmissionRules: completes a policy as decodePolicy does, so that hex has one spelling', () => {
  const spelled = { ...tdx, policy: { measurements: [{ ...pin, mrTd: '11'.repeat(48) }] } }
  assert.deepEqual(assertRules([spelled]), [tdx])
})

test('a config: the rules hash to its validators, whatever their order, and change what it offers', () => {
  const component = { contentHash: word('c0'), committee: word('c1') }
  const atlasOf = (entry: object) =>
    parseCoalition(
      JSON.stringify({ schemaVersion: 1, name: 'a', modules: { atlas: { ...component, ...entry } } }),
    ).atlas()!
  const validators = deriveRulesSignature([tdx, jwt])
  const spelled = atlasOf({ admission: [tdx, jwt] })
  assert.equal(spelled.genesis.validators, validators)
  assert.deepEqual(spelled.genesis.admission, [tdx, jwt])
  assert.equal(spelled.fingerprint(), atlasOf({ validators }).fingerprint())
  assert.equal(spelled.fingerprint(), atlasOf({ validators, admission: [jwt, tdx] }).fingerprint())
  assert.notEqual(spelled.fingerprint(), atlasOf({}).fingerprint())
  assert.throws(() => atlasOf({ validators: word('c2'), admission: [tdx] }), {
    code: 'HASH_MISMATCH',
    message: 'modules.atlas.validators is not the hash of the rules of admission.',
  })
})

test('a confluence: names TDX rules although its component id folds them in', () => {
  const spans = [word('aa'), word('bb')]
  const entry = { name: 'intents', spans, contentHash: word('c0'), committee: word('c1') }
  const gated = defineConfluence({ ...entry, admission: [tdx] })
  assert.notEqual(gated.componentId(), defineConfluence(entry).componentId())
})

for (const { name, rules, code, at } of [
  { name: 'no rule', rules: [], code: 'INVALID_ADMISSION', at: 'modules.atlas.admission' },
  { name: 'too many', rules: Array(RULES_MAX + 1).fill(jwt), code: 'INVALID_ADMISSION', at: 'modules.atlas.admission' },
  { name: 'two of class tdx', rules: [tdx, tdx], code: 'INVALID_ADMISSION', at: 'modules.atlas.admission' },
  {
    name: 'a policy that pins nothing',
    rules: [{ class: 'tdx', policy: {} }],
    code: 'INVALID_ADMISSION',
    at: 'modules.atlas.admission[0].policy',
  },
  {
    name: 'a pin that pins nothing',
    rules: [{ class: 'tdx', policy: { measurements: [pin, {}] } }],
    code: 'INVALID_ADMISSION',
    at: 'modules.atlas.admission[0].policy',
  },
  {
    name: 'a pin of firmware alone',
    rules: [{ class: 'tdx', policy: { measurements: [{ mrTd: pin.mrTd }] } }],
    code: 'POLICY_IMAGE_UNPINNED',
    at: 'measurements[0]',
  },
  {
    name: 'an unknown key of a policy',
    rules: [{ class: 'tdx', policy: { mrTd: pin.mrTd } }],
    code: 'POLICY_INVALID',
    at: 'The policy',
  },
  {
    name: 'report data that is everyone’s',
    rules: [{ class: 'tdx', policy: { ...tdx.policy, reportData: toHex(new Uint8Array(64)) } }],
    code: 'INVALID_ADMISSION',
    at: 'modules.atlas.admission[0].policy.reportData',
  },
  {
    name: 'a lifetime of nothing',
    rules: [jwt, { ...tdx, lifetimeMaxMs: 0 }],
    code: 'INVALID_ADMISSION',
    at: 'modules.atlas.admission[1].lifetimeMaxMs',
  },
  {
    name: 'a lifetime of ages',
    rules: [{ ...jwt, lifetimeMaxMs: 2 ** 50 }],
    code: 'INVALID_ADMISSION',
    at: 'modules.atlas.admission[0].lifetimeMaxMs',
  },
  {
    name: 'a clock a day behind',
    rules: [{ ...jwt, skewMs: 86_400_000 }],
    code: 'INVALID_ADMISSION',
    at: 'modules.atlas.admission[0].skewMs',
  },
  {
    name: 'an empty issuer',
    rules: [{ ...jwt, issuer: '' }],
    code: 'INVALID_ADMISSION',
    at: 'modules.atlas.admission[0].issuer',
  },
  { name: 'no key', rules: [{ ...jwt, keys: [] }], code: 'INVALID_ADMISSION', at: 'modules.atlas.admission[0].keys' },
  {
    name: 'a key of another length',
    rules: [{ ...jwt, keys: [{ algorithm: 'ES256', publicKey: word('aa') }] }],
    code: 'INVALID_HEX',
    at: 'modules.atlas.admission[0].keys[0].publicKey',
  },
  {
    name: 'an audience of words',
    rules: [{ ...issuedBy, audience: 'superchain' }],
    code: 'INVALID_HEX',
    at: 'modules.atlas.admission[0].audience',
  },
  {
    name: 'a root of no length',
    rules: [{ ...issuedBy, ticketsRoot: '0x' }],
    code: 'INVALID_HEX',
    at: 'modules.atlas.admission[0].ticketsRoot',
  },
  {
    name: 'signers out of order',
    rules: [{ ...issuedBy, signers: issuedBy.signers.toReversed() }],
    code: 'ADDRESSES_OUT_OF_ORDER',
    at: 'modules.atlas.admission[0].signers[1]',
  },
])
  test(`assertAdmissionRules: refuses ${name}`, () => {
    assert.throws(
      () => assertRules(rules),
      (error: Error & { code?: string }) => error.code === code && error.message.startsWith(at),
    )
  })

test('createJwtValidator: refuses a key that is no point of its curve', () => {
  const publicKey = toHex(new Uint8Array(65).fill(4))
  assert.throws(() => createJwtValidator({ ...jwt, keys: [{ algorithm: 'ES256', publicKey }] }), {
    code: 'INVALID_ADMISSION',
  })
})

for (const { name, rule, code, message } of [
  {
    name: 'an unknown class',
    rule: { class: 'password' },
    code: 'WRONG_TYPE',
    message: 'modules.atlas.admission[0].class is not one of the words that docs/integrators/config.md lists.',
  },
  { name: 'no class', rule: {}, code: 'MISSING_KEY', message: 'modules.atlas.admission[0].class is missing.' },
  {
    name: 'a key of another class',
    rule: { ...tdx, issuer: 'a' },
    code: 'UNKNOWN_KEY',
    message: 'modules.atlas.admission[0].issuer is not a key of a config.',
  },
  {
    name: 'an algorithm of shared secrets',
    rule: { ...jwt, keys: [{ ...jwt.keys[0], algorithm: 'HS256' }] },
    code: 'WRONG_TYPE',
    message:
      'modules.atlas.admission[0].keys[0].algorithm is not one of the words that docs/integrators/config.md lists.',
  },
  {
    name: 'a rule without its policy',
    rule: { class: 'tdx' },
    code: 'MISSING_KEY',
    message: 'modules.atlas.admission[0].policy is missing.',
  },
])
  test(`a config: refuses ${name} among the rules`, () => {
    const atlas = { contentHash: word('c0'), committee: word('c1'), admission: [rule] }
    assert.throws(() => parseCoalition(JSON.stringify({ schemaVersion: 1, name: 'a', modules: { atlas } })), {
      code,
      message,
    })
  })
