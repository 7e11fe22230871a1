import { type Hex, isEqualBytes, toHex } from '../bytes.ts'
import { REQUEST_ANCHOR_TYPEHASH, UnknownCommandError } from './chronicleCommand.ts'
import { deriveTypehash, packWords, type Word } from './typedData.ts'

/** What may be asked of a ticket issuer. It never sees a ticket: the preimage goes to the holder alone (spec §10). */
export type TicketCommand =
  /** Issues the ticket of this hash; `notAfter` is its own last second, after which the issuer forgets it. */
  | { kind: 'issue'; ticketHash: Hex; notAfter: bigint }
  /** Issues another in place of one, which is revoked, in one step. */
  | { kind: 'renew'; ticketHash: Hex; newTicketHash: Hex; notAfter: bigint }
  | { kind: 'revoke'; ticketHash: Hex }
  /** Marks the commit for the chain before its cadence is due. */
  | { kind: 'requestAnchor' }

const ISSUE_TYPEHASH: Hex = deriveTypehash('IssueTicket(bytes32 ticketHash,uint64 notAfter)')
const RENEW_TYPEHASH: Hex = deriveTypehash('RenewTicket(bytes32 ticketHash,bytes32 newTicketHash,uint64 notAfter)')
const REVOKE_TYPEHASH: Hex = deriveTypehash('RevokeTicket(bytes32 ticketHash)')

/** `abi.encode(TYPEHASH, fields…)`: every field fills one word. */
export const encodeTicketCommand = (command: TicketCommand): Uint8Array => packWords(listWords(command))

/**
 * The exact inverse of `encodeTicketCommand`.
 *
 * @throws {UnknownCommandError} another kind, or not the one canonical encoding.
 */
export function decodeTicketCommand(bytes: Uint8Array): TicketCommand {
  const words = Array.from({ length: Math.min(bytes.length >> 5, 4) }, (_, index) =>
    toHex(bytes.subarray(32 * index, 32 * index + 32)),
  )
  const command = toCommand(words)
  if (command === undefined || !isEqualBytes(encodeTicketCommand(command), bytes)) throw new UnknownCommandError()
  return command
}

function listWords(command: TicketCommand): Word[] {
  switch (command.kind) {
    case 'issue':
      return [ISSUE_TYPEHASH, command.ticketHash, command.notAfter]
    case 'renew':
      return [RENEW_TYPEHASH, command.ticketHash, command.newTicketHash, command.notAfter]
    case 'revoke':
      return [REVOKE_TYPEHASH, command.ticketHash]
    case 'requestAnchor':
      return [REQUEST_ANCHOR_TYPEHASH]
  }
}

function toCommand([typehash, first, second, third]: readonly Hex[]): TicketCommand | undefined {
  if (typehash === REQUEST_ANCHOR_TYPEHASH) return { kind: 'requestAnchor' }
  if (first === undefined) return undefined
  if (typehash === REVOKE_TYPEHASH) return { kind: 'revoke', ticketHash: first }
  if (typehash === ISSUE_TYPEHASH && second !== undefined) {
    return { kind: 'issue', ticketHash: first, notAfter: toUint64(second) }
  }
  if (typehash === RENEW_TYPEHASH && second !== undefined && third !== undefined) {
    return { kind: 'renew', ticketHash: first, newTicketHash: second, notAfter: toUint64(third) }
  }
  return undefined
}

/** A longer number loses its head, and then its encoding is no longer that of the bytes. */
const toUint64 = (word: Hex): bigint => BigInt.asUintN(64, BigInt(word))
