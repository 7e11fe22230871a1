import type { Hex } from '../bytes.ts'
import type { Home } from './component.ts'
import type { ConfluenceEntry } from './confluence.ts'
import type { SCHEMA_VERSION_U8 } from './id.ts'
import type { LatticeEntry } from './lattice.ts'
import type { ModuleEntry, ModuleName } from './module.ts'
import type { OrganismEntry } from './organism.ts'
import type { TicketIssuerEntry } from './ticketIssuer.ts'

/** What people write: a coalition as its `coalition.json` has it (spec §3.2). */
export type CoalitionFile = {
  /** Where an editor finds the JSON schema; no id depends on it. */
  readonly $schema?: string | undefined
  readonly schemaVersion: typeof SCHEMA_VERSION_U8
  readonly name: string
  /** Needed where an entry has `parameters`. */
  readonly home?: Home | undefined
  readonly lattices?: readonly LatticeEntry[] | undefined
  readonly organisms?: readonly OrganismEntry[] | undefined
  readonly confluences?: readonly ConfluenceEntry[] | undefined
  readonly modules?: { readonly [Name in ModuleName]?: ModuleEntry<Name> | undefined } | undefined
  readonly ticketIssuer?: TicketIssuerEntry | undefined
  /** Room to grow: opaque to version 1, folded into the coalition id (spec §3.1). */
  readonly ext?: Hex | undefined
}
