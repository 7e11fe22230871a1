import { type Hex, isEqualBytes, toHex } from '../bytes.ts'
import { sha256 } from '../hash.ts'
import { AttestationError } from './attestationError.ts'
import type { VerifiedCollateral } from './collateral.ts'
import { type Measurements, toMeasurements } from './measurements.ts'
import { encodeP256Signature, importP256Key, verifyP256 } from './p256.ts'
import { assertNotRevoked, type VerifiedPckChain } from './pckChain.ts'
import { matchQeIdentity } from './qeIdentity.ts'
import type { Quote } from './quote.ts'
import type { ModuleTcbLevel, TcbInfo, TcbLevel } from './tcbInfo.ts'
import { findShortfalls, matchTcbLevel, type PlatformTcb, type Shortfall } from './tcbLevel.ts'
import { adviseRelaunch, mergeTcbStatus, type TcbStatus } from './tcbStatus.ts'
import { decodeTdAttributes, type TdAttributes } from './tdAttributes.ts'
import { isNewestTdxModule, matchTdxModule, type TdxModuleMatch } from './tdxModule.ts'
import { assertValidAt } from './validity.ts'

export type AppraisalErrorCode =
  | 'TCB_INFO_FMSPC_MISMATCH'
  | 'TCB_INFO_PCEID_MISMATCH'
  | 'QE_REPORT_SIGNATURE_INVALID'
  | 'QE_REPORT_DATA_MISMATCH'
  | 'QUOTE_ATTESTATION_KEY_INVALID'
  | 'QUOTE_SIGNATURE_INVALID'

export class AppraisalError extends AttestationError<AppraisalErrorCode> {
  constructor(code: AppraisalErrorCode, message: string, fix: string) {
    super(code, `${message}.`, { fix })
  }
}

const FIX_COLLATERAL = "Fetch the collateral for this platform's own FMSPC and PCE."
const FIX_QUOTE = 'Do not trust this quote: it is not as the platform made it.'

/** A genuine quote and what Intel says of its platform. No policy has judged it yet: that makes a `VerifiedQuote`. */
export type QuoteAppraisal = {
  quoteVersion: 4 | 5
  body: 'td10' | 'td15'
  measurements: Measurements
  tdAttributes: TdAttributes
  /**
   * SHA-256 of the signed header and body: what the platform said. Never key anything on a quote's raw bytes: who has one
   * quote can make others that say the same, since signatures, padding and the order of certificates can be changed.
   */
  reportDigest: Hex
  tcbStatus: TcbStatus
  platformTcbStatus: TcbStatus
  qeTcbStatus: TcbStatus
  /** `null` for modules of version 0, which the platform's status covers. */
  tdxModuleStatus: TcbStatus | null
  tdxModuleId: string | null
  /** Of platform, module and enclave; sorted, none twice. */
  advisoryIds: readonly string[]
  /** The earliest date among the matched levels: how old the oldest part of this TCB is. */
  tcbDateMs: number
  /** The lower of TCB info's and QE identity's. */
  evaluationDataNumber: number
  /** How far behind the newest up-to-date levels; empty when up to date. */
  shortfalls: readonly Shortfall[]
  fmspc: Hex
  pckCa: string
  /** When the first of certificates and collateral runs out. */
  expiresAtMs: number
  trailingSizeBytes: number
  isTrailingZero: boolean
}

/**
 * Judges `quote` against verified collateral and chain at `nowMs`: everything of spec §8.1 but the policy, in the order of
 * Intel's library (QVL 4.1.2.4).
 *
 * @throws {AttestationError} the first check that fails.
 */
export function appraiseQuote(parameters: {
  quote: Quote
  collateral: VerifiedCollateral
  pck: VerifiedPckChain
  nowMs: number
}): QuoteAppraisal {
  const { quote, collateral, pck, nowMs } = parameters
  const { tcbInfo, qeIdentity } = collateral
  assertValidAt(collateral.validities, nowMs)
  assertValidAt(pck.validities, nowMs)
  assertNotRevoked(pck, collateral)
  assertTcbInfoFits(tcbInfo, pck)
  const module = matchTdxModule(tcbInfo, quote.report)
  assertQeReport(quote, pck)
  const qeLevel = matchQeIdentity(qeIdentity, quote.qeReport)
  assertQuoteSignature(quote)
  const tdAttributes = decodeTdAttributes(quote.report.tdAttributes)

  const tcb: PlatformTcb = { ...pck.sgx, teeTcbSvn: quote.report.teeTcbSvn }
  const { sgx, tdx } = matchTcbLevel(tcbInfo, tcb)
  const matched = [tdx, qeLevel, ...(module ? [module.level] : [])]
  return {
    quoteVersion: quote.version,
    body: quote.body,
    measurements: toMeasurements(quote.report),
    tdAttributes,
    reportDigest: toHex(sha256(quote.signedBytes)),
    tcbStatus: concludeStatus({ quote, tcbInfo, sgx, tdx, module, qeLevel }),
    platformTcbStatus: tdx.status,
    qeTcbStatus: qeLevel.status,
    tdxModuleStatus: module?.level.status ?? null,
    tdxModuleId: module?.identity.id ?? null,
    advisoryIds: [...new Set(matched.flatMap((level) => level.advisoryIds))].sort(),
    tcbDateMs: Math.min(...matched.map((level) => level.tcbDateMs)),
    evaluationDataNumber: Math.min(tcbInfo.evaluationDataNumber, qeIdentity.evaluationDataNumber),
    shortfalls: listShortfalls({
      tcb,
      tcbInfo,
      tdx,
      module,
      qeLevel,
      qeLevels: qeIdentity.levels,
      qeIsvSvn: quote.qeReport.isvSvn,
    }),
    fmspc: toHex(pck.sgx.fmspc),
    pckCa: pck.ca.subject.commonName,
    expiresAtMs: Math.min(...[...collateral.validities, ...pck.validities].map((validity) => validity.untilMs)),
    trailingSizeBytes: quote.trailingBytes.length,
    isTrailingZero: quote.trailingBytes.every((byte) => byte === 0),
  }
}

