import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { COMPONENT_REGISTRY_ADDRESS, TICKET_VERIFIER_ADDRESS } from '../../chain/addresses.ts'
import { type BindOptions, type Bound, bind } from '../../client/bind.ts'
import type { CitizenEvent } from '../../client/correlate.ts'
import { createKey } from '../../client/keystore.ts'
import { createLogReader } from '../../client/logReader.ts'
import type { ComponentKind } from '../../client/readComponent.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { defineCoalition } from '../../protocol/identity/coalition.ts'
import type { CoalitionFile } from '../../protocol/identity/configFile.ts'
import { LatticeConfig } from '../../protocol/identity/lattice.ts'
import { OrganismRef } from '../../protocol/identity/organism.ts'
import { deriveNamedAudience } from '../../protocol/tickets/audience.ts'
import { ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { signDigest } from '../../protocol/wire/signature.ts'
import { HEARTBEAT_TYPEHASH } from '../../protocol/wire/ticket.ts'
import { keystorePath } from '../../scripts/demo/committee.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'
import { deriveRequestDigest, type ReferenceCitizen, startReferenceCitizen } from './referenceCitizen.ts'
import { CHAIN_ID, readSeats, startCommittee, startWorld, until, type World } from './world.ts'

const AUDIENCE = deriveNamedAudience('events.coalition.test')
const LIFETIME_SECONDS = 3_600n
const HEARTBEAT_EVERY_SECONDS = 3

/**
 * A whole coalition: two citizens with services of their own, four committees in processes of their own, a Redis and a chain.
 * An integrator holds its config, and nothing else of it. The tests go through one life of it, in their order.
 */
const dir = createTestDir()
/** Writes to the Chronicle, brings cards to the Atlas and issues tickets. */
const operator = createKey()
/** Card keys of the lattice and of the organism. */
const cardKeys = [createKey(), createKey()] as const
/** Who binds. */
const integrator = createKey()
const lattice = new LatticeConfig({ name: 'ethereum.mainnet', chainId: 1 })
const organism = new OrganismRef({ role: 'oracle', name: 'price-feed.eur' })
const newcomer = new OrganismRef({ role: 'attestor', name: 'proof.fabric' })
let world: World
let file: CoalitionFile
let options: BindOptions
let services: ReferenceCitizen[]
let bound: Bound<CoalitionFile>

/** Seats of the example's members: each component's committee is of its own, though a key may sit on several. */
const SEATS: Record<ComponentKind, readonly number[]> = {
  chronicle: [0, 1, 2, 3],
  almanac: [0, 1, 2, 3],
  atlas: [0],
  tickets: [1],
}
const membersOf = (kind: ComponentKind) => readSeats(SEATS[kind])

function createFile(): CoalitionFile {
  const cadence = { anchorEveryCommits: 4, anchorEverySeconds: 1 }
  const citizens = [lattice, organism]
    .map((each, index) => ({ citizen: each.stableId(), cardSigner: cardKeys[index]!.signer }))
    .sort((a, b) => (a.citizen < b.citizen ? -1 : 1))
  return {
    schemaVersion: 1,
    name: 'integration.test',
    home: { chainId: CHAIN_ID, registry: COMPONENT_REGISTRY_ADDRESS },
    lattices: [{ name: lattice.name, chainId: 1 }],
    organisms: [{ role: organism.role, name: 'price-feed.eur' }],
    modules: {
      atlas: { members: membersOf('atlas'), parameters: { submitters: [operator.signer], citizens, ...cadence } },
      almanac: { members: membersOf('almanac'), parameters: { tickEveryMs: 250, ...cadence } },
      chronicle: { members: membersOf('chronicle'), parameters: { submitters: [operator.signer], ...cadence } },
    },
    ticketIssuer: {
      name: 'integration.tickets',
      members: membersOf('tickets'),
      parameters: { issuers: [operator.signer], heartbeatEverySeconds: HEARTBEAT_EVERY_SECONDS, ...cadence },
    },
  }
}

before(async () => {
  world = await startWorld()
  file = createFile()
  const config = join(dir, 'coalition.json')
  writeFileSync(config, JSON.stringify(file))
  const http: Partial<Record<ComponentKind, string[]>> = {}
  await Promise.all(
    (Object.keys(SEATS) as ComponentKind[]).map(async (component) => {
      const keystores = SEATS[component].map((index) => keystorePath(`member-${index}`))
      const members = await startCommittee({ ...world, config, component, dir: join(dir, component) }, keystores)
      http[component] = members.map(({ url }) => url)
    }),
  )
  options = { chain: { rpcUrls: [world.rpcUrl] }, http, redis: world.redisUrl }
  bound = await bind(defineCoalition(file), options)
  const lifetimeMaxMs = Number(LIFETIME_SECONDS) * 1_000
  const validator = bound.tickets!.createValidator({ audience: AUDIENCE, lifetimeMaxMs })
  services = await Promise.all([
    startReferenceCitizen({ citizen: lattice.stableId(), clockEvent: 21_000_000n, validator }),
    startReferenceCitizen({ citizen: organism.stableId(), clockEvent: 0n, validator }),
  ])
})
after(async () => {
  await Promise.all(services.map((each) => each.close()))
  await world.stop()
})

test('bind: gives handles on what the config names, and on nothing else', async () => {
  assert.equal(bound.coalition.coalitionId(), defineCoalition(file).coalitionId())
  for (const handle of [bound.atlas, bound.almanac, bound.chronicle, bound.tickets]) assert.ok(handle)
  assert.deepEqual(
    [...bound.lattices, ...bound.organisms].map(({ stableId }) => stableId),
    [lattice.stableId(), organism.stableId()],
  )
  const { modules: _modules, ticketIssuer: _issuer, ...bare } = file
  const without = await bind(defineCoalition(bare), options)
  assert.deepEqual([without.atlas, without.almanac, without.chronicle, without.tickets], Array(4).fill(undefined))
  assert.equal(without.lattices[0]!.readCard, undefined)
})

test('an integrator binds to two citizens, an Atlas and a ticket issuer through one config', async () => {
  // The citizens say in the Atlas where they are.
  for (const [index, each] of [lattice, organism].entries()) {
    const publisher = await bound.atlas!.createPublisher({ submitter: operator, cardKey: cardKeys[index]! })
    await publisher.publish({
      citizen: each.stableId(),
      role: index === 0 ? 'lattice' : 'oracle',
      kind: index === 0 ? 'lattice' : 'organism',
      endpoints: [services[index]!.url],
      ticketRoot: ZERO_BYTES32,
      mrTds: [],
      schemaVersion: 1,
    })
    await publisher.close()
  }
  // The operator issues a ticket; the integrator has it signed by the issuer's members.
  const nowSeconds = BigInt(Math.floor(Date.now() / 1_000))
  const ticket = {
    ticketId: toHex(new Uint8Array(randomBytes(32))),
    subject: integrator.signer,
    audience: AUDIENCE,
    notBefore: nowSeconds - 10n,
    notAfter: nowSeconds - 10n + LIFETIME_SECONDS,
    salt: toHex(new Uint8Array(randomBytes(32))),
  }
  const issued = await bound.tickets!.issue([ticket], { key: operator })
  const { jws } = await bound.tickets!.sign(ticket)
  for (const [index, { readCard, stableId }] of [...bound.lattices, ...bound.organisms].entries()) {
    services[index]!.advance()
    const { card } = await waitForCard(readCard!)
    const [url] = card.endpoints
    const events = await readEvents(url!, { citizen: stableId, jws })
    assert.deepEqual(
      events.map(({ citizen }) => citizen),
      [stableId],
    )
    // What the card's proof stands under is the chain's newest head, so a contract takes it.
    const anchored = await readCard!({ proof: 'anchored' })
    assert.ok(anchored.basis.head)
    const { component } = bound.atlas!
    const { item, proof } = anchored.card!
    await world.registry.verifyStateItem({ component, head: anchored.basis.head, item, proof, maxAgeMs: 600_000n })
    await assert.rejects(readEvents(url!, { citizen: stableId, jws: '{}' }), /403 TICKET_MALFORMED/)
  }
  // The same ticket, to a contract.
  const { height } = issued.verified.commit
  await until(async () => (await bound.tickets!.readHead()).height >= height)
  const proven = await bound.tickets!.prove(ticket, { verifier: TICKET_VERIFIER_ADDRESS })
  assert.equal(proven.issuer, bound.tickets!.component)
})

/** A card can be proven from the next commit on that is marked for the chain. */
async function waitForCard(readCard: NonNullable<Bound<CoalitionFile>['lattices'][number]['readCard']>) {
  for (;;) {
    const found = await readCard({ proof: 'anchored' }).catch(() => undefined)
    if (found?.card !== undefined) return found.card
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function readEvents(url: string, { citizen, jws }: { citizen: Hex; jws: string }): Promise<CitizenEvent[]> {
  const timeMs = Date.now()
  const signature = signDigest(deriveRequestDigest({ citizen, timeMs }), integrator.secretKey)
  const headers = { 'x-signer': integrator.signer, 'x-signature': signature, 'x-time': String(timeMs) }
  const response = await fetch(url, { method: 'POST', body: jws, headers })
  const body = await response.text()
  if (response.status !== 200) throw new Error(`${response.status} ${body}`)
  return JSON.parse(body, (key, value: unknown) =>
    ['clockEvent', 'observedAtMs', 'uncertaintyMs'].includes(key) ? BigInt(value as string) : value,
  ) as CitizenEvent[]
}

test('an Almanac’s ticks, each proven, put the events of two citizens in order', async () => {
  const readSeq = async (): Promise<bigint> =>
    (await bound.almanac!.readTicks({ start: -1n, count: 1 })).ticks[0]?.tick.seq ?? 0n
  const waitForTicks = async (count: bigint): Promise<void> => {
    const seq = await readSeq()
    await until(async () => (await readSeq()) >= seq + count)
  }
  await waitForTicks(2n)
  const first = services[0]!.advance()
  await waitForTicks(3n)
  const second = services[1]!.advance()
  await waitForTicks(3n)
  const correlator = await bound.almanac!.readCorrelator({ start: -256n })
  assert.equal(correlator.compare(first, second), 'before')
  assert.equal(correlator.compare(second, first), 'after')
  const [a, b] = [correlator.locate(first), correlator.locate(second)]
  assert.ok(a.afterSeq! < a.beforeSeq! && a.beforeSeq! <= b.afterSeq! && b.afterSeq! < b.beforeSeq!)
  const { ticks } = await bound.almanac!.readTicks({ start: -16n, count: 16 })
  for (const { tick } of ticks) assert.ok(tick.observedAt.length >= 3, 'a quorum of members says when it saw the tick')
})

test('the coalition republishes its config with a new citizen: the Chronicle records it, and a contract verifies the entry', async () => {
  const chronicle = bound.chronicle!
  const recorder = await chronicle.createRecorder({ key: operator })
  await recorder.publish(defineCoalition(file))
  const next = defineCoalition({ ...file, organisms: [...file.organisms!, { role: 'attestor', name: 'proof.fabric' }] })
  const { verified } = await recorder.publish(next)
  await recorder.close()
  const kinds = async () => {
    const { entries } = await chronicle.read({ proof: 'anchored' })
    return entries.flatMap(({ said, index }) => (said === undefined ? [] : [{ said, index }]))
  }
  // The cadence anchors by itself: nobody asks for it.
  await until(async () => (await chronicle.readHead()).height >= verified.commit.height)
  const said = (await kinds()).map((each) => each.said)
  const superseded = said.find(({ kind }) => kind === 'coalitionSuperseded')
  assert.deepEqual(superseded, {
    kind: 'coalitionSuperseded',
    coalitionId: bound.coalition.coalitionId(),
    supersededBy: next.coalitionId(),
  })
  const { entries, basis } = await chronicle.read({ proof: 'anchored' })
  const added = entries.find((each) => each.said?.kind === 'citizenAdded' && each.said.citizen === newcomer.stableId())
  assert.ok(added)
  const { component } = chronicle
  await world.registry.verifyInclusion({
    component,
    head: basis.head!,
    index: added.index,
    leaf: added.entry,
    proof: added.proof,
  })

  // Whoever binds to the new config finds the same components, and the newcomer.
  const rebound = await bind(next, options)
  assert.notEqual(rebound.coalition.coalitionId(), bound.coalition.coalitionId())
  for (const kind of ['atlas', 'almanac', 'chronicle', 'tickets'] as const) {
    assert.equal(rebound[kind]!.component, bound[kind]!.component)
  }
  assert.deepEqual(
    rebound.organisms.map(({ stableId, fingerprint }) => [stableId, fingerprint]),
    [
      ...bound.organisms.map(({ stableId, fingerprint }) => [stableId, fingerprint]),
      [newcomer.stableId(), newcomer.fingerprint()],
    ],
  )

  // And whoever looks for the newcomer finds that entry, proven. The index follows the log at its own pace.
  const { stableId: citizen } = rebound.organisms[1]!
  await until(async () => (await chronicle.search({ citizen })).hits.length > 0)
  const { hits } = await chronicle.search({ citizen })
  assert.deepEqual(
    hits.map(({ index, kind }) => [index, kind]),
    [[added.index, 'citizenAdded']],
  )
})

test('a ticket issuer’s heart beats with nobody’s command', async () => {
  const log = createLogReader({ url: (options.http as Record<ComponentKind, string[]>).tickets[0]! })
  const isHeartbeat = (entry: Uint8Array): boolean => toHex(entry.subarray(0, 32)) === HEARTBEAT_TYPEHASH
  // A commit has one heartbeat at most, so the second of two in a row came by itself.
  await until(async () => {
    const { logSize: size } = (await log.readNewestAnchor()).commit
    const entries = await log.readEntries({ index: 0n, size })
    return entries.some((entry, index) => index > 0 && isHeartbeat(entry) && isHeartbeat(entries[index - 1]!))
  })
})
