import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { getHeapStatistics } from 'node:v8'
import { decodeCertificate } from '../../../protocol/attestation/certificate.ts'
import { decodeCollateralFile, encodeCollateralFile } from '../../../protocol/attestation/collateralFile.ts'
import { decodePemChain } from '../../../protocol/attestation/pem.ts'
import { decodePolicy } from '../../../protocol/attestation/policy.ts'
import { decodeQeIdentity } from '../../../protocol/attestation/qeIdentity.ts'
import { decodeQuote } from '../../../protocol/attestation/quote.ts'
import { decodeRevocationList, isRevoked, revokedCount } from '../../../protocol/attestation/revocationList.ts'
import { decodeSgxExtension } from '../../../protocol/attestation/sgxExtension.ts'
import { JsonObject } from '../../../protocol/attestation/signedJson.ts'
import { decodeTcbInfo } from '../../../protocol/attestation/tcbInfo.ts'
import { EXTENSION } from '../../../protocol/attestation/x509.ts'
import { CoalitionError } from '../../../protocol/errors.ts'
import { concat } from './factory/der.ts'
import { createCrl } from './factory/pki.ts'
import { keys, NOW_MS } from './factory/world.ts'
import { readVector } from './vectors.ts'

/** For all parsers together; FUZZ_SECONDS=600 for the long run. */
const FUZZ_MS = Number(process.env.FUZZ_SECONDS ?? '3') * 1_000
const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31)
/** What one call may allocate, garbage and all: so many bytes, and so many for each byte of input. */
const ALLOCATION_FIXED_BYTES = 4 * 1_048_576
const ALLOCATION_FACTOR = 256

/** mulberry32: small, and the same everywhere. */
function createRandom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

/** A few changes of the kinds that break parsers: bytes, lengths, cuts, repeats. */
function mutate(bytes: Uint8Array, random: (below: number) => number): Uint8Array {
  let mutated: Uint8Array = Uint8Array.from(bytes)
  for (let change = random(4); change >= 0; change--) {
    const at = random(mutated.length + 1)
    const kind = random(6)
    if (kind === 0) mutated = mutated.slice(0, at)
    else if (kind === 1) mutated = concat(mutated.subarray(0, at), mutated.subarray(random(at + 1)))
    else if (kind === 2) mutated = concat(mutated.subarray(0, at), mutated.subarray(at + random(8)))
    else if (mutated.length > 0) {
      mutated[at % mutated.length] = kind === 3 ? [0, 1, 0x7f, 0x80, 0x84, 0xff][random(6)]! : random(256)
    }
  }
  return mutated
}

/** What may stand in JSON where something else belongs. */
const ODD_VALUES: readonly unknown[] = [
  ...[null, true, -1, -0, 0.5, 255, 65_535, 2 ** 32, 2 ** 53, 1e308, [], {}, [null], [[]], { length: 1 }],
  ...['', '0', '\u0000', '2026-02-30T00:00:00Z', 'UpToDate', 'Revoked', 'ff'.repeat(48), 'x'.repeat(10_000)],
  JSON.parse('{"__proto__":{"svn":1,"tcb":{}},"constructor":null,"toString":1}'),
  JSON.parse('['.repeat(100) + ']'.repeat(100)),
]

/** Changes values, keys and lists of a JSON text, so that what breaks is its meaning, which changed bytes seldom reach. */
function mutateJson(text: string, random: (below: number) => number): Uint8Array {
  const root = JSON.parse(text) as Record<string, unknown>
  for (let change = random(4); change >= 0; change--) {
    let holder = root
    for (;;) {
      const keys = Object.keys(holder)
      const key = keys[random(Math.max(keys.length, 1))]
      if (key === undefined) break
      const value = holder[key]
      if (typeof value === 'object' && value !== null && random(4) > 0) {
        holder = value as Record<string, unknown>
        continue
      }
      const kind = random(4)
      if (kind === 0) holder[key] = structuredClone(ODD_VALUES[random(ODD_VALUES.length)])
      else if (kind === 1) holder[keys[random(keys.length)]!] = structuredClone(value)
      else if (Array.isArray(holder))
        holder.splice(Number(key), 1, ...(kind === 2 ? [] : [value, structuredClone(value)]))
      else delete holder[key]
      break
    }
  }
  return bytes(JSON.stringify(root))
}

