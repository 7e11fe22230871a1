import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { type ComponentRegistry, openComponentRegistry } from '../../../chain/componentRegistry.ts'
import { createFollower } from '../../../chain/createFollower.ts'
import type { Sender } from '../../../chain/createSender.ts'
import { deployRegistry } from '../../../chain/deployRegistry.ts'
import { createSenderLease } from '../../../chain/senderLease.ts'
import { EpochUnprovenError } from '../../../client/epochEnd.ts'
import { createLogReader } from '../../../client/logReader.ts'
import { NotVerifiedError } from '../../../client/notVerified.ts'
import { resolveComponent } from '../../../client/readComponent.ts'
import { verifyEntry } from '../../../client/verifyEntry.ts'
import type { Hex } from '../../../protocol/bytes.ts'
import { defineCoalition } from '../../../protocol/identity/coalition.ts'
import { deriveCommitteeHash } from '../../../protocol/wire/committee.ts'
import { withTamperedLog } from '../../../scripts/demo/tamperedLog.ts'
import { type Service, startRedis } from '../../../scripts/services.ts'
import { AnchorLagsError, ChainContradictedError } from '../../../workers/chronicle-anchor/alarms.ts'
import { LogsUnusableError } from '../../../workers/chronicle-anchor/candidates.ts'
import { createProcessor } from '../../../workers/chronicle-anchor/processor.ts'
import { createTestChain, type TestChain } from '../../chain/createTestChain.ts'
import { createTestCommittee } from '../../chain/testCommittee.ts'
import { startScriptedLog } from './scriptedLog.ts'

const LAG_MAX_MS = 600_000
let redisService: Service
let redis: Redis
let world: TestChain
let registry: ComponentRegistry
before(async () => {
  redisService = await startRedis()
  redis = new Redis(redisService.url)
  world = await createTestChain()
  registry = await openComponentRegistry(world.chain, await deployRegistry(world.sender))
})
after(async () => {
  await redis.quit()
  await redisService.stop()
})

/** A Chronicle of its own on the one registry, with logs whose heights the test decides. */
function createWorld(name: string) {
  const committee = createTestCommittee({ name, memberCount: 4 })
  const chronicle = resolveComponent(
    defineCoalition({
      schemaVersion: 1,
      name,
      home: { chainId: registry.chain.chainId, registry: registry.address },
      modules: {
        chronicle: {
          members: [...committee.members],
          parameters: { submitters: [committee.signers[0]!], anchorEveryCommits: 1, anchorEverySeconds: 1000 },
        },
      },
    }),
    { kind: 'chronicle' },
  )
  const { component } = chronicle
  let nowMs = Date.now()
  const processorOf = (...urls: string[]) => processorPaidBy(world.sender, ...urls)
  const processorPaidBy = (sender: Sender, ...urls: string[]) =>
    createProcessor(
      {
        registry,
        sender,
        follower: createFollower(world.chain, { address: registry.address, component, confirmations: 3 }),
        lease: createSenderLease(redis, { waitMs: 0 }),
        logger: pino({ level: 'silent' }),
        logs: urls.map((url) => createLogReader({ url })),
        clock: { nowMs: () => nowMs },
      },
      { ...chronicle, lagMaxMs: LAG_MAX_MS },
    )
  return {
    component,
    startLog: () => startScriptedLog({ component, committee }),
    processorOf,
    processorPaidBy,
    readHead: () => registry.readHead({ component }),
    wait: (ms: number) => {
      nowMs += ms
    },
  }
}

const mine = async (count: number): Promise<void> => {
  for (let block = 0; block < count; block++) await world.request('evm_mine')
}

