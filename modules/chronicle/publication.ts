import { type Hex, isEqualBytes, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { keccak256 } from '../../protocol/hash.ts'
import type { CoalitionConfig } from '../../protocol/identity/coalition.ts'
import { fromHex as configFromHex } from '../../protocol/identity/configCodec.ts'
import { type CitizenKind, type ComponentKind, encodeAuditEntry } from '../../protocol/wire/chronicleEntry.ts'
import { type Audit, COMPONENTS_MAX, createAudit, type WatchedComponent } from './audit.ts'

export class ConfigElsewhereError extends CoalitionError {
  constructor({ named, component }: { named: Hex | undefined; component: Hex }) {
    const names = named === undefined ? 'ships no Chronicle' : `names the Chronicle ${named}`
    super('CONFIG_ELSEWHERE', `The config ${names}; this one is ${component}.`, {
      fix: 'Publish a config at the Chronicle that it names: of the same coalition, with the same genesis committee.',
      kind: 'refused',
    })
  }
}

export class ConfigPublishedError extends CoalitionError {
  constructor({ coalitionId }: { coalitionId: Hex }) {
    super('CONFIG_PUBLISHED', `Coalition ${coalitionId} is the one that was published last.`, {
      fix: 'There is nothing to publish: a config is published anew when its id changes.',
      kind: 'refused',
    })
  }
}

export class ComponentsFullError extends CoalitionError {
  constructor() {
    super('COMPONENTS_FULL', `The Chronicle would watch more than ${COMPONENTS_MAX} components.`, {
      fix: 'Start a Chronicle under a new committee for a coalition that has changed so much.',
      kind: 'refused',
    })
  }
}

/** The last config that was decoded: validating it, executing it and every vote in between ask for the same one. */
let newest: { bytes: Uint8Array; coalition: CoalitionConfig } | undefined

function decodeConfig(bytes: Uint8Array): CoalitionConfig {
  if (newest === undefined || !isEqualBytes(newest.bytes, bytes)) {
    newest = { coalition: configFromHex(toHex(bytes)), bytes: Uint8Array.from(bytes) }
  }
  return newest.coalition
}

type PublishParameters = {
  /** Undefined before the first publication. */
  audit: Audit | undefined
  /** Component key of this Chronicle. */
  component: Hex
  /** Canonical bytes. */
  config: Uint8Array
}

/**
 * A config belongs to this Chronicle where it names this very component: the key binds the coalition's name and the genesis
 * committee, and no rotation changes it (spec §7.1).
 *
 * @throws {ConfigElsewhereError} it names another Chronicle, or none.
 * @throws {ConfigPublishedError} it is the one that was published last.
 * @throws {ComponentsFullError} it names more new components than can be watched.
 * @throws {CoalitionError} as `fromHex` of configs.
 */
export function assertPublishable({ audit, component, config }: PublishParameters): void {
  const coalition = decodeConfig(config)
  const named = coalition.chronicle()?.componentKey()
  if (named !== component) throw new ConfigElsewhereError({ named, component })
  const coalitionId = coalition.coalitionId()
  if (audit?.published.coalitionId === coalitionId) throw new ConfigPublishedError({ coalitionId })
  const watched = new Set([...(audit?.components.keys() ?? []), ...listComponents(coalition).map(([key]) => key)])
  if (watched.size > COMPONENTS_MAX) throw new ComponentsFullError()
}

/** The entries that follow from the config and the one before it, in the order of the lists; nothing else can be said of it. */
export function applyPublication({
  audit,
  config,
  submitter,
}: Pick<PublishParameters, 'audit' | 'config'> & { submitter: Hex }): { audit: Audit; events: Uint8Array[] } {
  const coalition = decodeConfig(config)
  const coalitionId = coalition.coalitionId()
  const published = {
    coalitionId,
    lattices: coalition.lattices.map((lattice) => lattice.stableId()),
    organisms: coalition.organisms.map((organism) => organism.stableId()),
  }
  const last = audit?.published
  const events = [
    encodeAuditEntry({
      kind: 'coalitionPublished',
      coalitionId,
      coalitionRoot: coalition.coalitionRoot(),
      configHash: toHex(keccak256(config)),
      submitter,
    }),
  ]
  if (last !== undefined) {
    const superseded = { coalitionId: last.coalitionId, supersededBy: coalitionId }
    events.push(encodeAuditEntry({ kind: 'coalitionSuperseded', ...superseded }))
  }
  const remove = (citizenKind: CitizenKind, before: readonly Hex[] = [], now: readonly Hex[]): void => {
    const kept = new Set(now)
    for (const citizen of before) {
      if (kept.has(citizen)) continue
      events.push(encodeAuditEntry({ kind: 'citizenRemoved', coalitionId, citizen, citizenKind }))
    }
  }
  const add = (
    citizenKind: CitizenKind,
    before: readonly Hex[] = [],
    now: readonly { citizen: Hex; label: string }[],
  ): void => {
    const known = new Set(before)
    for (const { citizen, label } of now) {
      if (known.has(citizen)) continue
      events.push(encodeAuditEntry({ kind: 'citizenAdded', coalitionId, citizen, citizenKind, label }))
    }
  }
  // A citizen that moved from one list to the other leaves before it comes.
  remove('lattice', last?.lattices, published.lattices)
  remove('organism', last?.organisms, published.organisms)
  const lattices = coalition.lattices.map((each) => ({ citizen: each.stableId(), label: each.name }))
  const organisms = coalition.organisms.map((each) => ({ citizen: each.stableId(), label: each.role }))
  add('lattice', last?.lattices, lattices)
  add('organism', last?.organisms, organisms)

  const components = new Map(audit?.components)
  for (const [key, watched] of listComponents(coalition)) if (!components.has(key)) components.set(key, watched)
  return { audit: createAudit({ published, components }), events }
}

/** What a config names that has a committee of its own, this Chronicle aside: an organism's committee no config names. */
function listComponents(coalition: CoalitionConfig): [Hex, WatchedComponent][] {
  const { confluences, ticketIssuer } = coalition
  const watch = (
    kind: ComponentKind,
    of: { componentKey(): Hex; componentId(): Hex; genesis: { committee: Hex } },
  ): [Hex, WatchedComponent] => [
    of.componentKey(),
    { kind, componentId: of.componentId(), epoch: 0n, committeeHash: of.genesis.committee, isRetired: false },
  ]
  return [
    ...coalition.modules().flatMap((each) => (each.name === 'chronicle' ? [] : [watch(each.name, each)])),
    ...(ticketIssuer === undefined ? [] : [watch('tickets', ticketIssuer)]),
    ...confluences.map((each) => watch('confluence', each)),
  ]
}
