import type { IncomingMessage, ServerResponse } from 'node:http'
import type { UnlockedKey } from '../../client/keystore.ts'
import type { Component, ComponentKind } from '../../client/readComponent.ts'
import { almanac } from '../../modules/almanac/machine.ts'
import { atlas } from '../../modules/atlas/machine.ts'
import { chronicle } from '../../modules/chronicle/machine.ts'
import { ticketIssuer } from '../../modules/tickets/machine.ts'
import type { Machine } from '../../protocol/machine.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Replica } from './replica.ts'
import { createSearchServe } from './searchRoute.ts'
import type { Store } from './store.ts'
import { createTicketServe } from './ticketServer.ts'

/** What a running member lends to what its kind of component serves. */
export type KindContext<State> = {
  component: Component
  replica: Replica<State>
  store: Store
  key: UnlockedKey
  logger: Logger
  /** The store's folder. */
  dir: string
  /** Registers what is to be closed before the store is. */
  defer(name: string, close: () => Promise<void> | void): void
}

/**
 * Answers a request that is not for the log; returns false, having touched nothing, where the path is not its own. It
 * bounds what it reads of the request; whatever it throws ends the request alone, with status 500.
 */
export type ServeKind = (request: IncomingMessage, response: ServerResponse) => boolean

/** One kind of component: what its committee decides, and what its members serve beside the log. */
export type Kind<State = unknown> = {
  machine: Machine<State>
  /** Left out where members serve the log alone. */
  createServe?(context: KindContext<State>): ServeKind
}

/** Every kind of component that a member can run. Driver, replica and store know none of them. */
export const KINDS: Record<ComponentKind, Kind> = {
  atlas: { machine: atlas },
  almanac: { machine: almanac },
  chronicle: { machine: chronicle, createServe: createSearchServe },
  tickets: { machine: ticketIssuer, createServe: createTicketServe },
}