test('an anchorer that is epochs behind anchors the end of each, then the newest, then the retirement, and no more', async () => {
  const { startLog, processorOf, readHead } = createWorld('epochs.behind')
  const log = await startLog()
  const tick = processorOf(log.url)
  log.decide(['one'])
  assert.equal((await tick()).status, 'anchored')
  log.decide(['two', 'three'])
  const first = log.rotate({ name: 'epochs.behind 1', memberCount: 4 })
  log.decide(['four'])
  const second = log.rotate({ name: 'epochs.behind 2', memberCount: 7 })
  const third = log.rotate({ name: 'epochs.behind 3', memberCount: 5 })
  log.decide(['five'])
  const newest = log.decide(['six'])
  log.decide(['seven'], { anchor: false })

  for (const { height, name, memberCount } of [
    { ...first, name: 'epochs.behind 1', memberCount: 4 },
    { ...second, name: 'epochs.behind 2', memberCount: 7 },
    { ...third, name: 'epochs.behind 3', memberCount: 5 },
    { ...newest, name: 'epochs.behind 3', memberCount: 5 },
  ]) {
    assert.equal((await tick()).status, 'anchored')
    const head = await readHead()
    assert.equal(head.height, height)
    assert.equal(head.committeeHash, deriveCommitteeHash(createTestCommittee({ name, memberCount }).members))
  }
  assert.equal((await tick()).status, 'alreadyAnchored')

  const successor: Hex = `0x${'5c'.repeat(32)}`
  const last = log.retire({ successor, reason: 'replaced' })
  assert.equal((await tick()).status, 'anchored')
  const head = await readHead()
  assert.deepEqual([head.retired, head.height], [true, last.height])
  assert.equal((await tick()).status, 'retired')
  // Nor does an anchorer that starts later find anything to do.
  assert.equal((await processorOf(log.url)()).status, 'retired')
  await log.close()
})

test('right after a rotation, and while one log lags an epoch behind, there is nothing to anchor and nothing wrong', async () => {
  const { startLog, processorOf, readHead } = createWorld('epochs.lagging')
  const [log, lagging] = [await startLog(), await startLog()]
  for (const each of [log, lagging]) each.decide(['one'])
  log.rotate({ name: 'epochs.lagging 1', memberCount: 4 })
  const tick = processorOf(lagging.url, log.url)
  assert.equal((await tick()).status, 'anchored')
  assert.equal((await readHead()).epoch, 1n)
  assert.equal((await tick()).status, 'alreadyAnchored')
  await Promise.all([log.close(), lagging.close()])
})

test('verifyEntry: proves entries of every epoch under a head of any, a rotation’s own included, and of a retired component', async () => {
  const { component, startLog, processorOf, readHead } = createWorld('epochs.verify')
  const [log, stale] = [await startLog(), await startLog()]
  const tick = processorOf(log.url)
  const verify = (index: bigint, url = log.url) =>
    verifyEntry(
      { chain: registry.chain, log: createLogReader({ url }) },
      { index, component, registry: registry.address },
    )
  log.decide(['zero'])
  await tick()
  for (const [epoch, name] of [
    [1n, 'epochs.verify 1'],
    [2n, 'epochs.verify 2'],
  ] as const) {
    const { height, logSize } = log.rotate({ name, memberCount: 4 })
    await tick()
    // Now the head is of the new epoch and its commit of the old one.
    assert.deepEqual([(await readHead()).epoch, (await readHead()).height], [epoch, height])
    for (const index of [0n, logSize - 1n]) {
      const { commit, head } = await verify(index)
      assert.deepEqual([commit.commit.epoch, head.epoch], [epoch - 1n, epoch])
    }
    log.decide([`of epoch ${epoch}`])
    // What is not anchored yet does not matter, a rotation that the log is ahead by included.
    if (epoch === 2n) await tick()
    assert.equal((await verify(0n)).head.epoch, epoch)
  }
  await assert.rejects(verify(0n, stale.url), NotVerifiedError)
  const real = createTestCommittee({ name: 'epochs.verify 1', memberCount: 4 }).signers[0]!.slice(2)
  const forge = (path: string, body: Uint8Array) =>
    path.startsWith('/tile/entries')
      ? Buffer.from(
          Buffer.from(body)
            .toString('hex')
            .replace(real, `00${real.slice(2)}`),
          'hex',
        )
      : body
  await withTamperedLog(log.url, forge, (liar) => assert.rejects(verify(0n, liar), EpochUnprovenError))
  const successor: Hex = `0x${'5c'.repeat(32)}`
  log.retire({ successor, reason: 'replaced' })
  assert.equal((await verify(0n)).retirement, null)
  await tick()
  const { retirement, head } = await verify(0n)
  assert.deepEqual([retirement?.successor, retirement?.reason, head.retired], [successor, 'replaced', true])
  const hideEnd = (path: string, body: Uint8Array) =>
    path === '/commit/epoch/2'
      ? Buffer.from(
          Buffer.from(body)
            .toString()
            .replace(/"epoch":"2"/, '"epoch":"1"'),
        )
      : body
  await withTamperedLog(log.url, hideEnd, (liar) => assert.rejects(verify(0n, liar), EpochUnprovenError))
  await Promise.all([log.close(), stale.close()])
})

