import type { Collateral } from '../../../../protocol/attestation/collateral.ts'
import { createTrustedRoot, type TrustedRoot } from '../../../../protocol/attestation/trustedRoot.ts'
import type { Der } from './der.ts'
import {
  type CertificateSpec,
  type CrlSpec,
  createCertificate,
  createCrl,
  createKey,
  createSgxExtension,
  defaultAlgorithm,
  type SgxSpec,
  signRaw,
  toPem,
} from './pki.ts'
import { createQuote, defaultQeReport, defaultReport, type QuoteSpec } from './quote.ts'

export const DAY_MS = 86_400_000
/** When the factory's world is judged. */
export const NOW_MS = Date.UTC(2026, 5, 1)

/** Made once: key generation is the slow part, and no test depends on which keys they are. */
export const keys = {
  root: createKey(),
  otherRoot: createKey(),
  pckCa: createKey(),
  otherPckCa: createKey(),
  tcbSigning: createKey(),
  pck: createKey(),
  attestation: createKey(),
  stranger: createKey(),
} as const

export const INTEL_VENDOR_ID = Uint8Array.from(Buffer.from('939a7233f79c4ca9940a0db3957f0607', 'hex'))
const id = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.padEnd(20, '.')))

/** TCB info and QE identity as JSON that a test may change before it is signed. */
// biome-ignore lint/suspicious/noExplicitAny: tests put there what must be refused, of any kind
export type Json = Record<string, any>

const components = (...svns: readonly number[]): Json[] => Array.from({ length: 16 }, (_, i) => ({ svn: svns[i] ?? 0 }))
const rfc3339 = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')

export function defaultTcbInfo(): Json {
  const level = (sgx: readonly number[], tdx: readonly number[], more: Json): Json => ({
    tcb: { sgxtcbcomponents: components(...sgx), pcesvn: 11, tdxtcbcomponents: components(...tdx) },
    ...more,
  })
  const module = { mrsigner: '00'.repeat(48), attributes: '00'.repeat(8), attributesMask: 'FF'.repeat(8) }
  return {
    id: 'TDX',
    version: 3,
    issueDate: rfc3339(NOW_MS - 5 * DAY_MS),
    nextUpdate: rfc3339(NOW_MS + 25 * DAY_MS),
    fmspc: 'B0C06F000000',
    pceId: '0000',
    tcbType: 0,
    tcbEvaluationDataNumber: 20,
    tdxModule: { ...module },
    tdxModuleIdentities: [
      {
        id: 'TDX_01',
        ...module,
        tcbLevels: [
          { tcb: { isvsvn: 6 }, tcbDate: '2026-02-01T00:00:00Z', tcbStatus: 'UpToDate' },
          {
            tcb: { isvsvn: 4 },
            tcbDate: '2025-01-01T00:00:00Z',
            tcbStatus: 'OutOfDate',
            advisoryIDs: ['INTEL-SA-00900'],
          },
          { tcb: { isvsvn: 2 }, tcbDate: '2024-01-01T00:00:00Z', tcbStatus: 'Revoked' },
        ],
      },
      {
        id: 'TDX_03',
        ...module,
        tcbLevels: [{ tcb: { isvsvn: 3 }, tcbDate: '2026-02-01T00:00:00Z', tcbStatus: 'UpToDate' }],
      },
    ],
    tcbLevels: [
      level([3, 3], [5, 0, 3], { tcbDate: '2026-02-01T00:00:00Z', tcbStatus: 'UpToDate' }),
      level([2, 2], [5, 0, 2], {
        tcbDate: '2025-06-01T00:00:00Z',
        tcbStatus: 'OutOfDate',
        advisoryIDs: ['INTEL-SA-00960', 'INTEL-SA-00837'],
      }),
    ],
  }
}

