import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Redis } from 'ioredis'
import { createSenderLease } from '../../../chain/senderLease.ts'
import { signCard } from '../../../client/atlasPublisher.ts'
import type { Hex } from '../../../protocol/bytes.ts'
import type { ListedCitizen } from '../../../protocol/wire/atlasParameters.ts'
import { encodeSignedCard } from '../../../protocol/wire/cardFile.ts'
import type { CitizenCard } from '../../../protocol/wire/citizenCard.ts'
import { createDirectory, type Directory } from '../../../workers/atlas-sync/directory.ts'
import { fetchCard } from '../../../workers/atlas-sync/fetchCard.ts'
import { createProcessor } from '../../../workers/atlas-sync/processor.ts'
import { createProposer } from '../../../workers/atlas-sync/propose.ts'
import { listSources } from '../../../workers/atlas-sync/sources.ts'
import {
  type AtlasWorld,
  cardOf,
  citizens,
  lattice,
  latticeKey,
  organism,
  organismKey,
  startAtlasWorld,
  strangerKey,
  submitter,
} from '../../client/atlasWorld.ts'
import { type CardServer, createAuthority, serveCards } from './cardServer.ts'

const NAME = 'citizen.example'
const authority = createAuthority()

let world: AtlasWorld
let directory: Directory
let redis: Redis
let server: CardServer
/** What citizens publish themselves, by path. */
const served = new Map<string, string>()
before(async () => {
  world = await startAtlasWorld()
  directory = createDirectory({ logs: world.logs }, { atlas: world.atlas })
  redis = new Redis(world.redis.url)
  server = await serveCards(authority.issue(NAME), (response, { url = '' }) => {
    const text = served.get(url)
    if (text === undefined) response.writeHead(404).end()
    else response.end(text)
  })
  // A state to begin with: something has to be decided before anything is marked.
  const publisher = await world.openPublisher(organismKey)
  await publisher.publish(cardOf(organism))
  await publisher.close()
  await world.mark()
  await directory.refresh(undefined)
})
after(async () => {
  server.close()
  redis.disconnect()
  await world.stop()
})

function createWorker({ list = citizens, isNewest = true }: { list?: ListedCitizen[]; isNewest?: boolean } = {}) {
  const { atlas, logs, redis: service } = world
  return createProcessor(
    {
      directory,
      fetchCard: (url) =>
        fetchCard({
          ...{ url, timeoutMs: 5_000, ca: authority.ca, allowPrivate: true },
          resolve: async () => [{ address: '127.0.0.1', family: 4 }],
        }),
      propose: createProposer(
        { logs, lease: createSenderLease(redis) },
        { atlas, redisUrl: service.url, key: submitter },
      ),
      isConfigNewest: async () => isNewest,
    },
    {
      component: atlas.component,
      citizens: list,
      selfPublished: new Map([
        [lattice, `https://${NAME}:${server.port}/lattice`],
        [organism, `https://${NAME}:${server.port}/organism`],
      ]),
      followEndpoints: false,
    },
  )
}

const signedBy = (key: typeof submitter, changes: Partial<CitizenCard> = {}): string =>
  encodeSignedCard(
    signCard({ ...cardOf(lattice), atlas: world.atlas.component, sequence: 3n, ...changes }, key.secretKey),
  )
const bring = (worker = createWorker(), citizen: Hex = lattice) => worker({ kind: 'card', citizen })

test('atlas-sync: proposes a citizen’s card once, and a job that runs twice finds it done', async () => {
  served.set('/lattice', signedBy(latticeKey))
  const worker = createWorker()
  const result = await bring(worker)
  assert.equal(result.status, 'proposed')
  // No state shows it yet.
  assert.deepEqual(await bring(worker), { status: 'upToDate' })
  await world.mark()
  await directory.refresh(undefined)
  assert.equal(directory.newest()?.byId.get(lattice)?.card?.card.sequence, 3n)
  // Another worker, or this one after a restart, sees it in the state.
  assert.deepEqual(await bring(), { status: 'upToDate' })
})

