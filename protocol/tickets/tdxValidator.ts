import { BINDING_LIFETIME_MAX_MS, verifyBinding } from '../attestation/binding.ts'
import type { Collateral } from '../attestation/collateral.ts'
import { inspectPlatform } from '../attestation/inspectQuote.ts'
import { assertPolicy } from '../attestation/policy.ts'
import type { QuoteVerifier } from '../attestation/verifyQuote.ts'
import type { Hex, UniqueId } from '../bytes.ts'
import { deriveRuleSignature, type TdxRules } from './admissionRules.ts'
import { TicketRefusedError, type TicketValidator } from './ticketValidator.ts'

/**
 * A validator of TDX quotes (spec §8.1, §8.2): genuine, allowed by the policy, bound to the peer's signer, fresh.
 *
 * @param deps what validation may not fetch itself: collateral that is at hand, and when a commit or block of a digest was made.
 * @throws {PolicyImageUnpinnedError} @throws {PolicyInvalidError} the policy is of no use.
 */
export function createTdxValidator(
  deps: {
    verifier: QuoteVerifier
    collateralOf: (platform: { fmspc: Hex; ca: string }) => Collateral | undefined
    nonceTimeMs: (nonce: Hex) => number | undefined
  },
  {
    componentId,
    ...rules
  }: TdxRules & {
    /** The component that peers bind to. */
    componentId: UniqueId
  },
): TicketValidator<'tdx'> {
  const { policy, lifetimeMaxMs = BINDING_LIFETIME_MAX_MS } = rules
  assertPolicy(policy)
  return {
    class: 'tdx',
    signature: deriveRuleSignature({ class: 'tdx', ...rules }),
    validate({ quote, notAfterMs, nonce }, { signer }, nowMs) {
      const nonceTimeMs = deps.nonceTimeMs(nonce)
      if (nonceTimeMs === undefined)
        throw new TicketRefusedError('TICKET_NONCE_UNKNOWN', `Nobody knows a commit or block ${nonce}`)
      const platform = inspectPlatform(quote)
      const collateral = deps.collateralOf(platform)
      if (!collateral) {
        throw new TicketRefusedError(
          'TICKET_COLLATERAL_MISSING',
          `There is no collateral at hand for FMSPC ${platform.fmspc.slice(2)}`,
        )
      }
      const verified = deps.verifier.verify({ quote, collateral, nowMs, policy })
      const binding = { componentId, signer, notAfterMs, nonce }
      const { reportData } = verified.measurements
      return Math.min(verified.expiresAtMs, verifyBinding({ reportData, binding, nonceTimeMs, nowMs, lifetimeMaxMs }))
    },
  }
}
