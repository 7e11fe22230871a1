import type { Hex, UniqueId } from '../protocol/bytes.ts'
import type { IssuedByRules } from '../protocol/tickets/admissionRules.ts'
import { createIssuedByValidator } from '../protocol/tickets/issuedByValidator.ts'
import type { TicketValidator } from '../protocol/tickets/ticketValidator.ts'
import { hashTicket, type Ticket } from '../protocol/wire/ticket.ts'
import { encodeTicketCommand, type TicketCommand } from '../protocol/wire/ticketCommand.ts'
import { type CheckedTicket, checkTicket } from './checkTicket.ts'
import { type ComponentHandle, type ComponentHandleDeps, createComponentHandle } from './componentHandle.ts'
import type { SigningKey } from './createWriter.ts'
import { currentCommittee } from './epochs.ts'
import { type ProvenTicket, proveTicket } from './proveTicket.ts'
import type { Component } from './readComponent.ts'
import { type SignedTicket, signTicket } from './signTicket.ts'
import type { Submitted } from './submit.ts'

type ByIssuer = { key: SigningKey; timeoutMs?: number }

/** The ticket issuer of a coalition (docs/integrators/tickets.md). */
export type TicketsHandle = ComponentHandle & {
  /** `derive(COALITION_ROOT, "tickets")`: what its tickets' `iss` names. */
  readonly ticketsRoot: UniqueId
  /**
   * What a consumer checks tickets of this issuer with. Whose signatures count follows the issuer's rotations as far as
   * `readEpochs` was last asked: a consumer that runs for long asks it every now and then.
   */
  createValidator(rules: Omit<IssuedByRules, 'ticketsRoot' | 'signers'>): TicketValidator<'issued-by'>
  /** Issues 1 to 256 tickets, all or none, with the key of an issuer that the parameters list. @throws as `Writer.write`. */
  issue(tickets: readonly Ticket[], by: ByIssuer): Promise<Submitted>
  /** Revokes one and issues another in its place, in one step. */
  renew(of: { ticket: Hex; next: Ticket }, by: ByIssuer): Promise<Submitted>
  /** @param ticketHash of a ticket that is valid. */
  revoke(ticketHash: Hex, by: ByIssuer): Promise<Submitted>
  /** A ticket as JWS JSON with a quorum of members' signatures. @throws as `signTicket`. */
  sign(ticket: Ticket): Promise<SignedTicket>
  /** A ticket as a contract takes it. @param options.verifier address of the TicketVerifier. @throws as `proveTicket`. */
  prove(ticket: Ticket, options: { verifier: Hex; index?: bigint; maxAgeMs?: bigint }): Promise<ProvenTicket>
  /** What became of a ticket, from the newest certified state. @throws as `checkTicket`. */
  check(ticketHash: Hex, options: { maxAgeMs: bigint; nowMs: bigint }): Promise<CheckedTicket>
}

export function createTicketsHandle(deps: ComponentHandleDeps, component: Component): TicketsHandle {
  const handle = createComponentHandle(deps, component)
  const ticketsRoot = component.coalition.ticketIssuerRoot()!

  async function write(commands: readonly TicketCommand[], by: ByIssuer): Promise<Submitted> {
    const writer = await handle.createWriter(by)
    try {
      return await writer.write(commands.map(encodeTicketCommand))
    } finally {
      await writer.close()
    }
  }

  return {
    ...handle,
    ticketsRoot,
    createValidator: (rules) =>
      createIssuedByValidator(
        { ticketsRoot, signers: component.signers, ...rules },
        { currentSigners: () => currentCommittee(handle.knownEpochs()).signers },
      ),
    issue: (tickets, by) =>
      write(
        tickets.map((ticket) => ({ kind: 'issue', ticketHash: hashTicket(ticket), notAfter: ticket.notAfter })),
        by,
      ),
    renew: ({ ticket, next }, by) =>
      write([{ kind: 'renew', ticketHash: ticket, newTicketHash: hashTicket(next), notAfter: next.notAfter }], by),
    revoke: (ticketHash, by) => write([{ kind: 'revoke', ticketHash }], by),
    async sign(ticket) {
      const urls = handle.logs().map(({ url }) => url)
      return await signTicket({ urls }, { ticket, ticketsRoot, epochs: await handle.readEpochs() })
    },
    async prove(ticket, options) {
      const { registry } = component.home
      const epochs = await handle.readEpochs()
      return await proveTicket({ chain: deps.chain, logs: handle.logs() }, { ticket, epochs, registry, ...options })
    },
    async check(ticketHash, options) {
      return await checkTicket({ logs: handle.logs() }, { ticketHash, epochs: await handle.readEpochs(), ...options })
    },
  }
}
