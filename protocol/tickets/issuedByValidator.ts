import { secp256k1 } from '@noble/curves/secp256k1.js'
import { type Hex, toHex, type UniqueId } from '../bytes.ts'
import { keccak256, sha256 } from '../hash.ts'
import { quorumOf } from '../wire/committee.ts'
import { decodeBase64Url, decodeHeader, decodeJsonObject, JWS_SIZE_MAX, judgeClaims, malformed } from './jws.ts'
import { deriveValidatorSignature, TicketRefusedError, type TicketValidator } from './ticketValidator.ts'

export type IssuedByRules = {
  /** The coalition's tickets root (spec §3). */
  ticketsRoot: UniqueId
  /** The issuer's committee: addresses, strictly ascending. */
  signers: readonly Hex[]
  audience: string
  lifetimeMaxMs: number
  /** How far our clock may be behind the issuer's. Default 60 s. */
  skewMs?: number
}

/** `iss` of tickets under a tickets root. */
export const issuerOf = (ticketsRoot: UniqueId): string => `coalition:tickets:${ticketsRoot}`

const textEncoder = new TextEncoder()

/**
 * A validator of tickets under a coalition's tickets root, as JWS JSON with the signatures of a quorum of the issuer's members
 * (RFC 7515 §7.2.1; ES256K, RFC 8812): `kid` is the member's address. No single key speaks for an issuer (spec §10).
 */
export function createIssuedByValidator(rules: IssuedByRules): TicketValidator<'issued-by'> {
  const { ticketsRoot, signers, audience, lifetimeMaxMs, skewMs = 60_000 } = rules
  const members: ReadonlySet<string> = new Set(signers)
  const quorum = quorumOf(signers.length)
  return {
    class: 'issued-by',
    signature: deriveValidatorSignature('issued-by', { ticketsRoot, signers, audience, lifetimeMaxMs, skewMs }),
    validate({ jws }, peer, nowMs) {
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
        const digest = sha256(textEncoder.encode(`${header}.${payload}`))
        if (isSignedBy(kid as Hex, digest, decodeBase64Url(signature))) signed.add(kid)
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

/** ES256K does not say which of two keys signed; either may be the address's. */
function isSignedBy(address: Hex, digest: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false
  return [0, 1].some((recovery) => {
    try {
      const point = secp256k1.Signature.fromBytes(signature, 'compact')
        .addRecoveryBit(recovery)
        .recoverPublicKey(digest)
      return toHex(keccak256(point.toBytes(false).subarray(1)).subarray(12)) === address
    } catch {
      return false
    }
  })
}
