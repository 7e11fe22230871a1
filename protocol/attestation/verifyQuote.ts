import { type Branded, toHex } from '../bytes.ts'
import { sha256 } from '../hash.ts'
import { appraiseQuote, type QuoteAppraisal } from './appraiseQuote.ts'
import { AttestationError } from './attestationError.ts'
import { type Collateral, type VerifiedCollateral, verifyCollateral } from './collateral.ts'
import { INTEL_SGX_ROOT } from './intelRoot.ts'
import { type VerifiedPckChain, verifyPckChain } from './pckChain.ts'
import { type AttestationPolicy, assertPolicy, type MeasurementPin } from './policy.ts'
import { decodeQuote, type Quote } from './quote.ts'
import { describeShortfalls } from './tcbLevel.ts'
import type { TrustedRoot } from './trustedRoot.ts'
import { toRfc3339 } from './validity.ts'

export type PolicyRefusalCode =
  | 'QUOTE_TRAILING_BYTES'
  | 'TCB_REVOKED'
  | 'TCB_STATUS_REFUSED'
  | 'TCB_GRACE_ENDED'
  | 'TCB_EVALUATION_TOO_OLD'
  | 'TCB_ADVISORY_REFUSED'
  | 'TCB_ADVISORY_NOT_ACCEPTED'
  | 'TD_ATTRIBUTE_REFUSED'
  | 'TD_SERVICE_TD_REFUSED'
  | 'MEASUREMENT_NOT_ALLOWED'
  | 'REPORT_DATA_MISMATCH'

/** The quote is genuine and the policy does not want it. */
export class PolicyRefusalError extends AttestationError<PolicyRefusalCode> {
  readonly appraisal: QuoteAppraisal

  constructor(code: PolicyRefusalCode, message: string, options: { fix: string; appraisal: QuoteAppraisal }) {
    super(code, `${message}.`, options)
    this.appraisal = options.appraisal
  }
}

/** A genuine quote that a policy accepts; `expiresAtMs` is the earliest of collateral, certificates and grace. */
export type VerifiedQuote = Branded<QuoteAppraisal, 'VerifiedQuote'>

const DAY_MS = 86_400_000
const ZERO_PATTERN = /^0x0*$/

/**
 * Applies `policy` to a quote that is already appraised.
 *
 * @throws {PolicyRefusalError} the first demand that is not met; it carries the appraisal.
 * @throws {PolicyImageUnpinnedError} @throws {PolicyInvalidError} the policy itself is of no use.
 */
export function applyPolicy(appraisal: QuoteAppraisal, policy: AttestationPolicy, nowMs: number): VerifiedQuote {
  assertPolicy(policy)
  const refuse = (code: PolicyRefusalCode, message: string, fix: string): never => {
    throw new PolicyRefusalError(code, message, { fix, appraisal })
  }
  const { measurements, trailingSizeBytes, isTrailingZero } = appraisal
  if (!isTrailingZero && policy.acceptTrailingBytes !== true) {
    refuse(
      'QUOTE_TRAILING_BYTES',
      `${trailingSizeBytes} byte(s) that are not zero follow the quote`,
      'Pass the quote alone.',
    )
  }
  const graceEndsAtMs = judgeTcb(appraisal, policy, nowMs, refuse)
  for (const [name, wanted] of Object.entries(policy.tdAttributes ?? {})) {
    const found = appraisal.tdAttributes[name as keyof typeof appraisal.tdAttributes]
    if (found !== wanted) {
      refuse(
        'TD_ATTRIBUTE_REFUSED',
        `TD attribute ${name} is ${found}, not ${wanted}`,
        'Launch the TD with the attributes that the policy wants.',
      )
    }
  }
  if (
    measurements.mrServiceTd !== undefined &&
    !ZERO_PATTERN.test(measurements.mrServiceTd) &&
    policy.acceptServiceTd !== true
  ) {
    refuse(
      'TD_SERVICE_TD_REFUSED',
      'The TD is bound to a service TD (MRSERVICETD is not zero)',
      'Launch the TD without a service TD, or set acceptServiceTd.',
    )
  }
  if (policy.measurements && !policy.measurements.some((pin) => describeMismatch(pin, appraisal) === undefined)) {
    const reasons = policy.measurements.map((pin, i) => `measurements[${i}]: ${describeMismatch(pin, appraisal)}`)
    refuse(
      'MEASUREMENT_NOT_ALLOWED',
      `The TD is none of those allowed; ${reasons.slice(0, 4).join('; ')}`,
      'Run an image whose measurements the policy lists.',
    )
  }
  if (policy.reportData !== undefined && policy.reportData !== measurements.reportData) {
    refuse(
      'REPORT_DATA_MISMATCH',
      `The report data is ${measurements.reportData}, not ${policy.reportData}`,
      'Ask the TD for a quote over this report data.',
    )
  }
  return { ...appraisal, expiresAtMs: Math.min(appraisal.expiresAtMs, graceEndsAtMs) } as VerifiedQuote
}

