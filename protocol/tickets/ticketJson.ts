import { z } from 'zod'
import { isHex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { hexOf } from '../wire/decodeJson.ts'
import type { Ticket } from '../wire/ticket.ts'

/** Bytes of a ticket as JSON at the most: six members, and room for what an editor puts between them. */
export const TICKET_JSON_SIZE_MAX_BYTES = 1_024

/** The greatest time that both forms of a ticket can say: `exp` of a token is a number (RFC 7519 §2). Seconds; the year 36812. */
export const TICKET_TIME_MAX = 2n ** 40n

export class InvalidTicketError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    // What a ticket holds is its holder's secret: the reason names a member, and never its value.
    super('INVALID_TICKET', `This is no ticket: ${reason}.`, {
      fix: 'Give the JSON that coalition ticket new wrote: ticketId, subject, audience, notBefore, notAfter and salt, and nothing else.',
    })
  }
}

const seconds = z
  .string()
  .regex(/^(?:0|[1-9][0-9]{0,19})$/, 'not decimal seconds')
  .transform(BigInt)

const TICKET = z.strictObject({
  ticketId: hexOf(32),
  subject: hexOf(20),
  audience: hexOf(32),
  notBefore: seconds,
  notAfter: seconds,
  salt: hexOf(32),
})

/**
 * A ticket whose members were checked, so that it can be used in either form.
 *
 * @throws {InvalidTicketError} a member of another length, a time above 2^40, or an end before its beginning.
 */
export function assertTicket(ticket: Ticket): void {
  for (const [member, sizeBytes] of [
    ['ticketId', 32],
    ['subject', 20],
    ['audience', 32],
    ['salt', 32],
  ] as const) {
    if (!isHex(ticket[member], sizeBytes))
      throw new InvalidTicketError({ reason: `${member}: not ${sizeBytes} bytes of hex` })
  }
  const { notBefore, notAfter } = ticket
  if (notBefore < 0n || notAfter > TICKET_TIME_MAX) {
    throw new InvalidTicketError({ reason: 'its times are not seconds from 0 to 2^40' })
  }
  if (notAfter < notBefore) throw new InvalidTicketError({ reason: 'it ends before it begins' })
}

/** A ticket as its holder keeps it and shows it to the issuer's members: hex, and seconds as decimal strings. */
export const encodeTicketJson = ({ ticketId, subject, audience, notBefore, notAfter, salt }: Ticket): string =>
  JSON.stringify({
    ticketId,
    subject,
    audience,
    notBefore: notBefore.toString(),
    notAfter: notAfter.toString(),
    salt,
  })

/**
 * Decodes what `encodeTicketJson` gives, however it is spaced.
 *
 * @throws {InvalidTicketError} too large, not of this form, or as `assertTicket`.
 */
export function decodeTicketJson(text: string): Ticket {
  if (text.length > TICKET_JSON_SIZE_MAX_BYTES) throw new InvalidTicketError({ reason: 'it is too large' })
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new InvalidTicketError({ reason: 'it is not JSON' })
  }
  const parsed = TICKET.safeParse(json)
  if (!parsed.success) {
    const { path, code } = parsed.error.issues[0]!
    const member = path.map(String).join('.') || 'it'
    // zod's own messages may quote what was given.
    throw new InvalidTicketError({
      reason: code === 'unrecognized_keys' ? 'it has a member too many' : `${member} is not as it should be`,
    })
  }
  assertTicket(parsed.data)
  return parsed.data
}
