import { createHash } from 'node:crypto'
import { type CollateralSource, CollateralUnavailableError } from '../../client/collateral/collateralSource.ts'
import { toCollateralKey } from '../../client/collateral/pcsClient.ts'
import { AttestationError } from '../../protocol/attestation/attestationError.ts'
import type { Collateral } from '../../protocol/attestation/collateral.ts'
import { encodeCollateralFile } from '../../protocol/attestation/collateralFile.ts'
import { inspectPlatform } from '../../protocol/attestation/inspectQuote.ts'
import type { AttestationPolicy } from '../../protocol/attestation/policy.ts'
import { createQuoteVerifier, PolicyRefusalError, type QuoteVerifier } from '../../protocol/attestation/verifyQuote.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { type QuoteVerdict, type SignedVerdicts, signVerdicts } from '../../protocol/wire/quoteVerdict.ts'
import { derivePolicyDigest } from './policyDigest.ts'

const ZERO_BYTES64: Hex = `0x${'00'.repeat(64)}`

export type ProcessorOptions = {
  /** Component key. */
  component: Hex
  policy: AttestationPolicy
  /** Verdicts to keep; default 4,096, about 1 KB each. 0 keeps none. */
  verdictsMax?: number
  verifier?: QuoteVerifier
}

/** Judges the quotes of one job, in their order. */
export type AttestationProcessor = (quotes: readonly Uint8Array[]) => Promise<SignedVerdicts>

/**
 * Creates the logic of an attestation worker: collateral for each platform, a verdict for each quote, one signature for
 * all. Verdicts are kept by what was judged, quote and collateral, and used again while they hold; a run that is repeated
 * gives the same verdicts.
 *
 * @throws {CollateralUnavailableError} (by the processor) there is no collateral for a platform: to be tried again, because it says
 *   nothing about the quote.
 */
export function createAttestationProcessor(
  deps: { collaterals: CollateralSource; clock: { nowMs(): number }; secretKey: Uint8Array },
  options: ProcessorOptions,
): AttestationProcessor {
  const { collaterals, clock, secretKey } = deps
  const { component, policy, verdictsMax = 4_096, verifier = createQuoteVerifier() } = options
  const policyDigest = derivePolicyDigest(policy)
  const kept = new Map<string, { verdict: QuoteVerdict; judgedAtMs: number }>()
  const digests = new WeakMap<Collateral, Hex>()

  const digestOf = (collateral: Collateral): Hex => {
    const known = digests.get(collateral)
    if (known) return known
    const digest = sha256(JSON.stringify(encodeCollateralFile(collateral)))
    digests.set(collateral, digest)
    return digest
  }

  const judge = async (quote: Uint8Array, nowMs: number): Promise<QuoteVerdict> => {
    const quoteDigest = sha256(quote)
    let collateral: Collateral
    try {
      const { fmspc, ca } = inspectPlatform(quote)
      collateral = await collaterals.fetch(toCollateralKey({ fmspc, pckCa: ca }))
    } catch (error) {
      if (error instanceof CollateralUnavailableError || !(error instanceof AttestationError)) throw error
      return toRefusal(error, { quoteDigest, collateralDigest: ZERO_BYTES32 })
    }
    const collateralDigest = digestOf(collateral)
    const key = `${quoteDigest}${collateralDigest}`
    const known = kept.get(key)
    if (known && holdsAt(known, nowMs)) return known.verdict
    const verdict = verdictOn({ quote, collateral, nowMs }, { quoteDigest, collateralDigest })
    kept.delete(key)
    if (verdictsMax > 0) kept.set(key, { verdict, judgedAtMs: nowMs })
    if (kept.size > verdictsMax) kept.delete(kept.keys().next().value!)
    return verdict
  }

  const verdictOn = (
    parameters: { quote: Uint8Array; collateral: Collateral; nowMs: number },
    ids: Pick<QuoteVerdict, 'quoteDigest' | 'collateralDigest'>,
  ): QuoteVerdict => {
    try {
      const { reportDigest, measurements, expiresAtMs } = verifier.verify({ ...parameters, policy })
      return { ...ids, reportDigest, code: '', message: '', reportData: measurements.reportData, expiresAtMs }
    } catch (error) {
      if (!(error instanceof AttestationError)) throw error
      return toRefusal(error, ids)
    }
  }

  return async (quotes) => {
    const judgedAtMs = clock.nowMs()
    const verdicts: QuoteVerdict[] = []
    for (const quote of quotes) verdicts.push(await judge(quote, judgedAtMs))
    return signVerdicts({ component, policyDigest, judgedAtMs, verdicts }, secretKey)
  }
}

/** An acceptance holds until it expires; a refusal for as long as time has no part in it. Neither holds before it was made. */
function holdsAt({ verdict, judgedAtMs }: { verdict: QuoteVerdict; judgedAtMs: number }, nowMs: number): boolean {
  if (nowMs < judgedAtMs) return false
  return verdict.code === '' ? nowMs <= verdict.expiresAtMs : !verdict.code.endsWith('_NOT_YET_VALID')
}

function toRefusal(error: AttestationError, ids: Pick<QuoteVerdict, 'quoteDigest' | 'collateralDigest'>): QuoteVerdict {
  const appraisal = error instanceof PolicyRefusalError ? error.appraisal : undefined
  return {
    ...ids,
    reportDigest: appraisal?.reportDigest ?? ZERO_BYTES32,
    code: error.code,
    message: error.message.slice(0, 1_024),
    reportData: appraisal?.measurements.reportData ?? ZERO_BYTES64,
    expiresAtMs: 0,
  }
}

const sha256 = (content: Uint8Array | string): Hex => toHex(createHash('sha256').update(content).digest())