/** Judges status, grace, evaluation data and advisories; returns when the grace that was used ends, infinity where none was. */
function judgeTcb(
  appraisal: QuoteAppraisal,
  policy: AttestationPolicy,
  nowMs: number,
  refuse: (code: PolicyRefusalCode, message: string, fix: string) => never,
): number {
  const { tcbStatus, tcbDateMs, advisoryIds, evaluationDataNumber } = appraisal
  const accepted = policy.acceptedStatuses ?? ['UpToDate']
  const isOutOfDate = tcbStatus === 'OutOfDate' || tcbStatus === 'OutOfDateConfigurationNeeded'
  const fixUpdate = 'Update the platform, or accept its status in the policy knowing what the advisories say.'
  if (tcbStatus === 'Revoked')
    refuse('TCB_REVOKED', `The platform's TCB is revoked${describeLag(appraisal)}`, 'Do not use this platform.')
  let graceEndsAtMs = Number.POSITIVE_INFINITY
  if (isOutOfDate && policy.graceDays !== undefined) {
    graceEndsAtMs = tcbDateMs + policy.graceDays * DAY_MS
    if (nowMs > graceEndsAtMs) {
      const ended = `grace ended ${toRfc3339(graceEndsAtMs)}, ${policy.graceDays} day(s) after its TCB date`
      refuse('TCB_GRACE_ENDED', `The platform is ${tcbStatus} and its ${ended}${describeLag(appraisal)}`, fixUpdate)
    }
  } else if (!accepted.includes(tcbStatus)) {
    refuse(
      'TCB_STATUS_REFUSED',
      `The platform is ${tcbStatus}; accepted: ${accepted.join(', ')}${describeLag(appraisal)}`,
      fixUpdate,
    )
  }
  const minNumber = policy.minEvaluationDataNumber ?? 0
  if (evaluationDataNumber < minNumber) {
    const message = `The collateral has TCB evaluation data number ${evaluationDataNumber}; the policy needs ${minNumber}`
    refuse('TCB_EVALUATION_TOO_OLD', message, 'Fetch newer collateral (update channel "early").')
  }
  const refused = advisoryIds.filter((id) => policy.refusedAdvisories?.includes(id))
  if (refused.length > 0) refuse('TCB_ADVISORY_REFUSED', `The policy refuses advisory ${refused.join(', ')}`, fixUpdate)
  const foreign = policy.acceptedAdvisories ? advisoryIds.filter((id) => !policy.acceptedAdvisories?.includes(id)) : []
  if (foreign.length > 0)
    refuse('TCB_ADVISORY_NOT_ACCEPTED', `The policy does not accept advisory ${foreign.join(', ')}`, fixUpdate)
  return graceEndsAtMs
}