function assertTcbInfoFits(tcbInfo: TcbInfo, pck: VerifiedPckChain): void {
  const { fmspc, pceId } = pck.sgx
  if (!isEqualBytes(fmspc, tcbInfo.fmspc)) {
    const message = `The platform's FMSPC is ${toHex(fmspc)}, the TCB info is for ${toHex(tcbInfo.fmspc)}`
    throw new AppraisalError('TCB_INFO_FMSPC_MISMATCH', message, FIX_COLLATERAL)
  }
  if (!isEqualBytes(pceId, tcbInfo.pceId)) {
    const message = `The platform's PCEID is ${toHex(pceId)}, the TCB info is for ${toHex(tcbInfo.pceId)}`
    throw new AppraisalError('TCB_INFO_PCEID_MISMATCH', message, FIX_COLLATERAL)
  }
}

/** The platform signed the QE's report, and the report names the attestation key (QVL 4.1.2.4.12, 4.1.2.4.13). */
function assertQeReport(quote: Quote, pck: VerifiedPckChain): void {
  const { qeReport, qeReportSignature, attestationKey, qeAuthenticationData } = quote
  if (!verifyP256(pck.key, qeReport.bytes, encodeP256Signature(qeReportSignature))) {
    throw new AppraisalError('QE_REPORT_SIGNATURE_INVALID', 'The platform has not signed the QE report', FIX_QUOTE)
  }
  const bound = new Uint8Array(attestationKey.length + qeAuthenticationData.length)
  bound.set(attestationKey)
  bound.set(qeAuthenticationData, attestationKey.length)
  const expected = new Uint8Array(64)
  expected.set(sha256(bound))
  if (!isEqualBytes(qeReport.reportData, expected)) {
    const message = 'The QE report does not name the attestation key and authentication data'
    throw new AppraisalError('QE_REPORT_DATA_MISMATCH', message, FIX_QUOTE)
  }
}

function assertQuoteSignature(quote: Quote): void {
  const point = new Uint8Array(65)
  point[0] = 4
  point.set(quote.attestationKey, 1)
  const key = importP256Key(point)
  if (!key)
    throw new AppraisalError('QUOTE_ATTESTATION_KEY_INVALID', 'The attestation key is not on the curve', FIX_QUOTE)
  if (!verifyP256(key, quote.signedBytes, encodeP256Signature(quote.signature))) {
    throw new AppraisalError('QUOTE_SIGNATURE_INVALID', 'The attestation key has not signed the quote', FIX_QUOTE)
  }
}

type Matched = {
  quote: Quote
  tcbInfo: TcbInfo
  sgx: TcbLevel
  tdx: TcbLevel
  module: TdxModuleMatch | undefined
  qeLevel: ModuleTcbLevel
}

/** QVL `checkTcbLevel`: the module's status first, then relaunch for TD 1.5, then the quoting enclave's. */
function concludeStatus({ quote, tcbInfo, sgx, tdx, module, qeLevel }: Matched): TcbStatus {
  const merged = mergeTcbStatus(tdx.status, module?.level.status ?? 'UpToDate')
  if (merged === 'Revoked') return merged
  const { teeTcbSvn2 } = quote.report
  const relaunched =
    teeTcbSvn2 && module?.level.status === 'OutOfDate'
      ? adviseRelaunch({
          sgx: sgx.status,
          tdx: merged,
          tdxModule: module.level.status,
          quotingEnclave: qeLevel.status,
          isCurrentModuleNewest: isNewestTdxModule(tcbInfo, teeTcbSvn2),
        })
      : merged
  return mergeTcbStatus(relaunched, qeLevel.status)
}

/** By which numbers each part that is not up to date is behind the newest level that is. */
function listShortfalls(parameters: {
  tcb: PlatformTcb
  tcbInfo: TcbInfo
  tdx: TcbLevel
  module: TdxModuleMatch | undefined
  qeLevel: ModuleTcbLevel
  qeLevels: readonly ModuleTcbLevel[]
  qeIsvSvn: number
}): readonly Shortfall[] {
  const { tcb, tcbInfo, tdx, module, qeLevel, qeLevels, qeIsvSvn } = parameters
  const shortfalls: Shortfall[] = []
  if (tdx.status !== 'UpToDate') {
    const target = tcbInfo.levels.find((level) => level.status === 'UpToDate') ?? tcbInfo.levels[0]!
    shortfalls.push(...findShortfalls(tcb, target))
  }
  const add = (component: string, found: number, level: ModuleTcbLevel, levels: readonly ModuleTcbLevel[]): void => {
    if (level.status === 'UpToDate') return
    const needed = (levels.find((candidate) => candidate.status === 'UpToDate') ?? levels[0]!).isvSvn
    if (found < needed) shortfalls.push({ component, found, needed })
  }
  if (module) add(`TDX module ${module.identity.id} ISVSVN`, tcb.teeTcbSvn[0]!, module.level, module.identity.levels)
  add('Quoting enclave ISVSVN', qeIsvSvn, qeLevel, qeLevels)
  return shortfalls
}
