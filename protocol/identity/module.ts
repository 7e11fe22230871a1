import type { UniqueId } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { type ChronicleParameters, encodeChronicleParameters } from '../wire/chronicleParameters.ts'
import { bytes32 } from './abi.ts'
import {
  type CommitteeEntry,
  type ComponentEntry,
  deriveComponentId,
  deriveComponentKey,
  deriveContentHash,
  type Genesis,
  type Home,
  resolveGenesis,
  resolveHash,
} from './component.ts'
import { derive, deriveId } from './id.ts'

/** The modules that a coalition may ship, in the order that its id takes them (spec §3). */
export const MODULE_NAMES = ['atlas', 'almanac', 'chronicle', 'compute'] as const
export type ModuleName = (typeof MODULE_NAMES)[number]

/** A Chronicle as a config ships it: parameters may stand in place of the content hash (spec §3.2). */
export type ChronicleEntry = CommitteeEntry & {
  readonly contentHash?: UniqueId | undefined
  readonly parameters?: ChronicleParameters | undefined
}
export type ModuleEntry<Name extends ModuleName = ModuleName> = Name extends 'chronicle'
  ? ChronicleEntry
  : ComponentEntry

export class MissingHomeError extends CoalitionError {
  constructor({ field }: { field: string }) {
    super('MISSING_HOME', `${field} cannot be hashed, because the config names no home.`, {
      fix: 'Add "home": { "chainId": …, "registry": "0x…" } at the top: the registry that the component anchors to.',
    })
  }
}

/** Where a module is shipped, and from where. */
export type ModuleContext = { coalition: UniqueId; coalitionRoot: UniqueId; home: Home | undefined }

/** A module that a coalition ships (spec §3). */
export class ModuleConfig<Name extends ModuleName = ModuleName> {
  readonly name: Name
  readonly contentHash: UniqueId
  readonly genesis: Genesis
  /** Undefined where the entry gives their hash alone. */
  readonly parameters: ModuleEntry<Name> extends { readonly parameters?: infer Parameters } ? Parameters : undefined
  readonly #root: UniqueId
  readonly #fingerprint: UniqueId
  readonly #componentId: UniqueId

  constructor(context: ModuleContext, { name, entry }: { name: Name; entry: ModuleEntry<Name> }) {
    const { coalition, coalitionRoot, home } = context
    const field = `modules.${name}`
    const parameters = 'parameters' in entry ? entry.parameters : undefined
    this.name = name
    this.genesis = resolveGenesis(entry, { field })
    this.contentHash = resolveHash({
      field: `${field}.contentHash`,
      given: entry.contentHash,
      derived: parameters && hashParameters(parameters, { field: `${field}.parameters`, home }),
      source: 'parameters',
    })
    this.parameters = parameters as typeof this.parameters
    this.#root = derive(derive(coalitionRoot, 'module'), name)
    this.#fingerprint = deriveId('module', [bytes32(this.#root), bytes32(this.contentHash), bytes32(this.genesis.acl)])
    this.#componentId = deriveComponentId({ coalition, name })
  }

  /** `derive(derive(COALITION_ROOT, "module"), name)` (spec §3). */
  root(): UniqueId {
    return this.#root
  }

  /** `id("module", bytes32 moduleRoot, bytes32 contentHash, bytes32 acl)`: what the config offers of it. */
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

function hashParameters(
  parameters: ChronicleParameters,
  { field, home }: { field: string; home: Home | undefined },
): UniqueId {
  const encoded = encodeChronicleParameters(parameters, { field })
  if (home === undefined) throw new MissingHomeError({ field })
  return deriveContentHash({ home, parameters: encoded })
}