/** How far behind, for people: the TCB date, the components and the advisories. */
export function describeLag({ tcbDateMs, shortfalls, advisoryIds }: QuoteAppraisal): string {
  const parts = [`TCB of ${toRfc3339(tcbDateMs).slice(0, 10)}`]
  if (shortfalls.length > 0) parts.push(describeShortfalls(shortfalls))
  if (advisoryIds.length > 0) parts.push(advisoryIds.join(', '))
  return ` (${parts.join('; ')})`
}

function describeMismatch(pin: MeasurementPin, { measurements }: QuoteAppraisal): string | undefined {
  const { rtMr, ...pinned } = pin
  for (const [name, wanted] of Object.entries(pinned)) {
    const found = measurements[name as keyof typeof pinned]
    if (found !== wanted) return `${name} is ${found ?? 'absent'}`
  }
  for (const [i, wanted] of (rtMr ?? []).entries()) {
    if (wanted !== null && measurements.rtMr[i] !== wanted) return `rtMr[${i}] is ${measurements.rtMr[i]}`
  }
  return undefined
}

export type VerifyQuoteParameters = {
  quote: Uint8Array
  collateral: Collateral
  /** The time to judge at, milliseconds since 1970. */
  nowMs: number
  /** Default: `UpToDate`, anything else as `AttestationPolicy` says. */
  policy?: AttestationPolicy
}

export type QuoteVerifier = {
  /** @throws {AttestationError} the first check that fails; a `PolicyRefusalError` where only the policy does. */
  verify(parameters: VerifyQuoteParameters): VerifiedQuote
  /** Everything but the policy. @throws {AttestationError} the first check that fails. */
  appraise(parameters: Omit<VerifyQuoteParameters, 'policy'>): QuoteAppraisal
}

/**
 * Creates a verifier that keeps what it may: collateral by the object it was given (its signatures do not change), PCK
 * chains by their digest. Both are judged anew in time and revocation for every quote.
 *
 * @param options.root default: Intel's. Tests pass their own.
 * @param options.entriesMax PCK chains to keep, about 10 KB each; default 1,024, and 0 keeps nothing at all.
 */
export function createQuoteVerifier(options: { root?: TrustedRoot; entriesMax?: number } = {}): QuoteVerifier {
  const { root = INTEL_SGX_ROOT, entriesMax = 1_024 } = options
  const collaterals = new WeakMap<Collateral, VerifiedCollateral>()
  const chains = new Map<string, VerifiedPckChain>()

  const verifiedCollateral = (collateral: Collateral): VerifiedCollateral => {
    const known = collaterals.get(collateral)
    if (known) return known
    const verified = verifyCollateral(collateral, root)
    if (entriesMax > 0) collaterals.set(collateral, verified)
    return verified
  }
  const verifiedChain = (quote: Quote, collateral: VerifiedCollateral): VerifiedPckChain => {
    if (entriesMax === 0) return verifyPckChain(quote.pckChain, root, collateral.pckCa)
    const key = toHex(sha256(quote.pckChain))
    const chain = chains.get(key) ?? verifyPckChain(quote.pckChain, root, collateral.pckCa)
    // Taken out and put back at the end, so that the first is the one not used for longest.
    chains.delete(key)
    chains.set(key, chain)
    if (chains.size > entriesMax) chains.delete(chains.keys().next().value!)
    return chain
  }
  const appraise: QuoteVerifier['appraise'] = ({ quote, collateral, nowMs }) => {
    const decoded = decodeQuote(quote)
    const verified = verifiedCollateral(collateral)
    return appraiseQuote({ quote: decoded, collateral: verified, pck: verifiedChain(decoded, verified), nowMs })
  }
  return {
    appraise,
    verify: ({ policy = {}, ...parameters }) => applyPolicy(appraise(parameters), policy, parameters.nowMs),
  }
}

/** Verifies one quote, keeping nothing (spec §8.1); `createQuoteVerifier` is for many. @throws {AttestationError} */
export const verifyQuote = (parameters: VerifyQuoteParameters): VerifiedQuote =>
  createQuoteVerifier({ entriesMax: 0 }).verify(parameters)