test('atlas-sync: proposes nothing stale, forged, of another Atlas, of another citizen or of none', async () => {
  const before = world.members[0]!.replica.state().height
  const cases: [string, string | undefined][] = [
    ['CARD_STALE', signedBy(latticeKey, { sequence: 2n })],
    ['CARD_STALE', signedBy(latticeKey, { schemaVersion: 9 })],
    ['CARD_FORGED', signedBy(strangerKey, { sequence: 4n })],
    ['CARD_FORGED', signedBy(latticeKey, { sequence: 4n }).replace('/rpc', '/rpx')],
    ['CARD_ELSEWHERE', signedBy(latticeKey, { atlas: `0x${'ee'.repeat(32)}`, sequence: 4n })],
    ['WRONG_CITIZEN', signedBy(organismKey, { citizen: organism, sequence: 4n })],
    ['CARD_MALFORMED', '{}'],
    ['CARD_UNREACHABLE', undefined],
  ]
  for (const [code, text] of cases) {
    if (text === undefined) served.delete('/lattice')
    else served.set('/lattice', text)
    await assert.rejects(bring(), { code }, code)
  }
  await assert.rejects(bring(undefined, `0x${'dd'.repeat(32)}`), { code: 'CITIZEN_UNKNOWN' })
  assert.equal(world.members[0]!.replica.state().height, before)
})

test('atlas-sync: two workers with one key take turns', async () => {
  served.set('/lattice', signedBy(latticeKey, { sequence: 5n }))
  served.set('/organism', signedBy(organismKey, { ...cardOf(organism), sequence: 5n }))
  const results = await Promise.all([bring(createWorker()), bring(createWorker(), organism)])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['proposed', 'proposed'],
  )
  await world.mark()
  await directory.refresh(undefined)
})

test('atlas-sync: brings the list of a republished config once, leaves changed keys alone, and not that of an old config', async () => {
  assert.deepEqual(await createWorker()({ kind: 'list' }), { status: 'upToDate' })
  const own = await world.openPublisher(organismKey)
  await own.changeKey({ citizen: organism, cardSigner: strangerKey.signer })
  await own.close()
  await world.mark()
  await directory.refresh(undefined)
  const newcomer: Hex = `0x${'c3'.repeat(32)}`
  const list = [citizens[1]!, { citizen: newcomer, cardSigner: latticeKey.signer }]
  assert.deepEqual(await createWorker({ list, isNewest: false })({ kind: 'list' }), { status: 'configSuperseded' })
  const worker = createWorker({ list })
  assert.equal((await worker({ kind: 'list' })).status, 'proposed')
  assert.deepEqual(await worker({ kind: 'list' }), { status: 'upToDate' })
  await world.mark()
  await directory.refresh(undefined)
  const seats = directory.newest()!.citizens.map(({ citizen, seat }) => [citizen, seat.isListed, seat.cardSigner])
  assert.deepEqual(seats, [
    [lattice, false, latticeKey.signer],
    [organism, true, strangerKey.signer],
    [newcomer, true, latticeKey.signer],
  ])
  assert.deepEqual(await createWorker({ list })({ kind: 'list' }), { status: 'upToDate' })
  await assert.rejects(bring(), { code: 'CITIZEN_UNKNOWN' })
})

test('listSources: the operator’s word comes before a card’s endpoint, and who left has none', () => {
  const remembered = directory.newest()!.citizens
  const none = new Map<Hex, string>()
  const hinted = listSources(remembered, { selfPublished: none, followEndpoints: true })
  assert.deepEqual(hinted, [{ citizen: organism, url: 'https://citizen.example/.well-known/coalition-card.json' }])
  assert.deepEqual(listSources(remembered, { selfPublished: none, followEndpoints: false }), [])
  const said = new Map([
    [organism, 'https://said.example/'],
    [lattice, 'https://left.example/'],
  ])
  assert.deepEqual(listSources(remembered, { selfPublished: said, followEndpoints: true }), [
    { citizen: organism, url: 'https://said.example/' },
  ])
})
