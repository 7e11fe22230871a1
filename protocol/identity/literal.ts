import type { ConfluenceConfig, ConfluenceEntry } from './confluence.ts'
import type { LatticeConfig, LatticeEntry } from './lattice.ts'
import type { ModuleConfig, ModuleName } from './module.ts'
import type { OrganismEntry, OrganismRef } from './organism.ts'
import type { TicketIssuerConfig, TicketIssuerEntry } from './ticketIssuer.ts'

/** What the compiler knows of a coalition from the literal type of its file (spec §3.1). */

export type LatticesOf<File> = Lattices<ListOf<ValueOf<File, 'lattices'>>>
export type OrganismsOf<File> = Organisms<ListOf<ValueOf<File, 'organisms'>>>
export type ConfluencesOf<File> = Confluences<ListOf<ValueOf<File, 'confluences'>>>

/** The module, `undefined` where the file is known not to ship it, or either where only run time knows. */
export type ModuleOf<File, Name extends ModuleName> = ConfigOf<
  ValueOf<ValueOf<File, 'modules'>, Name>,
  ModuleConfig<Name>
>

/** The issuer, `undefined`, or either: as `ModuleOf`. */
export type TicketIssuerOf<File> = TicketIssuer<ValueOf<File, 'ticketIssuer'>>

/** `Config` for each entry, `undefined` for each absence. */
export type ConfigOf<Entry, Config> = Entry extends undefined ? undefined : Config

/** What each `Entry` is known to have under `Key`; undefined where it is known to lack it. */
type ValueOf<Entry, Key extends PropertyKey> = Entry extends unknown
  ? Key extends keyof Entry
    ? Entry[Key]
    : undefined
  : never

/** A list that is absent is empty. */
type ListOf<Value> = Value extends readonly unknown[] ? Value : readonly []

type Lattices<Entries extends readonly unknown[]> = {
  readonly [Index in keyof Entries]: Entries[Index] extends LatticeEntry<infer Name, infer Chain>
    ? LatticeConfig<Name, Chain>
    : LatticeConfig
}
type Organisms<Entries extends readonly unknown[]> = {
  readonly [Index in keyof Entries]: Entries[Index] extends OrganismEntry<infer Role>
    ? OrganismRef<Role, Extract<ValueOf<Entries[Index], 'name'>, string | undefined>>
    : OrganismRef
}
type Confluences<Entries extends readonly unknown[]> = {
  readonly [Index in keyof Entries]: Entries[Index] extends ConfluenceEntry<infer Name>
    ? ConfluenceConfig<Name>
    : ConfluenceConfig
}
type TicketIssuer<Entry> = Entry extends TicketIssuerEntry<infer Name> ? TicketIssuerConfig<Name> : undefined
