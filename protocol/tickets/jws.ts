import { encodeBase64 } from '../log/base64.ts'
import { TicketRefusedError } from './ticketValidator.ts'

/** A token is a few hundred bytes; one with 256 signatures is 60 KB. */
export const JWS_SIZE_MAX = 65_536

const BASE64URL_PATTERN = /^[A-Za-z0-9_-]+$/
const textDecoder = new TextDecoder('utf-8', { fatal: true })

/** base64url without padding (RFC 7515 §2), each text of which is the only one for its bytes. */
export function decodeBase64Url(text: unknown): Uint8Array {
  if (typeof text !== 'string' || !BASE64URL_PATTERN.test(text) || text.length % 4 === 1) throw malformed('base64url')
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  const bytes = Uint8Array.from(binary, (letter) => letter.charCodeAt(0))
  const spare = text.length % 4
  // The last digit of a short group has bits that belong to no byte; they must be zero.
  const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.indexOf(text.at(-1)!)
  if ((spare === 2 && (last & 15) !== 0) || (spare === 3 && (last & 3) !== 0)) throw malformed('base64url')
  return bytes
}

/** The exact inverse of `decodeBase64Url`. */
export const encodeBase64Url = (bytes: Uint8Array): string =>
  encodeBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')

export function decodeJsonObject(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(textDecoder.decode(bytes))
  } catch {
    throw malformed('JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('a JSON object')
  return value as Record<string, unknown>
}

/** A protected header: names its algorithm, and asks for nothing that we would have to know (RFC 7515 §4.1.11). */
export function decodeHeader(text: unknown, algorithms: readonly string[]): Record<string, unknown> & { alg: string } {
  const header = decodeJsonObject(decodeBase64Url(text))
  const { alg } = header
  if (typeof alg !== 'string' || !algorithms.includes(alg)) {
    throw new TicketRefusedError(
      'TICKET_ALGORITHM_REFUSED',
      `The ticket's algorithm is ${JSON.stringify(alg)}, not ${algorithms.join(' or ')}`,
    )
  }
  if (header.crit !== undefined || header.b64 !== undefined) {
    throw new TicketRefusedError('TICKET_MALFORMED', 'The ticket asks for an extension of JWS')
  }
  return { ...header, alg }
}

export const malformed = (what: string): TicketRefusedError =>
  new TicketRefusedError('TICKET_MALFORMED', `The ticket is not ${what} where it should be`)

/** The claims that all tickets share, judged (RFC 7519 §4.1). Seconds in the token, milliseconds here. */
export function judgeClaims(
  claims: Record<string, unknown>,
  rules: { issuer: string; audience: string; subject: string | undefined; lifetimeMaxMs: number; skewMs: number },
  nowMs: number,
): number {
  if (claims.iss !== rules.issuer) {
    throw new TicketRefusedError(
      'TICKET_ISSUER_MISMATCH',
      `The ticket is of ${JSON.stringify(claims.iss)}, not of "${rules.issuer}"`,
    )
  }
  const audiences = Array.isArray(claims.aud) ? claims.aud : [claims.aud]
  if (!audiences.includes(rules.audience)) {
    throw new TicketRefusedError('TICKET_AUDIENCE_MISMATCH', `The ticket is not for "${rules.audience}"`)
  }
  if (rules.subject !== undefined && claims.sub !== rules.subject) {
    throw new TicketRefusedError(
      'TICKET_SUBJECT_MISMATCH',
      `The ticket is for ${JSON.stringify(claims.sub)}, not for "${rules.subject}"`,
    )
  }
  const endsAtMs = toMs(claims.exp, 'exp')
  const issuedAtMs = toMs(claims.iat, 'iat')
  const startsAtMs = claims.nbf === undefined ? issuedAtMs : toMs(claims.nbf, 'nbf')
  if (nowMs + rules.skewMs < Math.max(startsAtMs, issuedAtMs))
    throw new TicketRefusedError('TICKET_NOT_YET_VALID', 'The ticket is not valid yet')
  if (!(nowMs <= endsAtMs)) throw new TicketRefusedError('TICKET_EXPIRED', 'The ticket has ended')
  if (endsAtMs - issuedAtMs > rules.lifetimeMaxMs) {
    throw new TicketRefusedError(
      'TICKET_LIFETIME_TOO_LONG',
      `The ticket lasts ${endsAtMs - issuedAtMs} ms; ${rules.lifetimeMaxMs} are allowed`,
    )
  }
  return endsAtMs
}

function toMs(value: unknown, claim: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > 2 ** 40)
    throw malformed(`a time in ${claim}`)
  return Math.floor(value * 1_000)
}
