import { ed25519 } from '@noble/curves/ed25519.js'
import { encodeP256Signature, importP256Key, verifyP256 } from '../attestation/p256.ts'
import { fromHex, type Hex } from '../bytes.ts'
import { decodeBase64Url, decodeHeader, decodeJsonObject, JWS_SIZE_MAX, judgeClaims, malformed } from './jws.ts'
import { deriveValidatorSignature, TicketRefusedError, type TicketValidator } from './ticketValidator.ts'

/** A key that may sign: whoever can check with it cannot mint with it, so shared secrets have no place here. */
export type JwtKey = {
  algorithm: 'ES256' | 'EdDSA'
  /** ES256: uncompressed P-256 point, 65 bytes. EdDSA: Ed25519 public key, 32 bytes. */
  publicKey: Hex
  /** Where set, only tokens that name it are checked with this key. */
  kid?: string
}

export type JwtRules = {
  issuer: string
  audience: string
  keys: readonly JwtKey[]
  /** Who a token must be for: `'peer'` is the address of who shows it, in lower-case hex. Unset: anyone. */
  subject?: string
  /** From `iat` to `exp`; both are required. */
  lifetimeMaxMs: number
  /** How far our clock may be behind the issuer's. Default 60 s. */
  skewMs?: number
}

const textEncoder = new TextEncoder()

/**
 * A validator of JSON Web Tokens in compact form (RFC 7519), ES256 and EdDSA. By hand, because the maintained libraries
 * verify asynchronously, and a validator may not (spec §8.3).
 */
export function createJwtValidator(rules: JwtRules): TicketValidator<'jwt'> {
  const { issuer, audience, keys, subject, lifetimeMaxMs, skewMs = 60_000 } = rules
  const checks = keys.map((key) => ({ ...key, isSigned: createCheck(key) }))
  return {
    class: 'jwt',
    signature: deriveValidatorSignature('jwt', { issuer, audience, keys, subject, lifetimeMaxMs, skewMs }),
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

/** @throws {RangeError} a key of the rules is none: a mistake of the operator, found at start. */
function createCheck({ algorithm, publicKey }: JwtKey): (message: Uint8Array, signature: Uint8Array) => boolean {
  const bytes = fromHex(publicKey)
  if (algorithm === 'ES256') {
    const key = importP256Key(bytes)
    if (!key) throw new RangeError(`${publicKey} is no P-256 point`)
    return (message, signature) => signature.length === 64 && verifyP256(key, message, encodeP256Signature(signature))
  }
  if (bytes.length !== 32) throw new RangeError(`${publicKey} is no Ed25519 key`)
  return (message, signature) => {
    try {
      return signature.length === 64 && ed25519.verify(signature, message, bytes, { zip215: false })
    } catch {
      return false
    }
  }
}
