import type { Hex } from '../bytes.ts'
import { toHex } from '../bytes.ts'
import { keccak256 } from '../hash.ts'
import type { StateItem } from './stateTree.ts'
import { deriveTypehash, packWords } from './typedData.ts'

/** What an issuer promises one holder (spec §10); its fields and units are those of contracts/types/Ticket.sol. */
export type Ticket = {
  /** The issuer's own name for it: 32 bytes. */
  ticketId: Hex
  /** Address that may use it. */
  subject: Hex
  /** Whom it is for, as the consumer names itself: 32 bytes. */
  audience: Hex
  /** First second in which it is valid, since the Unix epoch; uint64. */
  notBefore: bigint
  /** Last second in which it is valid, since the Unix epoch; uint64. */
  notAfter: bigint
  /** 32 random bytes, so that nobody finds the rest by guessing. */
  salt: Hex
}

export const TICKET_TYPEHASH: Hex = deriveTypehash(
  'Ticket(bytes32 ticketId,address subject,bytes32 audience,uint64 notBefore,uint64 notAfter,bytes32 salt)',
)
export const TICKET_ISSUED_TYPEHASH: Hex = deriveTypehash('TicketIssued(bytes32 ticketHash)')
export const TICKET_STATUS_TYPEHASH: Hex = deriveTypehash('TicketStatus(bytes32 ticketHash,uint256 status)')

/** A status under which a ticket may be used, and the one that revocation gives it. */
export const TICKET_STATUS = { valid: 1n, revoked: 2n } as const

/** `keccak256(abi.encode(TICKET_TYPEHASH, ticket))` (spec §10). */
export const hashTicket = ({ ticketId, subject, audience, notBefore, notAfter, salt }: Ticket): Hex =>
  toHex(keccak256(packWords([TICKET_TYPEHASH, ticketId, subject, audience, notBefore, notAfter, salt])))

/** The leaf of the issuer's log that says that a ticket was issued; it names nobody. */
export const encodeTicketIssued = (ticketHash: Hex): Uint8Array => packWords([TICKET_ISSUED_TYPEHASH, ticketHash])

/** The item of the issuer's state that says what became of a ticket. */
export const toTicketStatusItem = (ticketHash: Hex, status: keyof typeof TICKET_STATUS): StateItem => ({
  typehash: TICKET_STATUS_TYPEHASH,
  key: ticketHash,
  value: toHex(packWords([TICKET_STATUS[status]])),
})
export const TICKET_REVOKED_TYPEHASH: Hex = deriveTypehash('TicketRevoked(bytes32 ticketHash)')
export const HEARTBEAT_TYPEHASH: Hex = deriveTypehash('Heartbeat(uint64 timestampMs)')

/** The leaf that says that a ticket was revoked. */
export const encodeTicketRevoked = (ticketHash: Hex): Uint8Array => packWords([TICKET_REVOKED_TYPEHASH, ticketHash])

/** The leaf that an issuer appends when it had nothing else to say, so that its newest head stays young (spec §10). */
export const encodeHeartbeat = (timestampMs: bigint): Uint8Array => packWords([HEARTBEAT_TYPEHASH, timestampMs])
