import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import { Atlas } from '../../../client/atlas.ts'
import { createAtlasModelReader } from '../../../client/atlasModel.ts'
import type { Hex } from '../../../protocol/bytes.ts'
import { createDirectory, type Directory } from '../../../workers/atlas-sync/directory.ts'
import { createOutcomes } from '../../../workers/atlas-sync/outcomes.ts'
import { createRegistryView, type RegistryView } from '../../../workers/atlas-sync/registryView.ts'
import { startReadModel } from '../../../workers/atlas-sync/server.ts'
import type { HttpServer } from '../../../workers/runtime/httpServer.ts'
import {
  type AtlasWorld,
  cardOf,
  lattice,
  latticeKey,
  organism,
  organismKey,
  startAtlasWorld,
} from '../../client/atlasWorld.ts'
import { startLiar } from '../member/syncWorld.ts'

let world: AtlasWorld
let directory: Directory
let registry: RegistryView
let server: HttpServer
before(async () => {
  world = await startAtlasWorld()
  const { atlas, logs, chain } = world
  directory = createDirectory({ logs }, { atlas })
  const named = [{ kind: 'module', name: 'atlas', component: atlas.component }] as const
  registry = createRegistryView({ chain }, { address: atlas.home.registry, named, confirmations: 1 })
  const view = { directory, registry, outcomes: createOutcomes(), freshAtMs: () => ({ directory: 0, registry: 0 }) }
  server = await startReadModel({ view, logger: pino({ level: 'silent' }) }, { host: '127.0.0.1', port: 0 })
})
after(async () => {
  await server.close()
  await world.stop()
})

const get = (path: string, headers: Record<string, string> = {}) => fetch(`${server.url}/${path}`, { headers })
async function refresh(): Promise<void> {
  await registry.poll()
  await directory.refresh(registry.find(world.atlas.component)?.newest)
}
const readerOf = (url = server.url, of: object = {}) =>
  createAtlasModelReader({ url, atlas: world.atlas, logs: world.logs, ...of })

test('read model: says that it knows nothing yet', async () => {
  assert.equal((await get('citizens')).status, 503)
  assert.equal((await get('health')).status, 503)
  await assert.rejects(directory.refresh(undefined), { code: 'NOT_IN_LOG' })
  await assert.rejects(readerOf().readCitizen(lattice), { code: 'ATLAS_MODEL_UNREACHABLE' })
})

test('read model: gives what a member’s state gives, and a reader proves it', async () => {
  const { atlas, logs } = world
  for (const [citizen, key] of [
    [lattice, latticeKey],
    [organism, organismKey],
  ] as const) {
    const publisher = await world.openPublisher(key)
    await publisher.publish(cardOf(citizen))
    await publisher.close()
  }
  await world.mark()
  await refresh()
  const { citizens, basis } = await Atlas.read({ atlas, logs }).readCatalogue()
  const page = await readerOf().readPage()
  assert.deepEqual(page.citizens, citizens)
  assert.ok(page.basis.kind === 'certified')
  assert.equal(page.basis.commit.digest, basis.commit.digest)
  const { basis: _basis, ...one } = await readerOf().readCitizen(organism)
  assert.deepEqual(one, citizens[1])

  const first = await readerOf().readPage({ limit: 1 })
  assert.deepEqual([first.citizens.length, first.after], [1, lattice])
  const second = await readerOf().readPage({ limit: 1, after: first.after! })
  assert.deepEqual([second.citizens[0]?.citizen, second.after], [organism, null])
  await assert.rejects(readerOf().readCitizen(`0x${'dd'.repeat(32)}`), { code: 'NOT_IN_ATLAS' })
})

