import type { ComponentState } from '../../committee/execution.ts'
import { type TicketIssuerState, TicketUnknownError } from '../../modules/tickets/machine.ts'
import { findTicket } from '../../modules/tickets/statusList.ts'
import type { Hex, UniqueId } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { type JwsSignature, signJws } from '../../protocol/tickets/jwsSignature.ts'
import { encodeTicketPayload } from '../../protocol/tickets/ticketToken.ts'
import { TicketRefusedError } from '../../protocol/tickets/ticketValidator.ts'
import { ComponentRetiredError } from '../../protocol/wire/next.ts'
import { hashTicket, type Ticket } from '../../protocol/wire/ticket.ts'

/** How old a member's newest commit may be, in heartbeats: an issuer at work decides one in each. */
const HEARTBEATS_MISSED_MAX = 2n
/** And at the least, so that short heartbeats leave the committee time to decide. */
const SILENCE_MIN_MS = 10_000n

export class NoSeatError extends CoalitionError {
  constructor({ signer, epoch }: { signer: Hex; epoch: bigint }) {
    super('NO_SEAT', `${signer} has no seat in the committee of epoch ${epoch}: its signature would not count.`, {
      fix: 'Ask the members that coalition committee show lists.',
      kind: 'refused',
    })
  }
}

export class MemberBehindError extends CoalitionError {
  constructor({ silentMs }: { silentMs: bigint }) {
    super('MEMBER_BEHIND', `This member has seen no commit for ${silentMs} ms: what it knows of tickets may be old.`, {
      fix: 'Ask another member, or ask this one again when it has caught up.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

export type TicketSignerDependencies = {
  /** The issuer's decided state. */
  state(): ComponentState<TicketIssuerState>
  clock: { nowMs(): number }
  /** Signs a 32-byte digest with the member's key. */
  sign(digest: Hex): Hex
}

/** A member's signature under a ticket (spec §10): for whoever knows the whole ticket, of which the log shows a hash alone. */
export type TicketSigner = {
  /**
   * Signs the ticket's token while the ticket is valid, by this member's decided state and by its clock.
   *
   * @throws {InvalidTicketError} a member of it has not its form.
   * @throws {ComponentRetiredError | NoSeatError | MemberBehindError} this member's signature would be worth nothing.
   * @throws {TicketUnknownError} no such ticket: never issued, ended and forgotten, or some member of it is another.
   * @throws {TicketRefusedError} `TICKET_REVOKED`, `TICKET_NOT_YET_VALID`, `TICKET_EXPIRED`; or `TICKET_END_MISMATCH`: it
   *   lasts longer than it was issued for.
   */
  sign(ticket: Ticket): JwsSignature
}

export const createTicketSigner = (
  { state, clock, sign }: TicketSignerDependencies,
  { ticketsRoot, signer }: { ticketsRoot: UniqueId; signer: Hex },
): TicketSigner => ({
  sign(ticket) {
    const payload = encodeTicketPayload(ticket, { ticketsRoot })
    const now = state()
    const nowMs = BigInt(clock.nowMs())
    assertAuthority(now, { signer, nowMs })
    assertUsable(now.machine, { ticket, nowMs })
    return signJws({ sign }, { payload, signer })
  },
})

/** Only a member of the current committee that hears it speaks for the issuer. */
function assertAuthority(
  { governance, epoch, timestampMs, machine }: ComponentState<TicketIssuerState>,
  { signer, nowMs }: { signer: Hex; nowMs: bigint },
): void {
  if (governance.retirement !== null) throw new ComponentRetiredError(governance.retirement)
  if (!governance.members.some((member) => member.signer === signer)) throw new NoSeatError({ signer, epoch })
  const heartbeatMs = 1000n * BigInt(machine.parameters.heartbeatEverySeconds)
  const silenceMaxMs = HEARTBEATS_MISSED_MAX * heartbeatMs
  const silentMs = nowMs - timestampMs
  // Cut off from the others, it would go on signing what they have revoked.
  if (silentMs > (silenceMaxMs > SILENCE_MIN_MS ? silenceMaxMs : SILENCE_MIN_MS)) {
    throw new MemberBehindError({ silentMs })
  }
}

function assertUsable({ tickets }: TicketIssuerState, { ticket, nowMs }: { ticket: Ticket; nowMs: bigint }): void {
  const ticketHash = hashTicket(ticket)
  const entry = findTicket(tickets, ticketHash)
  if (entry === undefined) throw new TicketUnknownError({ ticketHash })
  if (entry.status !== 'valid') {
    throw new TicketRefusedError('TICKET_REVOKED', `The ticket ${ticketHash} was revoked`)
  }
  // What the issuer forgets before it ends could not be revoked any more.
  if (ticket.notAfter > entry.notAfter) {
    throw new TicketRefusedError('TICKET_END_MISMATCH', `The ticket ${ticketHash} lasts longer than it was issued for`)
  }
  const second = nowMs / 1000n
  if (second < ticket.notBefore) {
    throw new TicketRefusedError('TICKET_NOT_YET_VALID', `The ticket ${ticketHash} is not valid yet`)
  }
  if (second > ticket.notAfter) throw new TicketRefusedError('TICKET_EXPIRED', `The ticket ${ticketHash} has ended`)
}
