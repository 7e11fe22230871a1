import type { Hex } from '../../protocol/bytes.ts'
import type { TICKET_STATUS } from '../../protocol/wire/ticket.ts'

/** What an issuer keeps of a ticket until it has ended by itself. */
export type TicketEntry = {
  readonly status: keyof typeof TICKET_STATUS
  /** The ticket's last second, since the Unix epoch; uint64. */
  readonly notAfter: bigint
}

/**
 * The tickets that have not ended, by hash: a value, in shelves by the hash's first byte, so that one change copies a
 * shelf and not the list.
 */
export type StatusList = { readonly count: number; readonly shelves: readonly ReadonlyMap<Hex, TicketEntry>[] }

const SHELVES = 256
const EMPTY_SHELF: ReadonlyMap<Hex, TicketEntry> = new Map()

export const EMPTY_STATUS_LIST: StatusList = { count: 0, shelves: Array.from({ length: SHELVES }, () => EMPTY_SHELF) }

export const findTicket = ({ shelves }: StatusList, ticketHash: Hex): TicketEntry | undefined =>
  shelves[shelfOf(ticketHash)]!.get(ticketHash)

export function setTicket(list: StatusList, ticketHash: Hex, entry: TicketEntry): StatusList {
  const index = shelfOf(ticketHash)
  const shelf = list.shelves[index]!
  const count = list.count + (shelf.has(ticketHash) ? 0 : 1)
  return { count, shelves: list.shelves.with(index, new Map(shelf).set(ticketHash, entry)) }
}

/** Without the tickets whose last second is before `second`; the list itself where there are none. */
export function dropEnded(list: StatusList, second: bigint): StatusList {
  const shelves = list.shelves.map((shelf) => {
    const kept = [...shelf].filter(([, { notAfter }]) => notAfter >= second)
    return kept.length === shelf.size ? shelf : new Map(kept)
  })
  if (shelves.every((shelf, index) => shelf === list.shelves[index])) return list
  return { count: shelves.reduce((sum, { size }) => sum + size, 0), shelves }
}

/** In the order of their hashes, whatever happened in between. */
export const listTickets = ({ shelves }: StatusList): (readonly [Hex, TicketEntry])[] =>
  shelves.flatMap((shelf) => [...shelf].sort(([a], [b]) => (a < b ? -1 : 1)))

const shelfOf = (ticketHash: Hex): number => Number.parseInt(ticketHash.slice(2, 4), 16)