export const defaultQeIdentity = (): Json => ({
  id: 'TD_QE',
  version: 2,
  issueDate: rfc3339(NOW_MS - 6 * DAY_MS),
  nextUpdate: rfc3339(NOW_MS + 24 * DAY_MS),
  tcbEvaluationDataNumber: 20,
  miscselect: '00000000',
  miscselectMask: 'FFFFFFFF',
  attributes: '11000000000000000000000000000000',
  attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
  mrsigner: 'DC'.repeat(32),
  isvprodid: 2,
  tcbLevels: [
    { tcb: { isvsvn: 4 }, tcbDate: '2026-02-01T00:00:00Z', tcbStatus: 'UpToDate' },
    { tcb: { isvsvn: 3 }, tcbDate: '2025-03-01T00:00:00Z', tcbStatus: 'OutOfDate', advisoryIDs: ['INTEL-SA-00955'] },
    { tcb: { isvsvn: 2 }, tcbDate: '2024-03-01T00:00:00Z', tcbStatus: 'Revoked' },
  ],
})

const certificate = (more: Partial<CertificateSpec> & Pick<CertificateSpec, 'subject' | 'key'>): CertificateSpec => ({
  version: 2,
  serial: id(more.subject.slice(-12)),
  issuer: 'Intel SGX Root CA',
  notBeforeMs: NOW_MS - 400 * DAY_MS,
  notAfterMs: NOW_MS + 2_000 * DAY_MS,
  issuerKey: keys.root,
  subjectKeyId: id(more.subject.slice(0, 20)),
  authorityKeyId: id('Intel SGX Root CA'),
  isCa: false,
  pathLength: undefined,
  keyUsage: 0xc0,
  algorithm: defaultAlgorithm,
  publicPoint: more.key.point,
  extraExtensions: [],
  omittedExtensions: [],
  ...more,
})

