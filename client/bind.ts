import { connectEndpoints } from '../chain/connectEndpoints.ts'
import type { Hex } from '../protocol/bytes.ts'
import type { CoalitionConfig } from '../protocol/identity/coalition.ts'
import type { CoalitionFile } from '../protocol/identity/configFile.ts'
import type { ConfigOf, LatticesOf, ModuleOf, OrganismsOf, TicketIssuerOf } from '../protocol/identity/literal.ts'
import { assertRedisUrl } from '../workers/queues.ts'
import { type AlmanacHandle, createAlmanacHandle } from './almanacHandle.ts'
import type { AtlasBasis, AtlasCitizen } from './atlasCatalogue.ts'
import { type AtlasHandle, createAtlasHandle } from './atlasHandle.ts'
import { type ChronicleHandle, createChronicleHandle } from './chronicleHandle.ts'
import type { ComponentHandleDeps, Proof } from './componentHandle.ts'
import { createLogReader } from './logReader.ts'
import { type Component, type ComponentKind, NoComponentError, resolveComponent } from './readComponent.ts'
import { createTicketsHandle, type TicketsHandle } from './ticketsHandle.ts'

export type BindOptions = {
  /** Endpoints of the config's home chain, of which more than half, or `agreeCount`, must give the same answer. */
  chain: {
    rpcUrls: readonly string[]
    agreeCount?: number
    /** A block before the components' registrations, from which on events are read. @default 0 */
    fromBlock?: bigint
  }
  /** URLs of members' logs, by component: what is read, and with it every proof. One honest member of each is enough. */
  http?: Partial<Record<ComponentKind, readonly string[]>>
  /** URL of the members' Redis: where commands go. Without it nothing can be written. */
  redis?: string
}

/** A citizen that the config lists. */
export type CitizenHandle<Config, ReadCard> = {
  readonly config: Config
  readonly stableId: Hex
  readonly fingerprint: Hex
  /** Its card in the coalition's Atlas, proven; undefined where the coalition ships no Atlas. */
  readonly readCard: ReadCard
}

/** @throws {NotInAtlasError} the Atlas does not know it yet. @throws as `AtlasReader.readCitizen`. */
export type ReadCard = (options?: { proof?: Proof }) => Promise<AtlasCitizen & { basis: AtlasBasis }>

type CitizensOf<Configs extends readonly unknown[], Read> = {
  readonly [Index in keyof Configs]: CitizenHandle<Configs[Index], Read>
}

/** Handles on exactly what a config names: what it does not ship is `undefined`, to the compiler too where the file's type is literal. */
export type Bound<File> = {
  readonly coalition: CoalitionConfig<CoalitionFile & File>
  readonly atlas: ConfigOf<ModuleOf<File, 'atlas'>, AtlasHandle>
  readonly almanac: ConfigOf<ModuleOf<File, 'almanac'>, AlmanacHandle>
  readonly chronicle: ConfigOf<ModuleOf<File, 'chronicle'>, ChronicleHandle>
  readonly tickets: ConfigOf<TicketIssuerOf<File>, TicketsHandle>
  /** In the order of the config. */
  readonly lattices: CitizensOf<LatticesOf<File>, ConfigOf<ModuleOf<File, 'atlas'>, ReadCard>>
  readonly organisms: CitizensOf<OrganismsOf<File>, ConfigOf<ModuleOf<File, 'atlas'>, ReadCard>>
}

/**
 * Binds to a coalition by its config alone (spec §1): its chain id is checked, and nothing else is asked before a handle is
 * used. Whatever a handle reads is proven to it, and comes with the proof, so that it can be shown to others.
 *
 * @throws {NoComponentError} a component that the config ships is named by hashes only, or the config names no home.
 * @throws {InvalidLogUrlError | InvalidRedisUrlError} @throws what `connectEndpoints` throws.
 */
export async function bind<const File extends CoalitionFile>(
  coalition: CoalitionConfig<File>,
  { chain: { fromBlock = 0n, ...endpoints }, http = {}, redis }: BindOptions,
): Promise<Bound<File>> {
  if (redis !== undefined) assertRedisUrl(redis)
  const { home } = coalition
  if (home === undefined) throw new NoComponentError({ place: 'a component', missing: 'home' })
  const chain = await connectEndpoints({ ...endpoints, chainId: BigInt(home.chainId) })
  const known = coalition as unknown as CoalitionConfig

  function handle<Handle>(
    kind: ComponentKind,
    create: (deps: ComponentHandleDeps, of: Component) => Handle,
  ): Handle | undefined {
    const isShipped = (kind === 'tickets' ? known.ticketIssuer : known[kind]()) !== undefined
    if (!isShipped) return undefined
    const of = resolveComponent(known, { kind })
    const logs = (http[kind] ?? []).map((url) => createLogReader({ url, of }))
    return create({ chain, logs, redisUrl: redis, fromBlock }, of)
  }

  const atlas = handle('atlas', createAtlasHandle)
  const readCardOf = (citizen: Hex): ReadCard | undefined =>
    atlas && ((options = {}) => atlas.createReader(options).readCitizen(citizen))
  const toHandle = <Config extends { stableId(): Hex; fingerprint(): Hex }>(config: Config) => ({
    config,
    stableId: config.stableId(),
    fingerprint: config.fingerprint(),
    readCard: readCardOf(config.stableId()),
  })
  const bound: Bound<CoalitionFile> = {
    coalition: known,
    atlas,
    almanac: handle('almanac', createAlmanacHandle),
    chronicle: handle('chronicle', createChronicleHandle),
    tickets: handle('tickets', createTicketsHandle),
    lattices: known.lattices.map((each) => toHandle(each)),
    organisms: known.organisms.map((each) => toHandle(each)),
  }
  // What was made from the file's entries has the types that its literal type says.
  return bound as unknown as Bound<File>
}
