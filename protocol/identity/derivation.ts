import type { UniqueId } from '../bytes.ts'
import type { CoalitionConfig } from './coalition.ts'
import type { SCHEMA_VERSION_U8 } from './id.ts'
import type { ModuleName } from './module.ts'

/** All that a config derives to, in the shape of spec §3.2. */
export type Derivation = {
  schemaVersion: typeof SCHEMA_VERSION_U8
  coalition: UniqueId
  coalitionRoot: UniqueId
  coalitionId: UniqueId
  lattices: { name: string; stableId: UniqueId; fingerprint: UniqueId }[]
  organisms: { role: string; stableId: UniqueId; fingerprint: UniqueId }[]
  confluences: { name: string; fingerprint: UniqueId; componentKey: UniqueId }[]
  /** Those that are shipped. */
  modules: { [Name in ModuleName]?: DerivedComponent }
  ticketIssuer: DerivedComponent | null
}

export type DerivedComponent = {
  root: UniqueId
  fingerprint: UniqueId
  componentId: UniqueId
  componentKey: UniqueId
}

/** Derives every id of a config, keys in the order of spec §3.2. */
export function deriveAll(coalition: CoalitionConfig): Derivation {
  const issuer = coalition.ticketIssuer
  const issuerRoot = coalition.ticketIssuerRoot()
  return {
    schemaVersion: coalition.schemaVersion,
    coalition: coalition.coalition(),
    coalitionRoot: coalition.coalitionRoot(),
    coalitionId: coalition.coalitionId(),
    lattices: coalition.lattices.map((lattice) => ({
      name: lattice.name,
      stableId: lattice.stableId(),
      fingerprint: lattice.fingerprint(),
    })),
    organisms: coalition.organisms.map((organism) => ({
      role: organism.role,
      stableId: organism.stableId(),
      fingerprint: organism.fingerprint(),
    })),
    confluences: coalition.confluences.map((confluence) => ({
      name: confluence.name,
      fingerprint: confluence.fingerprint(),
      componentKey: confluence.componentKey(),
    })),
    modules: Object.fromEntries(
      coalition.modules().map((module) => [
        module.name,
        {
          root: module.root(),
          fingerprint: module.fingerprint(),
          componentId: module.componentId(),
          componentKey: module.componentKey(),
        },
      ]),
    ),
    ticketIssuer:
      issuer === undefined || issuerRoot === undefined
        ? null
        : {
            fingerprint: issuer.fingerprint(),
            root: issuerRoot,
            componentId: issuer.componentId(),
            componentKey: issuer.componentKey(),
          },
  }
}
