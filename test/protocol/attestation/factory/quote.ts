import { createHash } from 'node:crypto'
import { concat } from './der.ts'
import { signRaw, type TestKey } from './pki.ts'

const le = (value: number, sizeBytes: number): Uint8Array => {
  const bytes = new Uint8Array(sizeBytes)
  for (let i = 0; i < sizeBytes; i++) bytes[i] = (value >>> (8 * i)) & 255
  return bytes
}
const filled = (sizeBytes: number, byte: number): Uint8Array => new Uint8Array(sizeBytes).fill(byte)

/** Every field of a quote, as the factory writes it; sizes are right unless a test sets them otherwise. */
export type QuoteSpec = {
  version: number
  keyType: number
  teeType: number
  reserved: Uint8Array
  vendorId: Uint8Array
  userData: Uint8Array
  /** Version 5 only. */
  bodyType: number
  bodySizeBytes: number | undefined
  report: ReportSpec
  signingKey: TestKey
  /** What the quote shows as its attestation key: x and y. */
  attestationKey: Uint8Array
  qeReport: QeReportSpec
  /** Where set, instead of the digest of attestation key and authentication data. */
  qeReportData: Uint8Array | undefined
  qeAuthenticationData: Uint8Array
  qeSigningKey: TestKey
  outerType: number
  innerType: number
  pckChain: Uint8Array
  trailing: Uint8Array
}

export type ReportSpec = {
  teeTcbSvn: Uint8Array
  mrSeam: Uint8Array
  mrSignerSeam: Uint8Array
  seamAttributes: Uint8Array
  tdAttributes: Uint8Array
  xfam: Uint8Array
  mrTd: Uint8Array
  mrConfigId: Uint8Array
  mrOwner: Uint8Array
  mrOwnerConfig: Uint8Array
  rtMr: readonly Uint8Array[]
  reportData: Uint8Array
  teeTcbSvn2: Uint8Array
  mrServiceTd: Uint8Array
}

export type QeReportSpec = {
  cpuSvn: Uint8Array
  miscSelect: Uint8Array
  attributes: Uint8Array
  mrEnclave: Uint8Array
  mrSigner: Uint8Array
  isvProdId: number
  isvSvn: number
}

/** SVN components that are not named are zero. */
export const svn = (...components: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(16)
  bytes.set(components)
  return bytes
}

/** TD attributes with these bits set. */
export const attributeBits = (...set: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(8)
  for (const bit of set) bytes[bit >> 3]! |= 1 << (bit & 7)
  return bytes
}

export const defaultReport = (): ReportSpec => ({
  teeTcbSvn: svn(6, 1, 3),
  mrSeam: filled(48, 0x5e),
  mrSignerSeam: filled(48, 0),
  seamAttributes: filled(8, 0),
  tdAttributes: attributeBits(28),
  xfam: Uint8Array.of(0xe7, 0x02, 0x06, 0, 0, 0, 0, 0),
  mrTd: filled(48, 0x11),
  mrConfigId: filled(48, 0),
  mrOwner: filled(48, 0),
  mrOwnerConfig: filled(48, 0),
  rtMr: [filled(48, 0xa0), filled(48, 0xa1), filled(48, 0xa2), filled(48, 0)],
  reportData: filled(64, 0xdd),
  teeTcbSvn2: svn(6, 1, 3),
  mrServiceTd: filled(48, 0),
})

export const defaultQeReport = (): QeReportSpec => ({
  cpuSvn: filled(16, 0),
  miscSelect: filled(4, 0),
  attributes: concat(Uint8Array.of(0x11), filled(15, 0)),
  mrEnclave: filled(32, 0x0e),
  mrSigner: filled(32, 0xdc),
  isvProdId: 2,
  isvSvn: 4,
})

function encodeReport(report: ReportSpec, isTd15: boolean): Uint8Array {
  const { teeTcbSvn, mrSeam, mrSignerSeam, seamAttributes, tdAttributes, xfam, mrTd, mrConfigId, mrOwner } = report
  const td10 = concat(
    ...[teeTcbSvn, mrSeam, mrSignerSeam, seamAttributes, tdAttributes, xfam, mrTd, mrConfigId, mrOwner],
    report.mrOwnerConfig,
    ...report.rtMr,
    report.reportData,
  )
  return isTd15 ? concat(td10, report.teeTcbSvn2, report.mrServiceTd) : td10
}

function encodeQeReport(report: QeReportSpec, reportData: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(384)
  bytes.set(report.cpuSvn, 0)
  bytes.set(report.miscSelect, 16)
  bytes.set(report.attributes, 48)
  bytes.set(report.mrEnclave, 64)
  bytes.set(report.mrSigner, 128)
  bytes.set(le(report.isvProdId, 2), 256)
  bytes.set(le(report.isvSvn, 2), 258)
  bytes.set(reportData, 320)
  return bytes
}

/** Writes and signs a quote. */
export function createQuote(spec: QuoteSpec): Uint8Array {
  const header = concat(
    le(spec.version, 2),
    le(spec.keyType, 2),
    le(spec.teeType, 4),
    spec.reserved,
    spec.vendorId,
    spec.userData,
  )
  const body = encodeReport(spec.report, spec.version === 5 && spec.bodyType === 3)
  const descriptor =
    spec.version === 5 ? concat(le(spec.bodyType, 2), le(spec.bodySizeBytes ?? body.length, 4)) : new Uint8Array()
  const signed = concat(header, descriptor, body)
  const digest = createHash('sha256').update(spec.attestationKey).update(spec.qeAuthenticationData).digest()
  const qeReport = encodeQeReport(spec.qeReport, spec.qeReportData ?? concat(digest, filled(32, 0)))
  const inner = concat(
    qeReport,
    signRaw(spec.qeSigningKey, qeReport),
    le(spec.qeAuthenticationData.length, 2),
    spec.qeAuthenticationData,
    le(spec.innerType, 2),
    le(spec.pckChain.length, 4),
    spec.pckChain,
  )
  const authentication = concat(
    signRaw(spec.signingKey, signed),
    spec.attestationKey,
    le(spec.outerType, 2),
    le(inner.length, 4),
    inner,
  )
  return concat(signed, le(authentication.length, 4), authentication, spec.trailing)
}
