import { ed25519 } from '@noble/curves/ed25519.js'
import { encodeP256Signature, importP256Key, verifyP256 } from '../attestation/p256.ts'
import { fromHex } from '../bytes.ts'
import { deriveRuleSignature, InvalidAdmissionError, type JwtKey, type JwtRules, SKEW_MS } from './admissionRules.ts'
import { decodeBase64Url, decodeHeader, decodeJsonObject, JWS_SIZE_MAX, judgeClaims, malformed } from './jws.ts'
import { TicketRefusedError, type TicketValidator } from './ticketValidator.ts'

const textEncoder = new TextEncoder()

/**
 * A validator of JSON Web Tokens in compact form (RFC 7519), ES256 and EdDSA. By hand, because the maintained libraries
 * verify asynchronously, and a validator may not (spec §8.3).
 *
 * @throws {InvalidAdmissionError} a key is no key.
 */
export function createJwtValidator(rules: JwtRules): TicketValidator<'jwt'> {
  const { issuer, audience, keys, subject, lifetimeMaxMs, skewMs = SKEW_MS } = rules
  const checks = keys.map((key) => ({ ...key, isSigned: createCheck(key) }))
  return {
    class: 'jwt',
    signature: deriveRuleSignature({ class: 'jwt', ...rules }),
    validate({ token }, peer, nowMs) {
      if (token.length > JWS_SIZE_MAX) throw malformed('of a sane size')
      const [headerText, payloadText, signatureText, ...more] = token.split('.')
      if (signatureText === undefined || more.length > 0) throw malformed('of three parts')
      const header = decodeHeader(headerText, ['ES256', 'EdDSA'])
      const message = textEncoder.encode(`${headerText}.${payloadText}`)
      const signature = decodeBase64Url(signatureText)
      const isSigned = checks.some(
        ({ algorithm, kid, isSigned }) =>
          algorithm === header.alg && (kid === undefined || kid === header.kid) && isSigned(message, signature),
      )
      if (!isSigned) throw new TicketRefusedError('TICKET_SIGNATURE_INVALID', 'None of the keys has signed the ticket')
      const claims = decodeJsonObject(decodeBase64Url(payloadText))
      const wanted = subject === 'peer' ? peer.signer : subject
      return judgeClaims(claims, { issuer, audience, subject: wanted, lifetimeMaxMs, skewMs }, nowMs)
    },
  }
}

/** @throws {InvalidAdmissionError} a key of the rules is none: a mistake of the operator, found at start. */
function createCheck({ algorithm, publicKey }: JwtKey): (message: Uint8Array, signature: Uint8Array) => boolean {
  const bytes = fromHex(publicKey)
  if (algorithm === 'ES256') {
    const key = importP256Key(bytes)
    if (!key)
      throw new InvalidAdmissionError({ field: 'A rule of class jwt', reason: `${publicKey} is no P-256 point` })
    return (message, signature) => signature.length === 64 && verifyP256(key, message, encodeP256Signature(signature))
  }
  if (bytes.length !== 32) {
    throw new InvalidAdmissionError({ field: 'A rule of class jwt', reason: `${publicKey} is no Ed25519 key` })
  }
  return (message, signature) => {
    try {
      return signature.length === 64 && ed25519.verify(signature, message, bytes, { zip215: false })
    } catch {
      return false
    }
  }
}
