import type { UniqueId } from '../bytes.ts'
import { hashTicket, type Ticket } from '../wire/ticket.ts'
import { encodeBase64Url } from './jws.ts'
import { assertTicket } from './ticketJson.ts'

/** `iss` of tickets under a tickets root. */
export const issuerOf = (ticketsRoot: UniqueId): string => `coalition:tickets:${ticketsRoot}`

/** What the members of an issuer sign for a ticket (RFC 7519 §4.1). */
export type TicketClaims = {
  iss: string
  /** The address that may use it, lower-case hex. */
  sub: string
  /** The 32 bytes of the ticket's audience, lower-case hex. */
  aud: string
  /** `notBefore`, twice: when the ticket was decided is no part of it, and all members have to say the same. */
  iat: number
  nbf: number
  /** `notAfter`: a strict reader lets the token end one second before the ticket, and none after it. */
  exp: number
  /** The ticket's hash. It stands in the issuer's log and names its status, and gives away neither id nor salt. */
  jti: string
}

/**
 * The claims of a ticket's JWS, which follow from the ticket and the tickets root alone.
 *
 * @throws {InvalidTicketError}
 */
export function deriveTicketClaims(ticket: Ticket, { ticketsRoot }: { ticketsRoot: UniqueId }): TicketClaims {
  assertTicket(ticket)
  const { subject, audience, notBefore, notAfter } = ticket
  return {
    iss: issuerOf(ticketsRoot),
    sub: subject,
    aud: audience,
    iat: Number(notBefore),
    nbf: Number(notBefore),
    exp: Number(notAfter),
    jti: hashTicket(ticket),
  }
}

/** The payload of a ticket's JWS: claims in this order, without spaces, in base64url. Every member signs these very bytes. */
export function encodeTicketPayload(ticket: Ticket, options: { ticketsRoot: UniqueId }): string {
  const { iss, sub, aud, iat, nbf, exp, jti } = deriveTicketClaims(ticket, options)
  return encodeBase64Url(new TextEncoder().encode(JSON.stringify({ iss, sub, aud, iat, nbf, exp, jti })))
}
