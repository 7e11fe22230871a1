import { assertHex, fromHex, type Hex, toHex, type UniqueId } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { blake3 } from '../hash.ts'
import { bytes32, bytes32Array, string } from './abi.ts'
import { assertDistinctCitizens } from './citizen.ts'
import { assertHome, type Home } from './component.ts'
import type { CoalitionFile } from './configFile.ts'
import { decodeConfigFile } from './configShape.ts'
import { assertDistinctConfluences, ConfluenceConfig } from './confluence.ts'
import { derive, deriveId, SCHEMA_VERSION_U8 } from './id.ts'
import { parseJson } from './json.ts'
import { LatticeConfig } from './lattice.ts'
import type { ConfigOf, ConfluencesOf, LatticesOf, ModuleOf, OrganismsOf, TicketIssuerOf } from './literal.ts'
import { MODULE_NAMES, ModuleConfig, type ModuleName } from './module.ts'
import { assertName } from './name.ts'
import { OrganismRef } from './organism.ts'
import { TicketIssuerConfig } from './ticketIssuer.ts'

/** How large a config may be, as a file and as canonical bytes; some ten thousand citizens. */
export const CONFIG_SIZE_MAX_BYTES = 4 * 1024 * 1024

export class ConfigTooLargeError extends CoalitionError {
  constructor() {
    super('CONFIG_TOO_LARGE', `The config has more than ${CONFIG_SIZE_MAX_BYTES} bytes.`, {
      fix: 'Split the coalition: a config is read as a whole by everyone who binds to it.',
    })
  }
}

/**
 * A coalition: one published handshake token (spec §1). It offers; no component depends on it.
 *
 * What its file does not ship is `undefined` to the compiler too, where the file's literal type is known.
 */
export class CoalitionConfig<const File extends CoalitionFile = CoalitionFile> {
  readonly schemaVersion = SCHEMA_VERSION_U8
  readonly name: File['name']
  /** The registry that is authoritative for the components whose parameters the file spells out. */
  readonly home: Home | undefined
  readonly lattices: LatticesOf<File>
  readonly organisms: OrganismsOf<File>
  readonly confluences: ConfluencesOf<File>
  readonly ticketIssuer: TicketIssuerOf<File>
  /** The checked copy of what the config was made from: pure data, which JSON can carry. */
  readonly file: CoalitionFile
  /** Opaque to version 1, and kept (spec §3.1); `0x` where there is none. */
  readonly ext: Hex
  readonly #coalition: UniqueId
  readonly #coalitionRoot: UniqueId
  readonly #modules: readonly ModuleConfig[]
  #coalitionId: UniqueId | undefined

  constructor(source: File) {
    const file = decodeConfigFile(source)
    const { name, home, modules = {}, ticketIssuer, ext = '0x' } = file
    assertName(name, { field: 'name' })
    if (home !== undefined) assertHome(home)
    const lattices = (file.lattices ?? []).map(
      (entry, index) => new LatticeConfig(entry, { field: `lattices[${index}]` }),
    )
    const organisms = (file.organisms ?? []).map(
      (entry, index) => new OrganismRef(entry, { field: `organisms[${index}]` }),
    )
    const confluences = (file.confluences ?? []).map(
      (entry, index) => new ConfluenceConfig(entry, { field: `confluences[${index}]` }),
    )
    assertDistinctCitizens({ lattices, organisms })
    assertDistinctConfluences(confluences)
    assertHex(ext, { field: 'ext' })
    this.#coalition = deriveId('coalition', [string(name)])
    const issuer = ticketIssuer && new TicketIssuerConfig({ coalition: this.#coalition }, ticketIssuer)
    this.#coalitionRoot = deriveId('coalition-root', [
      bytes32(this.#coalition),
      bytes32Array(lattices.map((lattice) => lattice.stableId())),
      bytes32Array(organisms.map((organism) => organism.stableId())),
      bytes32Array(confluences.map((confluence) => confluence.fingerprint())),
      bytes32Array(issuer === undefined ? [] : [issuer.fingerprint()]),
    ])
    const context = { coalition: this.#coalition, coalitionRoot: this.#coalitionRoot, home }
    this.#modules = MODULE_NAMES.flatMap((name) => {
      const entry = modules[name]
      return entry === undefined ? [] : [new ModuleConfig(context, { name, entry })]
    })
    this.file = file
    this.name = name
    this.home = home
    // What was built from the file's entries has the types that its literal type says.
    this.lattices = lattices as LatticesOf<File>
    this.organisms = organisms as OrganismsOf<File>
    this.confluences = confluences as ConfluencesOf<File>
    this.ticketIssuer = issuer as TicketIssuerOf<File>
    this.ext = ext
  }

