import type { UniqueId } from '../bytes.ts'
import { encodeTicketIssuerParameters, type TicketIssuerParameters } from '../wire/ticketIssuerParameters.ts'
import { bytes32, string } from './abi.ts'
import {
  type CommitteeEntry,
  deriveComponentId,
  deriveComponentKey,
  type Genesis,
  resolveGenesis,
} from './component.ts'
import { deriveId } from './id.ts'
import { assertName } from './name.ts'

/** A ticket issuer as a config lists it (spec §3.2). */
export type TicketIssuerEntry<Name extends string = string> = CommitteeEntry & {
  readonly name: Name
  /** To run it; an issuer's id has no content hash, so no id binds them (spec §3). */
  readonly parameters?: TicketIssuerParameters | undefined
}

/** The ticket issuer that a coalition ships; its root is the coalition's `ticketIssuerRoot()` (spec §3). */
export class TicketIssuerConfig<Name extends string = string> {
  readonly name: Name
  readonly genesis: Genesis
  /** Undefined where the file does not spell them out. */
  readonly parameters: TicketIssuerParameters | undefined
  /** `parameters` as a machine takes them. */
  readonly encodedParameters: Uint8Array | undefined
  readonly #fingerprint: UniqueId
  readonly #componentId: UniqueId

  constructor({ coalition }: { coalition: UniqueId }, entry: TicketIssuerEntry<Name>) {
    const field = 'ticketIssuer'
    assertName(entry.name, { field: `${field}.name` })
    this.name = entry.name
    this.genesis = resolveGenesis(entry, { field })
    const { parameters } = entry
    this.parameters = parameters
    this.encodedParameters = parameters && encodeTicketIssuerParameters(parameters, { field: `${field}.parameters` })
    this.#fingerprint = deriveId('ticket-issuer', [string(entry.name), bytes32(this.genesis.acl)])
    this.#componentId = deriveComponentId({ coalition, name: 'tickets' })
  }

  /** `id("ticket-issuer", string name, bytes32 acl)`: what the config offers of it. */
  fingerprint(): UniqueId {
    return this.#fingerprint
  }

  /** What keeps its log, and survives republication (spec §3). */
  componentId(): UniqueId {
    return this.#componentId
  }

  componentKey(): UniqueId {
    return deriveComponentKey({ componentId: this.#componentId, committee: this.genesis.committee })
  }
}
