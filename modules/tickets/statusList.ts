import { type Hex, toHex } from '../../protocol/bytes.ts'
import type { StateItem } from '../../protocol/wire/stateTree.ts'
import { type TICKET_STATUS, toTicketStatusItem } from '../../protocol/wire/ticket.ts'
import { deriveTypehash, packWords } from '../../protocol/wire/typedData.ts'

/** What an issuer is told of a ticket. */
export type TicketFacts = {
  readonly status: keyof typeof TICKET_STATUS
  /** The ticket's last second, since the Unix epoch; uint64. */
  readonly notAfter: bigint
}

/** What it keeps of one until the ticket has ended by itself: its items are made once, and not by every commit. */
export type TicketEntry = TicketFacts & { readonly items: readonly StateItem[] }

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

export function setTicket(list: StatusList, ticketHash: Hex, facts: TicketFacts): StatusList {
  const index = shelfOf(ticketHash)
  const shelf = list.shelves[index]!
  const count = list.count + (shelf.has(ticketHash) ? 0 : 1)
  return { count, shelves: list.shelves.with(index, new Map(shelf).set(ticketHash, toEntry(ticketHash, facts))) }
}

/** Without the tickets whose last second is before `second`; the list itself where there are none. */
export function dropEnded(list: StatusList, second: bigint): StatusList {
  const shelves = list.shelves.map((shelf) => {
    for (const { notAfter } of shelf.values()) if (notAfter < second) return dropEndedOf(shelf, second)
    return shelf
  })
  if (shelves.every((shelf, index) => shelf === list.shelves[index])) return list
  return { count: shelves.reduce((sum, { size }) => sum + size, 0), shelves }
}

const dropEndedOf = (shelf: ReadonlyMap<Hex, TicketEntry>, second: bigint): ReadonlyMap<Hex, TicketEntry> =>
  new Map([...shelf].filter(([, { notAfter }]) => notAfter >= second))

/** In the order of their hashes, whatever happened in between. */
export const listTickets = ({ shelves }: StatusList): (readonly [Hex, TicketEntry])[] =>
  shelves.flatMap((shelf) => [...shelf].sort(([a], [b]) => (a < b ? -1 : 1)))

/** In any order. */
export const listTicketItems = ({ shelves }: StatusList): StateItem[] =>
  shelves.flatMap((shelf) => [...shelf.values()].flatMap(({ items }) => items))

const shelfOf = (ticketHash: Hex): number => Number.parseInt(ticketHash.slice(2, 4), 16)

const TICKET_END_TYPEHASH = deriveTypehash('TicketEnd(bytes32 ticketHash,uint64 notAfter)')

const toEntry = (ticketHash: Hex, { status, notAfter }: TicketFacts): TicketEntry => ({
  status,
  notAfter,
  items: [
    toTicketStatusItem(ticketHash, status),
    { typehash: TICKET_END_TYPEHASH, key: ticketHash, value: toHex(packWords([notAfter])) },
  ],
})
