import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { type Service, startRedis } from '../../../scripts/services.ts'
import { createWatchedWorker } from '../../../workers/runtime/watchedWorker.ts'

const logger = pino({ level: 'silent' })
let service: Service
let redis: Redis
before(async () => {
  service = await startRedis({ isPrivate: true })
  redis = new Redis(service.url, { maxRetriesPerRequest: null })
})
after(async () => {
  redis.disconnect()
  await service.stop()
})

const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
}

test('a worker that takes nothing from a queue that has jobs is made anew, and the jobs are done', async () => {
  const name = 'watched-stuck'
  const done: string[] = []
  let made = 0
  // The first one never runs: to Redis and to a ping it looks like one whose blocking connection hangs.
  const make = () =>
    new Worker(name, async (job) => void done.push(job.name), { connection: redis, autorun: made++ > 0 })
  const watched = createWatchedWorker({ redis, logger, make }, { name, lookMs: 20, stalledMs: 200 })
  const queue = new Queue(name, { connection: redis })
  await queue.addBulk(['a', 'b'].map((each) => ({ name: each, data: {} })))
  await until(() => done.length === 2)
  assert.deepEqual(done.sort(), ['a', 'b'])
  assert.equal(watched.restarts(), 1)
  await watched.close(true)
  await queue.close()
})

test('a delayed job that is long due counts as work: its worker should have taken it', async () => {
  const name = 'watched-delayed'
  const done: string[] = []
  let made = 0
  const make = () =>
    new Worker(name, async (job) => void done.push(job.name), { connection: redis, autorun: made++ > 0 })
  const watched = createWatchedWorker({ redis, logger, make }, { name, lookMs: 20, stalledMs: 200 })
  const queue = new Queue(name, { connection: redis })
  await queue.add('tick', {}, { delay: 50 })
  await until(() => done.length === 1)
  assert.equal(watched.restarts(), 1)
  await watched.close(true)
  await queue.close()
})

test('a worker that is busy, and one that has nothing to do, are left alone', async () => {
  const name = 'watched-busy'
  let release = (): void => {}
  let made = 0
  const released = new Promise<void>((resolve) => (release = resolve))
  const make = () => {
    made += 1
    return new Worker(name, () => released, { connection: redis, concurrency: 1 })
  }
  const watched = createWatchedWorker({ redis, logger, make }, { name, lookMs: 5, stalledMs: 200 })
  const queue = new Queue(name, { connection: redis })
  await queue.addBulk(['a', 'b'].map((each) => ({ name: each, data: {} })))
  // Many looks pass while one job runs and the other waits; a load that delays them only makes them fewer.
  await new Promise((resolve) => setTimeout(resolve, 500))
  assert.equal(made, 1)
  release()
  while ((await queue.getCompletedCount()) < 2) await new Promise((resolve) => setTimeout(resolve, 10))
  await new Promise((resolve) => setTimeout(resolve, 200))
  assert.equal(made, 1)
  assert.equal(watched.restarts(), 0)
  await watched.close()
  await queue.close()
})
