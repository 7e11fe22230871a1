import type { UniqueId } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { type AlmanacParameters, encodeAlmanacParameters } from '../wire/almanacParameters.ts'
import { type AtlasParameters, encodeAtlasParameters } from '../wire/atlasParameters.ts'
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

/** What each module is told at genesis, of those that this runtime runs. */
export type ModuleParameters = { atlas: AtlasParameters; almanac: AlmanacParameters; chronicle: ChronicleParameters }
type ParametersOf<Name> = Name extends keyof ModuleParameters ? ModuleParameters[Name] : undefined

const ENCODE: {
  [Name in keyof ModuleParameters]: (parameters: ModuleParameters[Name], options: { field: string }) => Uint8Array
} = { atlas: encodeAtlasParameters, almanac: encodeAlmanacParameters, chronicle: encodeChronicleParameters }

/** A module as a config ships it: where it has parameters, they may stand in place of the content hash (spec §3.2). */
export type ModuleEntry<Name extends ModuleName = ModuleName> = Name extends keyof ModuleParameters
  ? CommitteeEntry & {
      readonly contentHash?: UniqueId | undefined
      readonly parameters?: ModuleParameters[Name] | undefined
    }
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
  readonly parameters: ParametersOf<Name> | undefined
  /** `parameters` as the content hash binds them. */
  readonly encodedParameters: Uint8Array | undefined
  readonly #root: UniqueId
  readonly #fingerprint: UniqueId
  readonly #componentId: UniqueId

  constructor(context: ModuleContext, { name, entry }: { name: Name; entry: ModuleEntry<Name> }) {
    const { coalition, coalitionRoot, home } = context
    const field = `modules.${name}`
    this.name = name
    this.genesis = resolveGenesis(entry, { field })
    this.parameters = ('parameters' in entry ? entry.parameters : undefined) as typeof this.parameters
    this.encodedParameters = encodeParameters(entry, { name, field: `${field}.parameters` })
    this.contentHash = resolveHash({
      field: `${field}.contentHash`,
      given: entry.contentHash,
      derived: this.encodedParameters && hashParameters(this.encodedParameters, { field: `${field}.parameters`, home }),
      source: 'parameters',
    })
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

/** What is not spelled out, and what has no parameters, gives undefined. */
function encodeParameters<Name extends ModuleName>(
  entry: ModuleEntry<Name>,
  { name, field }: { name: Name; field: string },
): Uint8Array | undefined {
  if (!('parameters' in entry) || entry.parameters === undefined) return undefined
  // The shape of the file lets only those modules have any that are in the table, each its own.
  const encode = ENCODE[name as keyof ModuleParameters] as (
    parameters: unknown,
    options: { field: string },
  ) => Uint8Array
  return encode(entry.parameters, { field })
}

function hashParameters(parameters: Uint8Array, { field, home }: { field: string; home: Home | undefined }): UniqueId {
  if (home === undefined) throw new MissingHomeError({ field })
  return deriveContentHash({ home, parameters })
}