  /** `COALITION`, which depends on the name alone: `id("coalition", string name)` (spec §3). */
  coalition(): UniqueId {
    return this.#coalition
  }

  /** `COALITION_ROOT`: changes with the citizens, confluences and issuer, not with what they run (spec §3). */
  coalitionRoot(): UniqueId {
    return this.#coalitionRoot
  }

  /** `coalition_id()`: what consumers pin; folds all that the config offers (spec §3). */
  coalitionId(): UniqueId {
    this.#coalitionId ??= this.#deriveCoalitionId()
    return this.#coalitionId
  }

  atlas(): ModuleOf<File, 'atlas'> {
    return this.#module('atlas')
  }

  almanac(): ModuleOf<File, 'almanac'> {
    return this.#module('almanac')
  }

  chronicle(): ModuleOf<File, 'chronicle'> {
    return this.#module('chronicle')
  }

  compute(): ModuleOf<File, 'compute'> {
    return this.#module('compute')
  }

  /** The modules that are shipped, in the order of spec §3. */
  modules(): readonly ModuleConfig[] {
    return this.#modules
  }

  /** `derive(COALITION_ROOT, "tickets")`; undefined where no issuer is shipped (spec §3). */
  ticketIssuerRoot(): ConfigOf<TicketIssuerOf<File>, UniqueId> {
    const root = this.ticketIssuer === undefined ? undefined : derive(this.#coalitionRoot, 'tickets')
    return root as ConfigOf<TicketIssuerOf<File>, UniqueId>
  }

  #deriveCoalitionId(): UniqueId {
    const id = deriveId('coalition-config', [
      bytes32(this.#coalitionRoot),
      bytes32Array(this.lattices.map((lattice) => lattice.fingerprint())),
      bytes32Array(this.organisms.map((organism) => organism.fingerprint())),
      bytes32Array(this.#modules.map((module) => module.fingerprint())),
    ])
    if (this.ext === '0x') return id
    return deriveId('coalition-config-ext', [bytes32(id), bytes32(toHex(blake3(fromHex(this.ext))))])
  }

  #module<Name extends ModuleName>(name: Name): ModuleOf<File, Name> {
    return this.#modules.find((module) => module.name === name) as ModuleOf<File, Name>
  }
}

/**
 * Checks a config and keeps its literal types, so that `coalition.atlas()` is known to be undefined where no Atlas is
 * shipped. Takes a config that was put together at run time as well; then the compiler knows only what its type says.
 *
 * @throws {CoalitionError} a rule of spec §3 is broken; docs/integrators/config.md lists them.
 */
export const defineCoalition = <const File extends CoalitionFile>(file: File): CoalitionConfig<File> =>
  new CoalitionConfig(file)

/**
 * Reads a config file.
 *
 * @param text JSON, at most 4 MiB.
 * @throws {ConfigTooLargeError} it is larger.
 * @throws {MalformedJsonError | DuplicateKeyError | UnplainNumberError} it is not JSON that means the same to every program.
 * @throws {CoalitionError} as `defineCoalition`.
 */
export function parseCoalition(text: string): CoalitionConfig {
  if (text.length > CONFIG_SIZE_MAX_BYTES) throw new ConfigTooLargeError()
  return new CoalitionConfig(parseJson(text) as CoalitionFile)
}
