import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import {
  type ComponentRegistry,
  ComponentUnknownError,
  openComponentRegistry,
} from '../../../chain/componentRegistry.ts'
import { connectChain } from '../../../chain/connectChain.ts'
import { createFollower } from '../../../chain/createFollower.ts'
import { createSender, type Sender } from '../../../chain/createSender.ts'
import { deployRegistry } from '../../../chain/deployRegistry.ts'
import { createSenderLease } from '../../../chain/senderLease.ts'
import { createLogReader, OtherComponentError } from '../../../client/logReader.ts'
import { NotVerifiedError } from '../../../client/notVerified.ts'
import { resolveComponent } from '../../../client/readComponent.ts'
import { NotAnchoredError, verifyEntry } from '../../../client/verifyEntry.ts'
import { fromHex } from '../../../protocol/bytes.ts'
import { defineCoalition } from '../../../protocol/identity/coalition.ts'
import { encodeEnvelope } from '../../../protocol/wire/envelope.ts'
import { forgeCertificate, forgeEntry, withTamperedLog } from '../../../scripts/demo/tamperedLog.ts'
import { type Service, startChain, startRedis } from '../../../scripts/services.ts'
import { alarmOf } from '../../../workers/chronicle-anchor/alarms.ts'
import { LogsUnusableError } from '../../../workers/chronicle-anchor/candidates.ts'
import { createProcessor } from '../../../workers/chronicle-anchor/processor.ts'
import { createEnvelope, members, startCommittee, submitter } from '../member/chronicle-of-tests.ts'
import { serve } from '../member/serve.ts'

const TEST_ACCOUNT_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const logger = pino({ level: 'silent' })
let service: Service
let redisService: Service
let redis: Redis
let registry: ComponentRegistry
let sender: Sender
before(async () => {
  service = await startChain()
  redisService = await startRedis()
  redis = new Redis(redisService.url)
  const chain = await connectChain({ rpcUrl: service.url })
  sender = createSender(chain, { secretKey: fromHex(TEST_ACCOUNT_KEY) })
  registry = await openComponentRegistry(chain, await deployRegistry(sender))
})
after(async () => {
  await redis.quit()
  await Promise.all([service.stop(), redisService.stop()])
})

/** A Chronicle that marks every commit, its committee in memory, its log served. Each call's is another component. */
async function startChronicle(name: string) {
  const chronicle = resolveComponent(
    defineCoalition({
      schemaVersion: 1,
      name,
      home: { chainId: registry.chain.chainId, registry: registry.address },
      modules: {
        chronicle: {
          members: members.map(({ signer }) => ({ signer })),
          parameters: { submitters: [submitter.signer], anchorEveryCommits: 1, anchorEverySeconds: 1000 },
        },
      },
    }),
    { kind: 'chronicle' },
  )
  const { component } = chronicle
  const committee = await startCommittee([0, 1, 2, 3], { anchorEveryCommits: 1 }, component)
  const member = committee.running[0]!
  const server = await serve(member)
  const append = (sequence: bigint, texts: string[]) =>
    member.driver.submit(encodeEnvelope(createEnvelope(sequence, texts, submitter, component)))
  const processorOf = (...urls: string[]) =>
    createProcessor(
      {
        registry,
        sender,
        follower: createFollower(registry.chain, { address: registry.address, component, confirmations: 1 }),
        lease: createSenderLease(redis, { waitMs: 0 }),
        logger,
        logs: urls.map((url) => createLogReader({ url, of: chronicle })),
        clock: { nowMs: Date.now },
      },
      { ...chronicle, lagMaxMs: 600_000 },
    )
  const close = async () => {
    await server.close()
    committee.stop()
  }
  return { chronicle, component, url: server.url, append, processorOf, close }
}

test('a tick anchors the newest marked commit, and the next tick finds that it is there', async () => {
  const { component, url, append, processorOf, close } = await startChronicle('anchor.twice')
  const tick = processorOf(url)
  assert.deepEqual(await tick(), { status: 'nothingMarked' })
  assert.equal((await registry.readHead({ component })).anchorIndex, 0n)
  await append(1n, ['{"n":1}', '{"n":2}'])
  await append(2n, ['{"n":3}'])
  const anchored = await tick()
  assert.equal(anchored.status, 'anchored')
  assert.deepEqual(await tick(), { status: 'alreadyAnchored', logSize: '3', confirmedLogSize: '3' })
  await append(3n, ['{"n":4}'])
  assert.equal((await tick()).status, 'anchored')
  const head = await registry.readHead({ component })
  assert.deepEqual([head.height, head.logSize, head.anchorIndex], [3n, 4n, 2n])
  await close()
})

