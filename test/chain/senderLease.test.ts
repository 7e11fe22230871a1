import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Redis } from 'ioredis'
import { createSenderLease, SenderBusyError } from '../../chain/senderLease.ts'
import { type Service, startRedis } from '../../scripts/services.ts'

let service: Service
let redis: Redis
before(async () => {
  service = await startRedis()
  redis = new Redis(service.url)
})
after(async () => {
  await redis.quit()
  await service.stop()
})

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

test('hold: two holders of one name never run at once, and both run', async () => {
  const leases = [createSenderLease(redis), createSenderLease(redis)]
  let running = 0
  let runs = 0
  const work = async (): Promise<void> => {
    running += 1
    assert.equal(running, 1)
    await sleep(20)
    running -= 1
    runs += 1
  }
  await Promise.all([0, 1, 0, 1].map((index) => leases[index]!.hold('turns', work)))
  assert.equal(runs, 4)
})

test('hold: other names do not wait', async () => {
  const lease = createSenderLease(redis)
  assert.equal(await lease.hold('one', () => lease.hold('other', async () => 'inside')), 'inside')
})

test('SenderBusyError: somebody holds the name for longer than one cares to wait', async () => {
  const lease = createSenderLease(redis, { waitMs: 10 })
  await lease.hold('busy', () =>
    assert.rejects(
      lease.hold('busy', async () => {}),
      SenderBusyError,
    ),
  )
})

test('hold: a lease is renewed while its holder works', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const key = 'coalition-sender-long'
  await createSenderLease(redis, { ttlMs: 3_000_000 }).hold('long', async () => {
    await redis.pexpire(key, 2_000_000)
    t.mock.timers.tick(1_000_000)
    assert.ok((await redis.pttl(key)) > 2_000_000)
  })
})

test('hold: a lease lapses with a process that died', async () => {
  await redis.set('coalition-sender-dead', 'token of a dead process', 'PX', 60)
  assert.equal(await createSenderLease(redis).hold('dead', async () => 'alive'), 'alive')
})

test('hold: a name is free again after its holder fails', async () => {
  const lease = createSenderLease(redis, { waitMs: 10 })
  await assert.rejects(
    lease.hold('fails', () => Promise.reject(new Error('inside'))),
    /inside/,
  )
  assert.equal(await lease.hold('fails', async () => 'next'), 'next')
})
