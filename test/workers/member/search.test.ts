import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { createEpochs } from '../../../client/epochs.ts'
import { createLogReader, LogUnreachableError } from '../../../client/logReader.ts'
import { type ProvenHit, SearchUnprovenError, searchChronicle } from '../../../client/searchChronicle.ts'
import {
  MalformedSearchPageError,
  type SearchHit,
  type SearchPage,
  type SearchQuery,
} from '../../../client/searchPage.ts'
import type { Hex } from '../../../protocol/bytes.ts'
import { fromHex } from '../../../protocol/bytes.ts'
import type { CoalitionConfig } from '../../../protocol/identity/coalition.ts'
import { toHex as configToHex } from '../../../protocol/identity/configCodec.ts'
import { encodeChronicleCommand } from '../../../protocol/wire/chronicleCommand.ts'
import { decodeChronicleEntry } from '../../../protocol/wire/chronicleEntry.ts'
import { encodeEnvelope, signEnvelope } from '../../../protocol/wire/envelope.ts'
import { encodeGovernanceCommand } from '../../../protocol/wire/governance.ts'
import { type Tamper, withTamperedLog } from '../../../scripts/demo/tamperedLog.ts'
import { createSearch, SearchUnavailableError } from '../../../workers/member/search.ts'
import { createSearchRoute } from '../../../workers/member/searchRoute.ts'
import { baseFile, configOf } from '../../modules/auditWorld.ts'
import {
  createTestDir,
  members,
  component as ofWorld,
  startTestMember,
  submitter,
  type TestMember,
} from './chronicle-of-tests.ts'
import { createMemoryNetwork } from './memoryTransport.ts'
import { serve } from './serve.ts'
import { createSyncWorld, FIRST } from './syncWorld.ts'

const logger = pino({ level: 'silent' })
const seats = [{ signer: members[0]!.signer }]
const parameters = { submitters: [submitter.signer], anchorEveryCommits: 1, anchorEverySeconds: 1000 }
const modules = { ...baseFile.modules, chronicle: { ...baseFile.modules.chronicle, members: seats } }
const config = configOf({ modules })
const changed = configOf({ modules, lattices: [baseFile.lattices[1], { name: 'base.mainnet', chainId: 8453 }] })
const component = config.chronicle()!.componentKey()
const epochs = createEpochs({ component, members: seats })
const [mainnet, unichain] = config.lattices.map((lattice) => lattice.stableId()) as [Hex, Hex]

/** A Chronicle of one member that decides what it is told, a height an envelope. */
async function startChronicle(dir = createTestDir(), { isNew = true } = {}) {
  const transport = createMemoryNetwork().connect(0)
  const committee = seats.map(({ signer }) => signer)
  const member = await startTestMember({ index: 0, dir, transport, component, committee, parameters, isNew })
  let sequence = member.replica.state().sequences.get(submitter.signer) ?? 0n
  async function decide(...commands: Uint8Array[]): Promise<void> {
    sequence += 1n
    const envelope = signEnvelope({ component, submitter: submitter.signer, sequence, commands }, submitter.secretKey)
    await member.driver.submit(encodeEnvelope(envelope))
  }
  return {
    dir,
    member,
    decide,
    publish: (of: CoalitionConfig) =>
      decide(encodeChronicleCommand({ kind: 'publishCoalition', config: fromHex(configToHex(of)) })),
    state: (count: number) =>
      decide(
        ...Array.from({ length: count }, (_, n) =>
          encodeChronicleCommand({ kind: 'recordStatement', statement: new TextEncoder().encode(`{"n":${n}}`) }),
        ),
      ),
  }
}

const openSearch = ({ store, replica, dir }: Pick<TestMember, 'store' | 'replica' | 'dir'>) =>
  createSearch({ store, logger, height: () => replica.state().height }, { dir, component })