test('two ticks at once anchor once', async () => {
  const { component, url, append, processorOf, close } = await startChronicle('anchor.race')
  await append(1n, ['{}'])
  await processorOf(url)()
  await append(2n, ['{}'])
  const outcomes = await Promise.allSettled([processorOf(url)(), processorOf(url)()])
  const anchored = outcomes.filter((each) => each.status === 'fulfilled' && each.value.status === 'anchored')
  assert.equal(anchored.length, 1)
  assert.equal((await registry.readHead({ component })).anchorIndex, 2n)
  await close()
})

test('one honest log among lying and silent ones is enough, and lies alone anchor nothing', async () => {
  const { component, url, append, processorOf, close } = await startChronicle('anchor.liars')
  await append(1n, ['{}'])
  await withTamperedLog(url, forgeCertificate, async (liar) => {
    await assert.rejects(processorOf(liar, 'http://127.0.0.1:1')(), LogsUnusableError)
    await assert.rejects(registry.readHead({ component }), ComponentUnknownError)
    assert.equal((await processorOf(liar, 'http://127.0.0.1:1', url)()).status, 'anchored')
  })
  await close()
})

test('a component that no log is of is never registered: the error names whose they are, and raises an alarm', async () => {
  const [changed, actual] = [await startChronicle('anchor.changed'), await startChronicle('anchor.actual')]
  await actual.append(1n, ['{}'])
  const tick = changed.processorOf(actual.url, 'http://127.0.0.1:1')
  await assert.rejects(tick(), (error) => {
    assert.ok(error instanceof OtherComponentError)
    assert.ok(error.message.includes(actual.component) && error.message.includes(changed.component))
    assert.equal(alarmOf(error), 'OTHER_COMPONENT')
    return true
  })
  await assert.rejects(registry.readHead(changed), ComponentUnknownError)
  // Among logs of its own, one of another component holds up nobody.
  await changed.append(1n, ['{}'])
  assert.equal((await changed.processorOf(actual.url, changed.url)()).status, 'anchored')
  await Promise.all([changed.close(), actual.close()])
})

test('a log that offers a certified commit which is not for the chain stops nobody', async () => {
  const { component, url, append, processorOf, close } = await startChronicle('anchor.unmarked')
  await append(1n, ['{}'])
  const otherCommit = (path: string, body: Uint8Array) =>
    path === '/commit/anchor'
      ? Buffer.from(Buffer.from(body).toString().replace('"anchor":true', '"anchor":false'))
      : body
  await withTamperedLog(url, otherCommit, async (liar) => {
    assert.equal((await processorOf(liar, url)()).status, 'anchored')
  })
  assert.equal((await registry.readHead({ component })).logSize, 1n)
  await close()
})

test('a log whose tiles do not continue what is anchored is refused before it costs gas', async () => {
  const { component, url, append, processorOf, close } = await startChronicle('anchor.fork')
  await append(1n, ['{"n":1}'])
  await processorOf(url)()
  await append(2n, ['{"n":2}', '{"n":3}'])
  const flipTiles = (path: string, body: Uint8Array) =>
    path.startsWith('/tile/0') ? body.map((byte) => byte ^ 1) : body
  await withTamperedLog(url, flipTiles, async (liar) => {
    await assert.rejects(processorOf(liar)(), LogsUnusableError)
  })
  assert.equal((await registry.readHead({ component })).logSize, 1n)
  await close()
})

test('verifyEntry: proves an anchored entry, and refuses what is forged, changed or not anchored yet', async () => {
  const { component, url, append, processorOf, close } = await startChronicle('verify.entry')
  await append(1n, ['{"n":"one"}', '{"n":"two"}'])
  await processorOf(url)()
  await append(2n, ['{"n":"three"}'])
  const verify = (index: bigint, from = url) =>
    verifyEntry(
      { chain: registry.chain, log: createLogReader({ url: from }) },
      { index, component, registry: registry.address },
    )
  const { entry, head } = await verify(1n)
  assert.match(new TextDecoder().decode(entry), /"two"/)
  assert.equal(head.logSize, 2n)
  await assert.rejects(verify(2n), NotAnchoredError)
  for (const tamper of [
    forgeEntry('two', 'twi'),
    forgeCertificate,
    (path: string, body: Uint8Array) => (path.startsWith('/tile/0') ? body.map((byte) => byte ^ 1) : body),
    (path: string, body: Uint8Array) =>
      path.startsWith('/commit')
        ? Buffer.from(Buffer.from(body).toString().replace('"anchor":true', '"anchor":false'))
        : body,
  ])
    await withTamperedLog(url, tamper, async (liar) => {
      await assert.rejects(verify(1n, liar), NotVerifiedError)
    })
  await close()
})
