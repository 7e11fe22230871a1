import { readFileSync } from 'node:fs'
import { verify as verifyByPhala } from '@phala/dcap-qvl'
import { appraiseQuote } from '../protocol/attestation/appraiseQuote.ts'
import { decodeCertificate } from '../protocol/attestation/certificate.ts'
import { verifyCollateral } from '../protocol/attestation/collateral.ts'
import { decodeCollateralFile } from '../protocol/attestation/collateralFile.ts'
import { INTEL_SGX_ROOT } from '../protocol/attestation/intelRoot.ts'
import { encodeP256Signature, importP256Key, type P256Key, verifyP256 } from '../protocol/attestation/p256.ts'
import { verifyPckChain } from '../protocol/attestation/pckChain.ts'
import { decodePemChain } from '../protocol/attestation/pem.ts'
import { decodeQuote } from '../protocol/attestation/quote.ts'
import { applyPolicy, createQuoteVerifier, verifyQuote } from '../protocol/attestation/verifyQuote.ts'
import type { Figure } from './measure.ts'

/** Real quotes that are accepted, one of each version. */
const NAMES = ['v4-b0c06f-uptodate', 'v5-90c06f-uptodate'] as const
/** 400 samples of each, in blocks; the first few of a block are not counted, as they find other code's memory in the caches. */
const BLOCKS = 10
/** Blocks before those, not counted: what runs a hundred times is compiled meanwhile, on threads whose time would be counted. */
const WARM_BLOCKS = 4
const BLOCK_SIZE = 40
const UNCOUNTED = 4

/** How many signatures a verification cannot do without: nine with nothing cached, three beside collateral, two beside the PCK key. */
const SIGNATURES = { cold: 9, collateralCached: 3, pckCached: 2 } as const

/**
 * CPU time of one verification, in ms, medians of single calls of one process, measured in turn so that the machine's noise
 * falls on all alike. `limit` is the number of signatures times one native P-256 verification of the same run; `native cold`
 * is all that a cold verification asks of the runtime's cryptography, and nothing else. Cold runs begin with the
 * collateral file, hex and all, as the other verifier's do.
 */
export async function benchDcap(): Promise<Figure[]> {
  const cases = NAMES.map(readCase)
  const runs = {
    cold: cases.map(
      ({ quote, file, nowMs }) =>
        () =>
          verifyQuote({ quote, collateral: decodeCollateralFile(file), nowMs }),
    ),
    nativeCold: cases.map(prepareNativeCalls),
    collateralCached: cases.map(({ quote, collateral, nowMs }) => {
      const verified = verifyCollateral(collateral, INTEL_SGX_ROOT)
      return () => {
        const decoded = decodeQuote(quote)
        const pck = verifyPckChain(decoded.pckChain, INTEL_SGX_ROOT, verified.pckCa)
        return applyPolicy(appraiseQuote({ quote: decoded, collateral: verified, pck, nowMs }), {}, nowMs)
      }
    }),
    pckCached: cases.map(({ quote, collateral, nowMs }) => {
      const verifier = createQuoteVerifier()
      return () => verifier.verify({ quote, collateral, nowMs })
    }),
    signature: cases.map(() => {
      const { key, certificate } = INTEL_SGX_ROOT
      return () => verifyP256(key, certificate.tbs, certificate.signature)
    }),
    phala: cases.map(
      ({ quote, file, nowMs }) =>
        () =>
          verifyByPhala(quote, file, nowMs / 1_000),
    ),
  }
  const samples = measureInTurn(runs)
  const signatureMs = median(samples.signature)
  const ms = (name: string, value: number): Figure => ({ name, value, unit: 'ms' })
  return [
    ms('cold', median(samples.cold)),
    ms('limit cold', SIGNATURES.cold * signatureMs),
    ms('native cold', median(samples.nativeCold)),
    ms('collateral cached', median(samples.collateralCached)),
    ms('limit collateral cached', SIGNATURES.collateralCached * signatureMs),
    ms('pck cached', median(samples.pckCached)),
    ms('limit pck cached', SIGNATURES.pckCached * signatureMs),
    ms('phala cold', median(samples.phala)),
  ]
}

