import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { decodeCollateralFile, encodeCollateralFile } from '../../../protocol/attestation/collateralFile.ts'
import { INTEL_SGX_ROOT } from '../../../protocol/attestation/intelRoot.ts'
import { createQuoteVerifier, verifyQuote } from '../../../protocol/attestation/verifyQuote.ts'
import { createWorld, NOW_MS } from './factory/world.ts'
import { readVector, VECTOR_NAMES } from './vectors.ts'

test("INTEL_SGX_ROOT: is the certificate whose digest Intel's users know", () => {
  const digest = createHash('sha256').update(INTEL_SGX_ROOT.certificate.der).digest('hex')
  assert.equal(digest, '44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3')
})

for (const name of VECTOR_NAMES) {
  const { quote, collateral, expected } = readVector(name)
  const at = expected.verifyAtUnix * 1_000
  const accepted = expected.accept === true || expected.accept === 'policy'

  if (accepted) {
    test(`verifyQuote: ${name} is ${expected.tcbStatus} by a policy that accepts that`, () => {
      const policy = { acceptedStatuses: [expected.tcbStatus] }
      const verified = verifyQuote({ quote, collateral, nowMs: at, policy })
      assert.equal(verified.tcbStatus, expected.tcbStatus)
      assert.equal(verified.tdxModuleStatus, expected.tdxModuleStatus)
      assert.deepEqual(verified.advisoryIds, expected.advisoryIds)
      assert.equal(verified.tcbDateMs, Date.parse(expected.tcbDate))
      assert.equal(verified.trailingSizeBytes, expected.quote.trailingBytes)
      assert.equal(verified.fmspc, `0x${expected.quote.fmspc}`)
      assert.equal(verified.pckCa, expected.quote.pckCa)
      assert.equal(verified.expiresAtMs, Date.parse(expected.collateralValid.until))
      for (const [key, value] of Object.entries(expected.report)) {
        const found = verified.measurements[key as keyof typeof verified.measurements]
        assert.deepEqual(found, Array.isArray(value) ? value.map((item) => `0x${item}`) : `0x${value}`, key)
      }
    })
  }

  test(`verifyQuote: ${name} is ${expected.accept === true ? 'accepted' : 'refused'} by the default policy`, () => {
    const verify = () => verifyQuote({ quote, collateral, nowMs: at })
    if (expected.accept === true) assert.equal(verify().tcbStatus, 'UpToDate')
    else assert.throws(verify, { code: REASONS[name]! })
  })

  for (const [when, nowMs] of [
    ['a second before', Date.parse(expected.collateralValid.from) - 1_000],
    ['a second after', Date.parse(expected.collateralValid.until) + 1_000],
  ] as const) {
    test(`verifyQuote: ${name} is refused ${when} its collateral is in force`, () => {
      assert.throws(() => verifyQuote({ quote, collateral, nowMs }), {
        code: accepted || name.endsWith('nolevel') ? /_(NOT_YET_VALID|EXPIRED)$/ : REASONS[name]!,
      })
    })
  }
}

const REASONS: Record<string, string> = {
  'sgx-v3-00a067': 'QUOTE_VERSION_UNSUPPORTED',
  'v4-00806f-outofdate': 'TCB_STATUS_REFUSED',
  'v5-90c06f-nolevel': 'TCB_LEVEL_UNMATCHED',
}

test('verifyQuote: accepts at the first and the last second of validity', () => {
  const { quote, collateral, expected } = readVector('v4-b0c06f-uptodate')
  for (const edge of [expected.collateralValid.from, expected.collateralValid.until]) {
    assert.equal(verifyQuote({ quote, collateral, nowMs: Date.parse(edge) }).tcbStatus, 'UpToDate')
  }
})

test('createQuoteVerifier: judges kept collateral and chains anew in time', () => {
  const { quote, collateral, expected } = readVector('v5-90c06f-uptodate')
  const verifier = createQuoteVerifier()
  verifier.verify({ quote, collateral, nowMs: expected.verifyAtUnix * 1_000 })
  const nowMs = Date.parse(expected.collateralValid.until) + 1
  assert.throws(() => verifier.verify({ quote, collateral, nowMs }), { code: 'CRL_EXPIRED' })
})

test('createQuoteVerifier: judges a kept chain by the revocation list it is given', () => {
  const serial = Uint8Array.of(0x42)
  const fine = createWorld({ pck: { serial } })
  const { collateral } = createWorld({ pck: { serial }, pckCrl: { revoked: [{ serial }] } })
  const verifier = createQuoteVerifier({ root: fine.root })
  assert.equal(verifier.verify(fine).tcbStatus, 'UpToDate')
  // The root's certificate differs from world to world by its signature, so the second world must be judged by its own.
  const world = createWorld({ pck: { serial }, pckCrl: { revoked: [{ serial }] } })
  const own = createQuoteVerifier({ root: world.root })
  assert.throws(() => own.verify(world), { code: 'PCK_REVOKED' })
  assert.throws(() => own.verify(world), { code: 'PCK_REVOKED' })
  assert.throws(() => verifier.verify({ ...fine, collateral }), { code: 'CERTIFICATE_ROOT_UNTRUSTED' })
})