const { quote, collateral } = readVector('v5-90c06f-uptodate')
const [leafDer, caDer] = decodePemChain(decodeQuote(quote).pckChain)
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
const bytes = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value, 'latin1'))
const json = (value: Uint8Array): unknown => {
  try {
    return JSON.parse(text(value))
  } catch {
    return undefined
  }
}

const PARSERS: readonly {
  name: string
  seeds: readonly Uint8Array[]
  isJson?: true
  parse: (input: Uint8Array) => unknown
}[] = [
  { name: 'decodeQuote', seeds: [quote, readVector('v4-b0c06f-uptodate').quote], parse: decodeQuote },
  { name: 'decodePemChain', seeds: [bytes(collateral.pckCrlIssuerChain)], parse: decodePemChain },
  { name: 'decodeCertificate', seeds: [leafDer!, caDer!], parse: decodeCertificate },
  {
    name: 'decodeSgxExtension',
    seeds: [decodeCertificate(leafDer!).extensions.get(EXTENSION.sgx)!.value],
    parse: decodeSgxExtension,
  },
  { name: 'decodeRevocationList', seeds: [collateral.rootCaCrl, collateral.pckCrl], parse: decodeRevocationList },
  {
    name: 'decodeTcbInfo',
    seeds: [bytes(collateral.tcbInfo)],
    isJson: true,
    parse: (input) => decodeTcbInfo(new JsonObject('TCB info', json(input))),
  },
  {
    name: 'decodeQeIdentity',
    seeds: [bytes(collateral.qeIdentity)],
    isJson: true,
    parse: (input) => decodeQeIdentity(new JsonObject('QE identity', json(input))),
  },
  {
    name: 'decodePolicy',
    seeds: [
      bytes(
        JSON.stringify({
          acceptedStatuses: ['UpToDate', 'SWHardeningNeeded'],
          graceDays: 3,
          minEvaluationDataNumber: 17,
          acceptedAdvisories: ['INTEL-SA-00001'],
          refusedAdvisories: ['INTEL-SA-00002'],
          measurements: [{ mrTd: `0x${'ab'.repeat(48)}`, rtMr: [null, `0x${'cd'.repeat(48)}`, null, null] }],
          imageInMrtd: true,
          reportData: `0x${'00'.repeat(64)}`,
          tdAttributes: { pks: true, septVeDisable: false },
          acceptServiceTd: false,
        }),
      ),
    ],
    isJson: true,
    parse: (input) => decodePolicy(json(input)),
  },
  {
    name: 'decodeCollateralFile',
    seeds: [bytes(JSON.stringify(encodeCollateralFile(collateral)))],
    isJson: true,
    parse: (input) => decodeCollateralFile(json(input)),
  },
]

const usedBytes = (): number => {
  const { used_heap_size, external_memory } = getHeapStatistics()
  return used_heap_size + external_memory
}

