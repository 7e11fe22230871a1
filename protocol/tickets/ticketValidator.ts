import type { Hex, UniqueId } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { bytes32Array, string } from '../identity/abi.ts'
import { deriveId } from '../identity/id.ts'

export type TicketRefusalCode =
  | 'TICKET_MISSING'
  | 'TICKET_MALFORMED'
  | 'TICKET_ALGORITHM_REFUSED'
  | 'TICKET_SIGNATURE_INVALID'
  | 'TICKET_ISSUER_MISMATCH'
  | 'TICKET_AUDIENCE_MISMATCH'
  | 'TICKET_SUBJECT_MISMATCH'
  | 'TICKET_NOT_YET_VALID'
  | 'TICKET_EXPIRED'
  | 'TICKET_LIFETIME_TOO_LONG'
  | 'TICKET_QUORUM_MISSING'
  | 'TICKET_COLLATERAL_MISSING'
  | 'TICKET_NONCE_UNKNOWN'
  | 'TICKET_REVOKED'
  | 'TICKET_UNKNOWN'
  | 'TICKET_END_MISMATCH'

const FIX = 'Present a ticket that its issuer and the component’s validators accept, for this peer and now.'
const FIXES: { [Code in TicketRefusalCode]?: string } = {
  TICKET_LIFETIME_TOO_LONG:
    'Present a shorter one, or allow longer ones: lifetimeMaxMs of the rules, --lifetime-max of coalition ticket verify.',
}

export class TicketRefusedError extends CoalitionError {
  declare readonly code: TicketRefusalCode

  constructor(code: TicketRefusalCode, message: string) {
    super(code, `${message}.`, { fix: FIXES[code] ?? FIX, kind: 'refused' })
  }
}

/** What a peer shows. One of each class may be asked for; a peer may show several. */
export type Ticket =
  | { class: 'jwt'; token: string }
  | { class: 'issued-by'; jws: string }
  | { class: 'tdx'; quote: Uint8Array; notAfterMs: number; nonce: Hex }

/** Who shows it, as the transport has authenticated it. */
export type Peer = {
  /** 20 bytes. */
  signer: Hex
}

/** Decides whether a ticket lets a peer in, and until when (spec §8.3). Never async, never I/O. */
export type TicketValidator<Class extends Ticket['class'] = Ticket['class']> = {
  readonly class: Class
  /** Depends on class and rules alone: members whose rules differ cannot share a committee. */
  readonly signature: UniqueId
  /** When the admission ends, milliseconds since 1970. @throws {CoalitionError} the ticket is refused. */
  validate(ticket: Extract<Ticket, { class: Class }>, peer: Peer, nowMs: number): number
}

/** A validator of whichever class. */
export type AnyTicketValidator = { [Class in Ticket['class']]: TicketValidator<Class> }[Ticket['class']]

/** `id("ticket-validator", string class, string rules)`, the rules as JSON with keys in order. */
export const deriveValidatorSignature = (name: Ticket['class'], rules: unknown): UniqueId =>
  deriveId('ticket-validator', [string(name), string(JSON.stringify(sortKeys(rules)))])

/**
 * What an ACL folds in (spec §3): zero for no validators, else `id("ticket-validators", bytes32[] signatures)`, in ascending
 * order, because all must pass and none comes first.
 */
export function deriveValidatorsSignature(validators: readonly Pick<AnyTicketValidator, 'signature'>[]): UniqueId {
  if (validators.length === 0) return `0x${'00'.repeat(32)}`
  return deriveId('ticket-validators', [bytes32Array(validators.map(({ signature }) => signature).sort())])
}

/**
 * Asks every validator; each must accept one of the tickets of its class.
 *
 * @returns the earliest end, milliseconds since 1970; infinity where there are no validators.
 * @throws {TicketRefusedError} `TICKET_MISSING`: none of a class. @throws {CoalitionError} why the last of its class was refused.
 */
export function validateTickets(
  validators: readonly AnyTicketValidator[],
  { tickets, peer, nowMs }: { tickets: readonly Ticket[]; peer: Peer; nowMs: number },
): number {
  let endsAtMs = Number.POSITIVE_INFINITY
  for (const validator of validators) {
    const shown = tickets.filter((ticket) => ticket.class === validator.class)
    if (shown.length === 0)
      throw new TicketRefusedError('TICKET_MISSING', `No ticket of class ${validator.class} was shown`)
    endsAtMs = Math.min(endsAtMs, validateAny(validator, shown, { peer, nowMs }))
  }
  return endsAtMs
}

function validateAny(
  validator: AnyTicketValidator,
  shown: readonly Ticket[],
  { peer, nowMs }: { peer: Peer; nowMs: number },
): number {
  let refusal: CoalitionError | undefined
  for (const ticket of shown) {
    try {
      const endsAtMs = (validator as TicketValidator).validate(ticket, peer, nowMs)
      if (endsAtMs >= nowMs) return endsAtMs
      throw new TicketRefusedError('TICKET_EXPIRED', 'The ticket has ended')
    } catch (error) {
      if (!(error instanceof CoalitionError)) throw error
      refusal = error
    }
  }
  throw refusal ?? new TicketRefusedError('TICKET_MISSING', `No ticket of class ${validator.class} was shown`)
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, sortKeys(item)]))
}