/** Asks until the index has all that the member decided. */
async function waitForIndex(find: (query: SearchQuery) => Promise<SearchPage>, member: TestMember): Promise<void> {
  for (;;) {
    const page = await find({ after: 1n << 62n }).catch((error) => {
      if (error instanceof SearchUnavailableError) return undefined
      throw error
    })
    if (page?.size === member.replica.state().log.size) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A served Chronicle: a config, 256 statements in one height, another config. */
async function startServed() {
  const chronicle = await startChronicle()
  const { member } = chronicle
  await chronicle.publish(config)
  await chronicle.state(256)
  await chronicle.publish(changed)
  const search = openSearch(member)
  const server = await serve(member, undefined, createSearchRoute({ search, logger }))
  await waitForIndex(search.find, member)
  return {
    ...chronicle,
    server,
    search,
    log: createLogReader({ url: server.url }),
    async close() {
      await server.close()
      await search.close()
      member.kill()
    },
  }
}

const kindsOf = (hits: readonly ProvenHit[]) => hits.map(({ entry }) => decodeChronicleEntry(entry)?.kind)

test('searchChronicle: finds what is about a citizen, by its stable id and by its first 20 bytes, and proves it', async () => {
  const { log, close } = await startServed()
  for (const citizen of [mainnet, mainnet.slice(0, 42) as Hex]) {
    const { hits, isComplete } = await searchChronicle({ log }, { epochs, query: { citizen } })
    assert.deepEqual(kindsOf(hits), ['citizenAdded', 'citizenRemoved'])
    assert.ok(isComplete)
  }
  const { hits } = await searchChronicle({ log }, { epochs, query: { citizen: unichain } })
  assert.deepEqual(kindsOf(hits), ['citizenAdded'])
  await close()
})

test('searchChronicle: goes through all pages of a kind, and keeps within a span of time', async () => {
  const { log, close } = await startServed()
  let count = 0
  for (let after: bigint | undefined; ; ) {
    const page = await searchChronicle({ log }, { epochs, query: { kind: 'operatorStatement', after } })
    count += page.hits.length
    after = page.hits.at(-1)?.index
    if (page.isComplete) break
  }
  assert.equal(count, 256)
  const second = (await log.readCommit(3n)).commit.timestampMs
  const later = await searchChronicle({ log }, { epochs, query: { kind: 'coalitionPublished', fromMs: second } })
  const before = await searchChronicle({ log }, { epochs, query: { kind: 'coalitionPublished', toMs: second } })
  assert.deepEqual(
    [later, before].map(({ hits }) => hits.map(({ height }) => height)),
    [[3n], [1n]],
  )
  await close()
})

test('searchChronicle: follows the Chronicle’s own rotation, and finds it among the rotations', async () => {
  const { member, log, search, close } = await startServed()
  const next = members.slice(0, 2).map(({ signer }) => ({ signer }))
  const commands = [encodeGovernanceCommand({ kind: 'approveRotation', newEpoch: 1n, members: next })]
  const { signer, secretKey } = members[0]!
  await member.driver.submit(
    encodeEnvelope(signEnvelope({ component, submitter: signer, sequence: 1n, commands }, secretKey)),
  )
  await waitForIndex(search.find, member)
  const { hits } = await searchChronicle({ log }, { epochs, query: { kind: 'committeeRotated' } })
  assert.deepEqual(kindsOf(hits), ['ownCommitteeRotated'])
  await close()
})

test('searchChronicle: refuses every hit that does not hold', async () => {
  const { server, close } = await startServed()
  const query: SearchQuery = { citizen: mainnet }
  const forge =
    (change: (hits: SearchHit[]) => unknown[]): Tamper =>
    (path, body) => {
      if (!path.startsWith('/search')) return body
      const page = JSON.parse(Buffer.from(body).toString())
      return Buffer.from(JSON.stringify({ ...page, hits: change(page.hits) }))
    }
  const lies: { reason: RegExp; tamper: Tamper; query?: SearchQuery }[] = [
    { reason: /another citizen/, tamper: forge(([hit]) => [{ ...hit, index: '2' }]) },
    { reason: /of kind coalitionPublished, not citizenAdded/, tamper: forge(([hit]) => [{ ...hit, index: '0' }]) },
    { reason: /decided at/, tamper: forge(([hit]) => [{ ...hit, timestampMs: '5' }]) },
    { reason: /appended entries from/, tamper: forge(([hit]) => [{ ...hit, height: '3' }]) },
    { reason: /log has 4 entries/, tamper: forge(([hit]) => [{ ...hit, index: '270' }]) },
    { reason: /does not have commit\/9/, tamper: forge(([hit]) => [{ ...hit, height: '9' }]) },
    { reason: /does not follow the one before/, tamper: forge((hits) => [...hits].reverse()) },
    { reason: /does not follow the one before/, tamper: forge(([hit]) => [hit, hit]) },
    { reason: /not citizenRemoved/, tamper: forge((hits) => hits), query: { ...query, kind: 'citizenRemoved' } },
  ]
  for (const { reason, tamper, query: asked = query } of lies) {
    // A member that finds what was not asked for: the query that reaches the honest one is another.
    const isOther = asked !== query
    await withTamperedLog(server.url, tamper, async (url) => {
      const log = createLogReader({ url })
      const honest = createLogReader({ url: server.url })
      const lying = isOther ? { ...log, readSearch: () => honest.readSearch(query) } : log
      await assert.rejects(
        searchChronicle({ log: lying }, { epochs, query: asked }),
        (error: Error) => error instanceof SearchUnprovenError && reason.test(error.message),
        String(reason),
      )
    })
  }
  const entry: Tamper = (path, body) => {
    if (!path.startsWith('/tile/entries/')) return body
    const bytes = Buffer.from(body)
    const at = bytes.indexOf(Buffer.from(mainnet.slice(2), 'hex'))
    if (at >= 0) bytes[at + 40]! ^= 1
    return bytes
  }
  await withTamperedLog(server.url, entry, async (url) => {
    const log = createLogReader({ url })
    await assert.rejects(searchChronicle({ log }, { epochs, query }), SearchUnprovenError)
  })
  const stranger = createEpochs({ component, members: [{ signer: submitter.signer }] })
  const log = createLogReader({ url: server.url })
  await assert.rejects(searchChronicle({ log }, { epochs: stranger, query }), SearchUnprovenError)
  await withTamperedLog(
    server.url,
    forge(() => [{ index: 1 }]),
    async (url) => {
      const log = createLogReader({ url })
      await assert.rejects(searchChronicle({ log }, { epochs, query }), MalformedSearchPageError)
    },
  )
  await close()
})

test('a member’s /search: refuses what it cannot read, in words, and other methods', async () => {
  const { server, close } = await startServed()
  const ask = (query: string, init: RequestInit = {}) => fetch(`${server.url}/search${query}`, init)
  const unreadable = [
    '?citizen=0x12',
    `?citizen=${mainnet.toUpperCase()}`,
    '?kind=rumour',
    '?from=-1',
    '?to=1e3',
    `?after=${1n << 63n}`,
    '?after=1&after=2',
    '?sort=down',
    `?citizen=${'0'.repeat(10_000)}`,
  ]
  for (const query of unreadable) {
    const response = await ask(query)
    assert.equal(response.status, 400, query)
    assert.match(await response.text(), /^The search cannot be read: /)
  }
  assert.equal((await ask('', { method: 'POST' })).status, 405)
  const head = await ask('?kind=citizenAdded', { method: 'HEAD' })
  assert.deepEqual([head.status, await head.text()], [200, ''])
  assert.equal((await fetch(`${server.url}/searches`)).status, 404)
  const page = await (await ask('?kind=citizenRemoved')).text()
  assert.match(
    page,
    /^\{"firstIndex":"0","size":"264","hits":\[\{"index":"\d+","kind":"citizenRemoved","height":"3","timestampMs":"\d+"\}\],"isComplete":true\}$/,
  )
  await close()
})

test('a search index that was deleted, or is of a log that this store does not hold, is made anew', async () => {
  const { dir, member, publish, state } = await startChronicle()
  // One height with more entries than the index is given at once.
  const lattices = Array.from({ length: 300 }, (_, index) => ({ name: `lattice.${index}`, chainId: index + 1 }))
  await publish(configOf({ modules, lattices }))
  await state(200)
  const first = openSearch(member)
  await waitForIndex(first.find, member)
  const { hits } = await first.find({ kind: 'operatorStatement' })
  assert.deepEqual([hits[0]?.index, hits[0]?.height], [302n, 2n])
  await first.close()
  member.kill()

  // The store of another life of the component, of the same heights, in the folder with the index.
  const other = await startChronicle()
  await other.state(3)
  await other.state(3)
  const moved = createSearch(
    { store: other.member.store, logger, height: () => other.member.replica.state().height },
    { dir, component },
  )
  await waitForIndex(moved.find, other.member)
  assert.equal((await moved.find({ kind: 'coalitionPublished' })).hits.length, 0)
  assert.equal((await moved.find({ kind: 'operatorStatement' })).hits.length, 6)
  await moved.close()
  other.member.kill()

  // Back at its own store, and going on with what is decided meanwhile.
  const again = await startChronicle(dir, { isNew: false })
  const search = openSearch(again.member)
  await again.publish(changed)
  await waitForIndex(search.find, again.member)
  assert.equal((await search.find({ kind: 'coalitionPublished' })).hits.length, 2)
  await search.close()
  again.member.kill()
})

test('a member that synced indexes from the height that its store begins at, and says so', async () => {
  const world = createSyncWorld()
  for (const index of FIRST) await world.start(index)
  await world.decide(0, { heights: 4, entries: 3 })
  const urls = [await world.serve(0), await world.serve(1)]
  const base = 4n
  assert.equal((await world.sync(9, { urls, trusted: world.trust(0, base) }))?.height, base)
  await world.withStore(9, async (store) => {
    const member = { store, height: () => base, logger }
    const search = createSearch(member, { dir: world.dirOf(9), component: ofWorld })
    let page: SearchPage | undefined
    while (page?.size !== 12n) page = await search.find({}).catch(() => undefined)
    assert.deepEqual(page, { firstIndex: 12n, size: 12n, hits: [], isComplete: true })
    await search.close()
  })
  await world.stop()
})

test('a member whose index cannot be opened decides as ever, and says that it cannot search', async () => {
  const chronicle = await startChronicle()
  const { member } = chronicle
  const search = createSearch(
    { store: member.store, logger, height: () => member.replica.state().height },
    { dir: join(member.dir, 'nowhere'), component },
  )
  const server = await serve(member, undefined, createSearchRoute({ search, logger }))
  await chronicle.publish(config)
  assert.equal(member.replica.state().height, 1n)
  const log = createLogReader({ url: server.url })
  await assert.rejects(searchChronicle({ log }, { epochs, query: {} }), (error: Error) => {
    return error instanceof LogUnreachableError && /answers 503/.test(error.message)
  })
  await server.close()
  await search.close()
  member.kill()
})