for (const { name, seeds, isJson, parse } of PARSERS) {
  test(`${name}: whatever it is given, it answers or refuses, within its allocation (SEED=${SEED})`, (context: TestContext) => {
    const random = createRandom(SEED)
    const endsAt = performance.now() + FUZZ_MS / PARSERS.length
    let count = 0
    let acceptedCount = 0
    let slowestMs = 0
    do {
      const seed = seeds[random(seeds.length)]!
      const input = isJson && random(2) === 0 ? mutateJson(text(seed), random) : mutate(seed, random)
      const isMeasured = count % 32 === 0
      const before = isMeasured ? usedBytes() : 0
      const startedAt = performance.now()
      try {
        parse(input)
        acceptedCount++
      } catch (error) {
        if (!(error instanceof CoalitionError)) throw new Error(`SEED=${SEED}: ${text(input)}`, { cause: error })
      }
      slowestMs = Math.max(slowestMs, performance.now() - startedAt)
      if (isMeasured) assert.ok(usedBytes() - before <= ALLOCATION_FIXED_BYTES + ALLOCATION_FACTOR * input.length)
      count++
    } while (performance.now() < endsAt)
    context.diagnostic(`${count} inputs, ${acceptedCount} accepted, slowest ${slowestMs.toFixed(1)} ms`)
  })
}

test('decodeCertificate: what it accepts, OpenSSL reads the same way', () => {
  const random = createRandom(SEED)
  let acceptedCount = 0
  for (let i = 0; i < 20_000; i++) {
    const seed = [leafDer!, caDer!][random(2)]!
    // One byte at a time, so that a good part of them is still a certificate.
    const der = Uint8Array.from(seed)
    der[random(der.length)] = random(256)
    let certificate: ReturnType<typeof decodeCertificate>
    try {
      certificate = decodeCertificate(der)
    } catch {
      continue
    }
    const oracle = new X509Certificate(der)
    acceptedCount++
    assert.equal(BigInt(`0x${oracle.serialNumber}`), BigInt(`0x${Buffer.from(certificate.serial).toString('hex')}`))
    assert.equal(oracle.validFromDate.getTime(), certificate.notBeforeMs)
    assert.equal(oracle.validToDate.getTime(), certificate.notAfterMs)
    // OpenSSL also wants the right to sign certificates here; the verifier asks that of each issuer.
    if (oracle.ca) assert.equal(certificate.isCa, true)
    const commonName = /^CN=(.*)$/m.exec(oracle.subject)?.[1]
    // OpenSSL escapes what could be mistaken for a separator.
    assert.equal(commonName?.replaceAll('\\', ''), certificate.subject.commonName.replaceAll('\\', '') || undefined)
  }
  assert.ok(acceptedCount > 1_000, `${acceptedCount} of them were certificates`)
})

test('decodeRevocationList: finds every serial number of a list, whatever its size', () => {
  const random = createRandom(SEED)
  for (const count of [0, 1, 2, 127, 128, 1_000]) {
    const serials = Array.from({ length: count }, (_, i) =>
      Uint8Array.of(1 + (i >> 8), i & 255, random(256), random(256)),
    )
    const der = createCrl({
      version: 1,
      issuer: 'Intel SGX PCK Platform CA',
      issuerKey: keys.pckCa,
      authorityKeyId: new Uint8Array(20),
      thisUpdateMs: NOW_MS,
      nextUpdateMs: NOW_MS + 1_000,
      crlNumber: count,
      revoked: serials.map((serial) => ({ serial })),
      extraExtensions: [],
    })
    const list = decodeRevocationList(der)
    assert.equal(list.crlNumber, count)
    assert.equal(revokedCount(list), count)
    for (const serial of serials) assert.ok(isRevoked(list, { serial }))
    assert.equal(isRevoked(list, { serial: Uint8Array.of(0x7f, 1, 2, 3) }), false)
  }
})

test('decodeRevocationList: reads the lists of the vectors in full', () => {
  // Each entry of Intel's lists has 20 or 21 bytes of serial number and a reason: their shape, counted without the reader.
  const entryCount = text(collateral.pckCrl).split('\x30\x0c\x30\x0a\x06\x03\x55\x1d\x15').length - 1
  assert.ok(entryCount >= 44)
  assert.equal(revokedCount(decodeRevocationList(collateral.pckCrl)), entryCount)
  assert.equal(revokedCount(decodeRevocationList(collateral.rootCaCrl)), 0)
})
