import type { Hex } from '../bytes.ts'
import { quorumOf } from '../wire/committee.ts'
import { deriveRuleSignature, type IssuedByRules, SKEW_MS } from './admissionRules.ts'
import { decodeBase64Url, decodeHeader, decodeJsonObject, JWS_SIZE_MAX, judgeClaims, malformed } from './jws.ts'
import { isJwsSignedBy } from './jwsSignature.ts'
import { issuerOf } from './ticketToken.ts'
import { TicketRefusedError, type TicketValidator } from './ticketValidator.ts'

export type IssuedByDependencies = {
  /**
   * The issuer's committee as it is now, where the caller follows its rotations: signatures of members that were replaced no
   * longer count. @default the genesis committee, for as long as the issuer has not rotated
   */
  currentSigners?: (() => readonly Hex[]) | undefined
}

const textEncoder = new TextEncoder()

/**
 * A validator of tickets under a coalition's tickets root, as JWS JSON with the signatures of a quorum of the issuer's members
 * (RFC 7515 §7.2.1; ES256K, RFC 8812): `kid` is the member's address. No single key speaks for an issuer (spec §10).
 */
export function createIssuedByValidator(
  rules: IssuedByRules,
  { currentSigners }: IssuedByDependencies = {},
): TicketValidator<'issued-by'> {
  const { ticketsRoot, signers: genesisSigners, audience, lifetimeMaxMs, skewMs = SKEW_MS } = rules
  return {
    class: 'issued-by',
    signature: deriveRuleSignature({ class: 'issued-by', ...rules }),
    validate({ jws }, peer, nowMs) {
      const signers = currentSigners?.() ?? genesisSigners
      const members: ReadonlySet<string> = new Set(signers)
      const quorum = quorumOf(signers.length)
      if (jws.length > JWS_SIZE_MAX) throw malformed('of a sane size')
      const { payload, signatures } = decodeJsonObject(textEncoder.encode(jws))
      if (typeof payload !== 'string' || !Array.isArray(signatures) || signatures.length > signers.length) {
        throw malformed('JWS JSON with at most one signature a member')
      }
      const claims = decodeJsonObject(decodeBase64Url(payload))
      const endsAtMs = judgeClaims(
        claims,
        { issuer: issuerOf(ticketsRoot), audience, subject: peer.signer, lifetimeMaxMs, skewMs },
        nowMs,
      )
      const signed = new Set<string>()
      for (const entry of signatures) {
        if (typeof entry !== 'object' || entry === null) throw malformed('a signature')
        const { protected: header, signature } = entry as Record<string, unknown>
        const { kid } = decodeHeader(header, ['ES256K'])
        if (typeof kid !== 'string' || !members.has(kid)) continue
        const signed64 = decodeBase64Url(signature)
        if (isJwsSignedBy(kid as Hex, { header: header as string, payload, signature: signed64 })) signed.add(kid)
      }
      if (signed.size < quorum) {
        throw new TicketRefusedError(
          'TICKET_QUORUM_MISSING',
          `${signed.size} member(s) have signed the ticket; ${quorum} must`,
        )
      }
      return endsAtMs
    },
  }
}
