/**
 * The meta-package: what an integrator holds of a coalition, as `coalition/identity` (spec §3.1). Pure data and pure
 * functions, no I/O.
 */

export { CoalitionError } from '../errors.ts'
export type { AdmissionRule, IssuedByRules, JwtKey, JwtRules, TdxRules } from '../tickets/admissionRules.ts'
export { type AlmanacParameters, encodeAlmanacParameters } from '../wire/almanacParameters.ts'
export { type AtlasParameters, encodeAtlasParameters } from '../wire/atlasParameters.ts'
export { type ChronicleParameters, encodeChronicleParameters } from '../wire/chronicleParameters.ts'
export { deriveCommitteeHash, type Member } from '../wire/committee.ts'
export { encodeTicketIssuerParameters, type TicketIssuerParameters } from '../wire/ticketIssuerParameters.ts'
export { type ChainId, toChainId } from './chainId.ts'
export { type CitizenId20, deriveCitizenId20 } from './citizen.ts'
export { CoalitionConfig, defineCoalition, parseCoalition } from './coalition.ts'
export {
  type CommitteeEntry,
  type ComponentEntry,
  deriveComponentKey,
  deriveContentHash,
  type Genesis,
  type Home,
} from './component.ts'
export { fromHex, toHex } from './configCodec.ts'
export type { CoalitionFile } from './configFile.ts'
export { ConfluenceConfig, type ConfluenceEntry, defineConfluence } from './confluence.ts'
export { type Derivation, deriveAll } from './derivation.ts'
export { UNIVERSE } from './id.ts'
export { defineLattice, LatticeConfig, type LatticeEntry } from './lattice.ts'
export { ModuleConfig, type ModuleEntry, type ModuleName } from './module.ts'
export { defineOrganism, type OrganismEntry, OrganismRef } from './organism.ts'
export { TicketIssuerConfig, type TicketIssuerEntry } from './ticketIssuer.ts'