export const defaultSgx = (): SgxSpec => ({
  ppid: new Uint8Array(16).fill(0x99),
  components: [3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  pceSvn: 11,
  cpuSvn: new Uint8Array(16),
  pceId: new Uint8Array(2),
  fmspc: Uint8Array.from(Buffer.from('b0c06f000000', 'hex')),
  sgxType: 0,
})

const PCK_CA_ID = id('Intel SGX PCK Platfo')

/** What a test may change, each part by what it is given as the default. A change comes before signing, `after` behind it. */
export type WorldChanges = {
  /** Another world's root certificate, where two worlds must share it: signatures differ from one making to the next. */
  rootDer?: Der
  root?: Partial<CertificateSpec>
  pckCa?: Partial<CertificateSpec>
  /** The authority that the revocation list's chain shows, where it is another than the quote's. */
  listedPckCa?: Partial<CertificateSpec>
  tcbSigning?: Partial<CertificateSpec>
  pck?: Partial<CertificateSpec>
  sgx?: Partial<SgxSpec>
  /** Instead of the SGX extension that `sgx` makes; `null` leaves it out. */
  sgxExtension?: { id: string; value: Der } | null
  rootCaCrl?: Partial<CrlSpec>
  pckCrl?: Partial<CrlSpec>
  tcbInfo?: (json: Json) => void
  tcbInfoText?: (text: string) => string
  tcbInfoKey?: (typeof keys)[keyof typeof keys]
  qeIdentity?: (json: Json) => void
  qeIdentityKey?: (typeof keys)[keyof typeof keys]
  /** The chain in the quote, from its three certificates. */
  pckChain?: (certificates: { pck: Der; pckCa: Der; root: Der }) => string
  tcbChain?: (certificates: { tcbSigning: Der; root: Der }) => string
  quote?: Partial<Omit<QuoteSpec, 'report' | 'qeReport'>>
  report?: Partial<QuoteSpec['report']>
  qeReport?: Partial<QuoteSpec['qeReport']>
}

export type World = {
  root: TrustedRoot
  collateral: Collateral
  quote: Uint8Array
  nowMs: number
  certificates: { root: Der; pckCa: Der; pck: Der; tcbSigning: Der }
}

/** Makes a platform, its collateral and a quote that is accepted, but for the changes. */
export function createWorld(changes: WorldChanges = {}): World {
  const caExtras = { isCa: true, keyUsage: 0x06 }
  const rootSpec = certificate({
    subject: 'Intel SGX Root CA',
    key: keys.root,
    ...caExtras,
    pathLength: 1,
    ...changes.root,
  })
  const caSpec = certificate({
    subject: 'Intel SGX PCK Platform CA',
    key: keys.pckCa,
    ...caExtras,
    pathLength: 0,
    ...changes.pckCa,
  })
  const sgxExtension =
    changes.sgxExtension === undefined ? createSgxExtension({ ...defaultSgx(), ...changes.sgx }) : changes.sgxExtension
  const pckSpec = certificate({
    subject: 'Intel SGX PCK Certificate',
    key: keys.pck,
    issuer: caSpec.subject,
    issuerKey: keys.pckCa,
    authorityKeyId: PCK_CA_ID,
    subjectKeyId: id('pck'),
    extraExtensions: sgxExtension ? [sgxExtension] : [],
    ...changes.pck,
  })
  const certificates = {
    root: changes.rootDer ?? createCertificate(rootSpec),
    pckCa: createCertificate(caSpec),
    pck: createCertificate(pckSpec),
    tcbSigning: createCertificate(
      certificate({ subject: 'Intel SGX TCB Signing', key: keys.tcbSigning, ...changes.tcbSigning }),
    ),
  }
  const listedPckCa = changes.listedPckCa
    ? createCertificate({ ...caSpec, ...changes.listedPckCa })
    : certificates.pckCa
  const crl = {
    version: 1,
    thisUpdateMs: NOW_MS - 7 * DAY_MS,
    nextUpdateMs: NOW_MS + 23 * DAY_MS,
    crlNumber: 7,
    extraExtensions: [],
  }
  const rootCaCrl = createCrl({
    ...crl,
    issuer: 'Intel SGX Root CA',
    issuerKey: keys.root,
    authorityKeyId: id('Intel SGX Root CA'),
    revoked: [],
    ...changes.rootCaCrl,
  })
  const pckCrl = createCrl({
    ...crl,
    issuer: caSpec.subject,
    issuerKey: keys.pckCa,
    authorityKeyId: PCK_CA_ID,
    revoked: [{ serial: id('someone else') }, { serial: id('another one') }],
    ...changes.pckCrl,
  })
  const { text: tcbInfo, signature: tcbInfoSignature } = signJson(
    defaultTcbInfo(),
    changes.tcbInfo,
    changes.tcbInfoKey,
    changes.tcbInfoText,
  )
  const { text: qeIdentity, signature: qeIdentitySignature } = signJson(
    defaultQeIdentity(),
    changes.qeIdentity,
    changes.qeIdentityKey,
  )
  const { pck, pckCa, root, tcbSigning } = certificates
  const tcbChain = changes.tcbChain?.({ tcbSigning, root }) ?? toPem(tcbSigning, root)
  const pckChain = changes.pckChain?.({ pck, pckCa, root }) ?? `${toPem(pck, pckCa, root)}\0`
  const version = changes.quote?.version ?? 5
  const quote = createQuote({
    version,
    keyType: 2,
    teeType: 0x81,
    reserved: new Uint8Array(4),
    vendorId: INTEL_VENDOR_ID,
    userData: new Uint8Array(20),
    bodyType: 3,
    bodySizeBytes: undefined,
    signingKey: keys.attestation,
    attestationKey: keys.attestation.point.subarray(1),
    qeReportData: undefined,
    qeAuthenticationData: new Uint8Array(32).fill(0x0a),
    qeSigningKey: keys.pck,
    outerType: 6,
    innerType: 5,
    pckChain: Uint8Array.from(Buffer.from(pckChain, 'latin1')),
    trailing: new Uint8Array(),
    ...changes.quote,
    report: { ...defaultReport(), ...changes.report },
    qeReport: { ...defaultQeReport(), ...changes.qeReport },
  })
  return {
    root: createTrustedRoot(certificates.root),
    collateral: {
      rootCaCrl,
      pckCrl,
      pckCrlIssuerChain: toPem(listedPckCa, root),
      tcbInfo,
      tcbInfoSignature,
      tcbInfoIssuerChain: tcbChain,
      qeIdentity,
      qeIdentitySignature,
      qeIdentityIssuerChain: tcbChain,
    },
    quote,
    nowMs: NOW_MS,
    certificates,
  }
}

function signJson(
  json: Json,
  change: ((json: Json) => void) | undefined,
  key: (typeof keys)[keyof typeof keys] = keys.tcbSigning,
  rewrite: (text: string) => string = (text) => text,
): { text: string; signature: Uint8Array } {
  change?.(json)
  const text = rewrite(JSON.stringify(json))
  return { text, signature: Uint8Array.from(signRaw(key, Buffer.from(text))) }
}