test('read model: under the newest head on chain, where members still have its state', async () => {
  const { atlas, chain, registry: contract } = world
  const reader = readerOf(undefined, { chain, logs: [] })
  await assert.rejects(reader.readCitizen(lattice), { code: 'ATLAS_MODEL_UNREACHABLE' })
  const publisher = await world.openPublisher(latticeKey)
  await publisher.update(lattice, { schemaVersion: 2 })
  const head = await world.anchor()
  await refresh()
  const { card, basis } = await reader.readCitizen(lattice)
  assert.deepEqual(basis, { kind: 'anchored', head })
  await contract.verifyStateItem({ component: atlas.component, head, maxAgeMs: 600_000n, ...card! })
  const [component] = ((await (await get('components')).json()) as { components: { newest: { height: string } }[] })
    .components
  assert.equal(component?.newest.height, head.height.toString())

  // The newest state moves on, and the anchored one stays as long as the head does.
  await publisher.update(lattice, { schemaVersion: 3 })
  await world.mark()
  await refresh()
  assert.equal((await reader.readCitizen(lattice)).card?.card.schemaVersion, 2)
  assert.equal((await readerOf().readCitizen(lattice)).card?.card.schemaVersion, 3)
  // An answer from before the next anchor is refused after it.
  const before = await (await get(`citizens/${lattice}?under=chain`)).text()
  await publisher.update(lattice, { schemaVersion: 4 })
  await world.anchor()
  const stale = await startLiar(server.url, () => before)
  await assert.rejects(readerOf(stale.url, { chain }).readCitizen(lattice), { code: 'ATLAS_ANSWER_UNPROVEN' })
  stale.close()
  await publisher.close()
})

type Forgeable = {
  record: { commit: { state: Hex; component: Hex } }
  retirement: { successor: Hex; effectiveHeight: string; reason: string } | null
  citizens: {
    citizen: Hex
    cardSigner: Hex
    isListed: boolean
    seatProof: Hex[]
    card: { card: { endpoints: string[] }; proof: Hex[] }
  }[]
  more?: number
}

test('read model: a reader believes no answer that is not proven', async (t) => {
  await refresh()
  const text = await (await get(`citizens/${lattice}`)).text()
  const honest = JSON.parse(text) as Forgeable
  const forge = (change: (answer: Forgeable) => unknown): string => {
    const answer = structuredClone(honest)
    change(answer)
    return JSON.stringify(answer)
  }
  const lies: [string, string, string][] = [
    [
      'another endpoint',
      forge((answer) => (answer.citizens[0]!.card.card.endpoints = ['https://evil.example/'])),
      'ATLAS_ANSWER_UNPROVEN',
    ],
    ['another key', forge((answer) => (answer.citizens[0]!.cardSigner = organismKey.signer)), 'ATLAS_ANSWER_UNPROVEN'],
    ['a seat that it left', forge((answer) => (answer.citizens[0]!.isListed = false)), 'ATLAS_ANSWER_UNPROVEN'],
    ['no proof', forge((answer) => (answer.citizens[0]!.card.proof = [])), 'ATLAS_ANSWER_UNPROVEN'],
    [
      'another state',
      forge((answer) => (answer.record.commit.state = `0x${'00'.repeat(32)}`)),
      'ATLAS_ANSWER_UNPROVEN',
    ],
    ['another citizen', forge((answer) => (answer.citizens[0]!.citizen = organism)), 'ATLAS_ANSWER_UNPROVEN'],
    ['nobody', forge((answer) => (answer.citizens = [])), 'ATLAS_ANSWER_UNPROVEN'],
    [
      'another Atlas’s commit',
      forge((answer) => (answer.record.commit.component = `0x${'ee'.repeat(32)}`)),
      'ATLAS_ANSWER_UNPROVEN',
    ],
    [
      'a retirement that nobody decided',
      forge((answer) => (answer.retirement = { successor: lattice, effectiveHeight: '1', reason: '' })),
      'ATLAS_ANSWER_UNPROVEN',
    ],
    [
      'a retirement with a long reason',
      forge((answer) => (answer.retirement = { successor: lattice, effectiveHeight: '1', reason: 'x'.repeat(257) })),
      'ATLAS_ANSWER_MALFORMED',
    ],
    ['more than it may', forge((answer) => (answer.more = 1)), 'ATLAS_ANSWER_MALFORMED'],
    ['no JSON', 'no', 'ATLAS_ANSWER_MALFORMED'],
    [
      'a long proof',
      forge((answer) => (answer.citizens[0]!.seatProof = Array<Hex>(65).fill(`0x${'00'.repeat(32)}`))),
      'ATLAS_ANSWER_MALFORMED',
    ],
    ['a body without end', ' '.repeat((1 << 22) + 1), 'ATLAS_MODEL_UNREACHABLE'],
  ]
  for (const [name, lie, code] of lies) {
    const liar = await startLiar(server.url, () => lie)
    t.after(liar.close)
    await assert.rejects(readerOf(liar.url).readCitizen(lattice), { code }, name)
  }
  const page = JSON.parse(await (await get('citizens')).text()) as { citizens: object[] }
  for (const citizens of [[...page.citizens].reverse(), [page.citizens[0], page.citizens[0]]]) {
    const liar = await startLiar(server.url, () => JSON.stringify({ ...page, citizens }))
    t.after(liar.close)
    await assert.rejects(readerOf(liar.url).readPage(), { code: 'ATLAS_ANSWER_UNPROVEN', message: /out of order/ })
  }
})