test('a log that makes up a committee anchors nothing and stops nobody', async () => {
  const { startLog, processorOf, readHead } = createWorld('epochs.liars')
  const log = await startLog()
  log.decide(['one'])
  log.rotate({ name: 'epochs.liars 1', memberCount: 4 })
  // The address of the first member of the next committee, changed in the entry that tells it.
  const real = createTestCommittee({ name: 'epochs.liars 1', memberCount: 4 }).signers[0]!.slice(2)
  const forge = (path: string, body: Uint8Array) =>
    path.startsWith('/tile/entries')
      ? Buffer.from(
          Buffer.from(body)
            .toString('hex')
            .replace(real, `00${real.slice(2)}`),
          'hex',
        )
      : body
  await withTamperedLog(log.url, forge, async (liar) => {
    await assert.rejects(processorOf(liar)(), LogsUnusableError)
    assert.equal((await processorOf(liar, log.url)()).status, 'anchored')
    assert.equal((await readHead()).epoch, 1n)
    log.decide(['two'])
    await assert.rejects(processorOf(liar)(), LogsUnusableError)
    assert.equal((await processorOf(liar, log.url)()).status, 'anchored')
  })
  assert.equal((await readHead()).height, 3n)
  await log.close()
})

test('ChainContradictedError: a log with another history that the same quorum signed is an alarm, not a bad log', async () => {
  const { startLog, processorOf } = createWorld('epochs.fork')
  const [log, fork] = [await startLog(), await startLog()]
  log.decide(['one', 'two'])
  fork.decide(['other'])
  assert.equal((await processorOf(log.url)()).status, 'anchored')
  await assert.rejects(processorOf(log.url, fork.url)(), ChainContradictedError)
  log.decide(['three'])
  await assert.rejects(processorOf(fork.url, log.url)(), ChainContradictedError)
  await Promise.all([log.close(), fork.close()])
})

test('an anchor that a reorganisation removed is sent again, and counts after its confirmations', async () => {
  const { startLog, processorOf, readHead } = createWorld('reorg')
  const log = await startLog()
  const tick = processorOf(log.url)
  log.decide(['one'])
  assert.equal((await tick()).status, 'anchored')
  await mine(2)
  const beforeSecond = await readHead()
  log.decide(['two'])
  const snapshot = await world.request('evm_snapshot')
  assert.equal((await tick()).status, 'anchored')
  assert.deepEqual(await tick(), { status: 'alreadyAnchored', logSize: '2', confirmedLogSize: '1' })
  await world.request('evm_revert', [snapshot])
  await world.request('evm_increaseTime', [60])
  assert.deepEqual(await readHead(), beforeSecond)
  assert.equal((await tick()).status, 'anchored')
  await mine(2)
  assert.deepEqual(await tick(), { status: 'alreadyAnchored', logSize: '2', confirmedLogSize: '2' })
  assert.equal((await readHead()).anchorIndex, 2n)
  await log.close()
})

test('AnchorLagsError: what is not confirmed in time is an alarm at every tick until it is', async () => {
  const { startLog, processorOf, wait } = createWorld('lag')
  const log = await startLog()
  const tick = processorOf(log.url)
  log.decide(['one'])
  assert.equal((await tick()).status, 'anchored')
  wait(LAG_MAX_MS - 60_000)
  assert.equal((await tick()).status, 'alreadyAnchored')
  wait(120_000)
  await assert.rejects(tick(), AnchorLagsError)
  await assert.rejects(tick(), AnchorLagsError)
  await mine(2)
  assert.equal((await tick()).status, 'alreadyAnchored')
  await log.close()
})

test('two anchorers with accounts of their own pay for one anchor', async () => {
  const { component, startLog, processorOf, processorPaidBy, readHead } = createWorld('race')
  const log = await startLog()
  log.decide(['one'])
  await processorOf(log.url)()
  const { sender, stranger, chain } = world
  const ticks = [sender, stranger, sender, stranger].map((payer) => processorPaidBy(payer, log.url))
  log.decide(['two'])
  const countSent = async () =>
    (await chain.client.getTransactionCount({ address: sender.address })) +
    (await chain.client.getTransactionCount({ address: stranger.address }))
  const before = await countSent()
  const results = await Promise.all(ticks.map((tick) => tick()))
  assert.equal(results.filter(({ status }) => status === 'anchored').length, 1, JSON.stringify(results))
  assert.equal(await countSent(), before + 1)
  assert.equal((await readHead()).anchorIndex, 2n)
  assert.equal(await redis.exists(`coalition-sender-anchor-${component}`), 0)
  await log.close()
})