test('createQuoteVerifier: keeps no more chains than it is told to', () => {
  const { root, ...parameters } = createWorld()
  const verifier = createQuoteVerifier({ root, entriesMax: 1 })
  for (let i = 0; i < 3; i++) assert.equal(verifier.verify(parameters).tcbStatus, 'UpToDate')
})

test('verifyQuote: takes a chain in any order, as Intel does', () => {
  const { quote, collateral, expected } = readVector('v5-90c06f-uptodate')
  const text = Buffer.from(quote).toString('latin1')
  const start = text.indexOf('-----BEGIN')
  const certificates = text.slice(start).match(/-----BEGIN[\s\S]+?-----END CERTIFICATE-----\n/g)!
  const reversed = Buffer.from(
    text.slice(0, start) + certificates.reverse().join('') + text.slice(start + certificates.join('').length),
    'latin1',
  )
  assert.equal(reversed.length, quote.length)
  assert.equal(verifyQuote({ quote: reversed, collateral, nowMs: expected.verifyAtUnix * 1_000 }).tcbStatus, 'UpToDate')
})

test('verifyQuote: two quotes that differ in their bytes alone have one report digest', () => {
  const { quote, collateral, expected } = readVector('v4-b0c06f-uptodate')
  const nowMs = expected.verifyAtUnix * 1_000
  const padded = verifyQuote({ quote, collateral, nowMs })
  const bare = verifyQuote({ quote: quote.subarray(0, expected.quote.quoteLength), collateral, nowMs })
  assert.equal(padded.reportDigest, bare.reportDigest)
  assert.equal(bare.trailingSizeBytes, 0)
})

test('verifyQuote: reports bytes behind the quote where the policy lets them pass', () => {
  const { root, ...parameters } = createWorld({ quote: { trailing: Uint8Array.of(1, 2, 3) } })
  const verified = createQuoteVerifier({ root }).verify({ ...parameters, policy: { acceptTrailingBytes: true } })
  assert.equal(verified.trailingSizeBytes, 3)
})

test('verifyQuote: ends a quote with the grace that let it pass', () => {
  const { root, ...parameters } = createWorld({ sgx: { components: [2, 2, ...Array.from({ length: 14 }, () => 0)] } })
  const verified = createQuoteVerifier({ root }).verify({ ...parameters, policy: { graceDays: 366 } })
  assert.equal(verified.tcbStatus, 'OutOfDate')
  assert.equal(verified.expiresAtMs, Date.parse('2026-06-02T00:00:00Z'))
  assert.ok(verified.expiresAtMs > NOW_MS)
})

test('verifyQuote: a refusal by policy still carries the appraisal, and says how far behind the platform is', () => {
  const { quote, collateral, expected } = readVector('v4-00806f-outofdate')
  assert.throws(
    () => verifyQuote({ quote, collateral, nowMs: expected.verifyAtUnix * 1_000 }),
    (error: Error & { appraisal?: { tcbStatus: string } }) => {
      assert.equal(error.appraisal?.tcbStatus, 'OutOfDate')
      assert.match(error.message, /SGX component 1 \(BIOS, Early Microcode Update\) is 6, needs 7/)
      assert.match(error.message, /INTEL-SA-00960/)
      return true
    },
  )
})

test('decodeCollateralFile: is the inverse of encodeCollateralFile', () => {
  const { collateral } = readVector('v4-b0c06f-uptodate')
  const file = encodeCollateralFile(collateral)
  assert.deepEqual(decodeCollateralFile(file), collateral)
  const otherwise = { root_ca_crl: `0x${file.root_ca_crl}`, pck_crl: file.pck_crl!.toUpperCase() }
  assert.deepEqual(decodeCollateralFile({ ...file, ...otherwise }), collateral)
})

test('decodeCollateralFile: refuses a file without one of the nine texts', () => {
  const file = encodeCollateralFile(readVector('v4-b0c06f-uptodate').collateral)
  for (const key of Object.keys(file)) {
    const { [key]: _, ...rest } = file
    assert.throws(() => decodeCollateralFile(rest), { code: 'COLLATERAL_FILE_INVALID' })
  }
  assert.throws(() => decodeCollateralFile({ ...file, pck_crl: 'zz' }), { code: 'COLLATERAL_FILE_INVALID' })
  assert.throws(() => decodeCollateralFile([]), { code: 'COLLATERAL_FILE_INVALID' })
})

test('verifyQuote: does not read a quote that carries its own root', () => {
  const { root: _, ...parameters } = createWorld()
  assert.throws(() => verifyQuote(parameters), { code: 'CRL_ISSUER_MISMATCH' })
})

test('readVector: the data is what its README says', () => {
  assert.equal(VECTOR_NAMES.length, 5)
  for (const name of VECTOR_NAMES) {
    const { quote, expected } = readVector(name)
    assert.equal(createHash('sha256').update(quote).digest('hex'), expected.quote.sha256)
  }
  assert.ok(readFileSync(new URL('../../vectors/tdx/README.md', import.meta.url), 'utf8').includes('MIT'))
})
