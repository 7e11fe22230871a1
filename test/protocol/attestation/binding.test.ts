import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeAbiParameters, parseAbiParameters } from 'viem'
import {
  BINDING_LIFETIME_MAX_MS,
  deriveBindingReportData,
  NONCE_AGE_MAX_MS,
  verifyBinding,
} from '../../../protocol/attestation/binding.ts'
import { toHex } from '../../../protocol/bytes.ts'
import { blake3 } from '../../../protocol/hash.ts'

const NONCE_TIME_MS = 1_800_000_000_000
const binding = {
  componentId: `0x${'c0'.repeat(32)}`,
  signer: `0x${'51'.repeat(20)}`,
  notAfterMs: NONCE_TIME_MS + 3_600_000,
  nonce: `0x${'ab'.repeat(32)}`,
} as const
const reportData = deriveBindingReportData(binding)
const parameters = { reportData, binding, nonceTimeMs: NONCE_TIME_MS, nowMs: NONCE_TIME_MS + 1_000 }

test('deriveBindingReportData: is the id of spec §8.2 and 32 zeros', () => {
  const { componentId, signer, notAfterMs, nonce } = binding
  const fields = encodeAbiParameters(parseAbiParameters('bytes32, address, uint64, bytes32'), [
    componentId,
    signer,
    BigInt(notAfterMs),
    nonce,
  ])
  const preimage = Buffer.concat([Buffer.from('\u0001tdx-binding|'), Buffer.from(fields.slice(2), 'hex')])
  assert.equal(reportData, `${toHex(blake3(preimage))}${'00'.repeat(32)}`)
})

test('verifyBinding: returns when the binding ends', () => {
  assert.equal(verifyBinding(parameters), binding.notAfterMs)
})

for (const [name, change] of [
  ['another signer', { signer: `0x${'52'.repeat(20)}` }],
  ['another component', { componentId: `0x${'c1'.repeat(32)}` }],
  ['another end', { notAfterMs: binding.notAfterMs + 1 }],
  ['another nonce', { nonce: `0x${'ac'.repeat(32)}` }],
] as const) {
  test(`verifyBinding: refuses ${name}`, () => {
    assert.throws(() => verifyBinding({ ...parameters, binding: { ...binding, ...change } }), {
      code: 'QUOTE_BINDING_MISMATCH',
    })
  })
}

test('verifyBinding: refuses report data whose last 32 bytes are not zero', () => {
  const dirty = `${reportData.slice(0, -2)}01` as const
  assert.throws(() => verifyBinding({ ...parameters, reportData: dirty as `0x${string}` }), {
    code: 'QUOTE_BINDING_MISMATCH',
  })
})

for (const [name, nowMs] of [
  ['a nonce that is too old', NONCE_TIME_MS + NONCE_AGE_MAX_MS + 1],
  ['a nonce of the future', NONCE_TIME_MS - 60_001],
  ['no time at all', Number.NaN],
] as const) {
  test(`verifyBinding: refuses ${name}`, () => {
    assert.throws(() => verifyBinding({ ...parameters, nowMs }), { code: 'QUOTE_BINDING_STALE' })
  })
}

test('verifyBinding: refuses a binding that is over, and one that lasts too long', () => {
  const over = { ...binding, notAfterMs: NONCE_TIME_MS + 500 }
  assert.throws(() => verifyBinding({ ...parameters, binding: over, reportData: deriveBindingReportData(over) }), {
    code: 'QUOTE_BINDING_STALE',
  })
  const long = { ...binding, notAfterMs: NONCE_TIME_MS + BINDING_LIFETIME_MAX_MS + 1 }
  assert.throws(() => verifyBinding({ ...parameters, binding: long, reportData: deriveBindingReportData(long) }), {
    code: 'QUOTE_BINDING_STALE',
  })
})