test('read model: answers are bounded, tagged and read-only, and wrong questions are refused', async () => {
  const response = await get('citizens')
  const etag = response.headers.get('etag')!
  assert.match(etag, /^"[0-9a-f]{64}"$/)
  assert.equal((await get('citizens', { 'if-none-match': etag })).status, 304)
  assert.equal((await get('citizens', { 'if-none-match': '"other"' })).status, 200)
  const text = await response.text()
  assert.equal(text, await (await get('citizens')).text())
  const refused: [string, number][] = [
    ...['0', '65', '-1', 'x', '1000000000'].map((limit): [string, number] => [`citizens?limit=${limit}`, 400]),
    ['citizens?after=0x12', 400],
    [`components?after=${lattice.toUpperCase()}`, 400],
    ['citizens/0x12', 400],
    [`citizens/${lattice.slice(0, 42)}`, 400],
    [`citizens/${lattice}/card`, 404],
    ['nothing', 404],
    ['', 404],
    ['health/x', 404],
  ]
  for (const [path, status] of refused) assert.equal((await get(path)).status, status, path)
  assert.equal((await fetch(`${server.url}/citizens`, { method: 'POST' })).status, 405)
  const health = (await (await get('health')).json()) as { height: string; isRetired: boolean }
  assert.deepEqual([health.isRetired, BigInt(health.height) > 0n], [false, true])
})

test('read model: a retired Atlas is still shown, and whoever binds to it is told its successor', async (t) => {
  const { atlas, chain, logs } = world
  const successor: Hex = `0x${'5c'.repeat(32)}`
  const head = await world.retire(successor)
  await refresh()
  assert.equal(head.retired, true)
  assert.deepEqual(directory.anchored()?.head, head)
  assert.equal(((await (await get('health')).json()) as { isRetired: boolean }).isRetired, true)
  assert.equal(registry.find(atlas.component)?.retirement?.successor, successor)
  const retired = { code: 'COMPONENT_RETIRED', successor }
  await assert.rejects(Atlas.read({ atlas, logs }).readCatalogue(), retired)
  await assert.rejects(Atlas.read({ atlas, logs, chain }).readCitizen(lattice), retired)
  await assert.rejects(world.openPublisher(latticeKey), retired)
  await assert.rejects(readerOf().readCitizen(lattice), retired)
  // With neither chain nor logs: the commit that decided it is what the worker serves.
  await assert.rejects(readerOf(undefined, { logs: [] }).readCitizen(lattice), retired)
  await assert.rejects(readerOf(undefined, { logs: [] }).readCatalogue(), retired)
  const answer = JSON.parse(await (await get(`citizens/${lattice}`)).text()) as Forgeable
  const liar = await startLiar(server.url, () =>
    JSON.stringify({ ...answer, retirement: { ...answer.retirement, successor: lattice } }),
  )
  t.after(liar.close)
  await assert.rejects(readerOf(liar.url, { logs: [] }).readCitizen(lattice), { code: 'ATLAS_ANSWER_UNPROVEN' })
  await assert.rejects(readerOf(undefined, { chain, logs: [] }).readCitizen(lattice), retired)
})
