import { verifyBinding } from '../../protocol/attestation/binding.ts'
import { inspectQuote } from '../../protocol/attestation/inspectQuote.ts'
import type { Hex, UniqueId } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { deriveRuleSignature, type TdxRules } from '../../protocol/tickets/admissionRules.ts'
import { TicketRefusedError, type TicketValidator } from '../../protocol/tickets/ticketValidator.ts'
import type { QuoteVerdict } from '../../protocol/wire/quoteVerdict.ts'

export class PeerRefusedError extends CoalitionError {
  /** Code of what is wrong with the quote. */
  readonly refusal: string

  constructor({ signer, code, reason }: { signer: Hex; code: string; reason: string }) {
    super('PEER_REFUSED', `${signer} is not admitted: ${code}: ${reason}`, {
      fix: 'Correct what the code says about its quote, and let it quote again over a fresh commit.',
      kind: 'refused',
    })
    this.refusal = code
  }
}

export type VerdictValidatorParameters = TdxRules & {
  /** The component that peers bind to. */
  componentId: UniqueId
  /** When the commit or block of a nonce was made; undefined where nobody knows it. */
  nonceTimeMs: (nonce: Hex) => number | undefined
  /** What the pool found; undefined before it was asked: then a quote is only asked for its claims, which cost nothing. */
  verdictOf?: (quote: Uint8Array) => QuoteVerdict | undefined
}

/** The validator of TDX quotes (spec §8.2) where a pool verifies them: binding and freshness are judged here, by its verdicts. */
export function createVerdictValidator(parameters: VerdictValidatorParameters): TicketValidator<'tdx'> {
  const { componentId, policy, lifetimeMaxMs, nonceTimeMs, verdictOf } = parameters
  const lifetime = lifetimeMaxMs === undefined ? {} : { lifetimeMaxMs }
  return {
    class: 'tdx',
    signature: deriveRuleSignature({ class: 'tdx', policy, ...lifetime }),
    validate({ quote, notAfterMs, nonce }, { signer }, nowMs) {
      const timeMs = nonceTimeMs(nonce)
      if (timeMs === undefined)
        throw new TicketRefusedError('TICKET_NONCE_UNKNOWN', `Nobody knows a commit or block ${nonce}`)
      let report: { reportData: Hex; expiresAtMs: number }
      if (verdictOf === undefined) {
        report = { reportData: inspectQuote(quote).measurements.reportData, expiresAtMs: Number.POSITIVE_INFINITY }
      } else {
        const verdict = verdictOf(quote)
        const { code = 'QUOTE_POOL_FAILED', message: reason = 'no verdict' } = verdict ?? {}
        if (verdict === undefined || code !== '') throw new PeerRefusedError({ signer, code, reason })
        report = verdict
      }
      const binding = { componentId, signer, notAfterMs, nonce }
      const { reportData, expiresAtMs } = report
      return Math.min(expiresAtMs, verifyBinding({ reportData, binding, nonceTimeMs: timeMs, nowMs, ...lifetime }))
    },
  }
}