function readCase(name: (typeof NAMES)[number]) {
  const read = (file: string): Buffer => readFileSync(new URL(`../test/vectors/tdx/${name}/${file}`, import.meta.url))
  const file = JSON.parse(read('collateral.json').toString())
  const { verifyAtUnix } = JSON.parse(read('expected.json').toString()) as { verifyAtUnix: number }
  return {
    quote: Uint8Array.from(read('quote.bin')),
    collateral: decodeCollateralFile(file),
    file,
    nowMs: verifyAtUnix * 1_000,
  }
}

/** The nine signatures and four keys of a cold verification, everything around them done beforehand. */
function prepareNativeCalls({ quote, collateral }: ReturnType<typeof readCase>): () => void {
  const decoded = decodeQuote(quote)
  const { rootCaCrl, pckCa, pckCrl } = verifyCollateral(collateral, INTEL_SGX_ROOT)
  const { leaf } = verifyPckChain(decoded.pckChain, INTEL_SGX_ROOT, pckCa)
  const tcbSigner = decodeCertificate(decodePemChain(new TextEncoder().encode(collateral.tcbInfoIssuerChain))[0]!)
  const signed = (text: string, raw: Uint8Array) => ({
    tbs: new TextEncoder().encode(text),
    signature: encodeP256Signature(raw),
  })
  const tcbInfo = signed(collateral.tcbInfo, collateral.tcbInfoSignature)
  const qeIdentity = signed(collateral.qeIdentity, collateral.qeIdentitySignature)
  const qeReport = { tbs: decoded.qeReport.bytes, signature: encodeP256Signature(decoded.qeReportSignature) }
  const body = { tbs: decoded.signedBytes, signature: encodeP256Signature(decoded.signature) }
  const attestationPoint = Uint8Array.of(4, ...decoded.attestationKey)
  const check = (key: P256Key | undefined, { tbs, signature }: typeof body): void => {
    if (!key || !verifyP256(key, tbs, signature)) throw new Error('a signature of a vector is wrong')
  }
  return () => {
    check(INTEL_SGX_ROOT.key, rootCaCrl)
    check(INTEL_SGX_ROOT.key, tcbSigner)
    const tcbKey = importP256Key(tcbSigner.publicPoint)
    check(tcbKey, tcbInfo)
    check(tcbKey, qeIdentity)
    check(INTEL_SGX_ROOT.key, pckCa.certificate)
    const caKey = importP256Key(pckCa.certificate.publicPoint)
    check(caKey, pckCrl)
    check(caKey, leaf)
    check(importP256Key(leaf.publicPoint), qeReport)
    check(importP256Key(attestationPoint), body)
  }
}

type Name = 'cold' | 'nativeCold' | 'collateralCached' | 'pckCached' | 'signature' | 'phala'
type Runs = Record<Name, readonly (() => unknown)[]>

/** In blocks, so that what one leaves to the garbage collector is not counted against another; in turn, so that a slow spell hits all. */
function measureInTurn(runs: Runs): Record<Name, number[]> {
  const samples = Object.fromEntries(Object.keys(runs).map((name) => [name, []])) as unknown as Record<Name, number[]>
  for (let block = -WARM_BLOCKS; block < BLOCKS; block++) {
    for (const [name, variants] of Object.entries(runs) as [Name, Runs[Name]][]) {
      for (let i = -UNCOUNTED; i < BLOCK_SIZE; i++) {
        const run = variants[(i + UNCOUNTED) % variants.length]!
        const before = process.cpuUsage()
        run()
        const { user, system } = process.cpuUsage(before)
        if (i >= 0 && block >= 0) samples[name].push((user + system) / 1_000)
      }
    }
  }
  return samples
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!
