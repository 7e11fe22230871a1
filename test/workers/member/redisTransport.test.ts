import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import type { Hex } from '../../../protocol/bytes.ts'
import { startRedis } from '../../../scripts/services.ts'
import { createRedisTransport } from '../../../workers/member/redisTransport.ts'
import { FRAME_SIZE_MAX_BYTES } from '../../../workers/member/transport.ts'
import { protocolStreamName, RedisUnreachableError } from '../../../workers/queues.ts'
import { connectRedis, RedisEvictsError } from '../../../workers/runtime/redis.ts'

const logger = pino({ level: 'silent' })
const freshComponent = (): Hex => `0x${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex')}`

const bytesOfOne = new Uint8Array([1])

async function connect() {
  const service = await startRedis()
  const redis = new Redis(service.url, { maxRetriesPerRequest: null })
  return {
    redis,
    url: service.url,
    stop: async () => {
      redis.disconnect()
      await service.stop()
    },
  }
}

test('a member that only listens, on a connection that was opened late, begins to listen', async () => {
  const service = await startRedis()
  const redis = await connectRedis({ url: service.url, logger })
  const component = freshComponent()
  const [listener, speaker] = [1, 2].map(() => createRedisTransport({ redis, logger }, { component }))
  const heard: string[] = []
  await listener!.listen((frame) => heard.push(String(frame)))
  await speaker!.listen(() => {})
  await speaker!.broadcast(new Uint8Array([7]))
  while (heard.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.deepEqual(heard, ['7'])
  await Promise.all([listener!.close(), speaker!.close()])
  redis.disconnect()
  await service.stop()
})

test('a frame reaches every member that listens, in the order it was sent, its own included', async () => {
  const { redis, stop } = await connect()
  const component = freshComponent()
  const received: string[][] = [[], []]
  const transports = received.map(() => createRedisTransport({ redis, logger }, { component }))
  await Promise.all(transports.map((each, index) => each.listen((frame) => received[index]!.push(String(frame)))))
  for (let value = 0; value < 50; value++) await transports[value % 2]!.broadcast(new Uint8Array([value]))
  while (received.some(({ length }) => length < 50)) await new Promise((resolve) => setTimeout(resolve, 10))
  const expected = Array.from({ length: 50 }, (_, value) => String(value))
  assert.deepEqual(received, [expected, expected])
  await Promise.all(transports.map((each) => each.close()))
  await stop()
})

test('a transport listens on a connection as a member makes it, before anything was sent', async () => {
  const service = await startRedis()
  const redis = await connectRedis({ url: service.url, logger })
  const transport = createRedisTransport({ redis, logger }, { component: freshComponent() })
  const received = new Promise((resolve) => void transport.listen(resolve).then(() => transport.broadcast(bytesOfOne)))
  assert.deepEqual(await received, bytesOfOne)
  await transport.close()
  redis.disconnect()
  await service.stop()
})

test('a frame of another component reaches nobody; one that is too large is the receiver’s to count and drop', async () => {
  const { redis, stop } = await connect()
  const [component, other] = [freshComponent(), freshComponent()]
  const received: number[] = []
  const transport = createRedisTransport({ redis, logger }, { component })
  await transport.listen((frame) => received.push(frame.length))
  const elsewhere = createRedisTransport({ redis, logger }, { component: other })
  await elsewhere.listen(() => {})
  await elsewhere.broadcast(new Uint8Array(1))
  await redis.xadd(protocolStreamName({ component }), '*', 'f', Buffer.alloc(FRAME_SIZE_MAX_BYTES + 1))
  await transport.broadcast(new Uint8Array(2))
  while (received.length < 2) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.deepEqual(received, [FRAME_SIZE_MAX_BYTES + 1, 2])
  await Promise.all([transport.close(), elsewhere.close()])
  await stop()
})

test('a stream that Redis lost is read again from where it begins anew', async () => {
  const { redis, stop } = await connect()
  const component = freshComponent()
  const received: number[] = []
  const transport = createRedisTransport({ redis, logger }, { component })
  await transport.listen((frame) => received.push(frame[0]!))
  await transport.broadcast(new Uint8Array([1]))
  while (received.length < 1) await new Promise((resolve) => setTimeout(resolve, 10))
  await redis.del(protocolStreamName({ component }))
  // A stream that begins anew in the same millisecond would give the next frame an id that was read already.
  await new Promise((resolve) => setTimeout(resolve, 5))
  await transport.broadcast(new Uint8Array([2]))
  while (received.length < 2) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.deepEqual(received, [1, 2])
  await transport.close()
  await stop()
})

test('a stream that begins anew below an id of the far future is read again', async () => {
  const { redis, stop } = await connect()
  const component = freshComponent()
  const received: number[] = []
  const transport = createRedisTransport({ redis, logger }, { component })
  await transport.listen((frame) => received.push(frame[0]!))
  await redis.xadd(protocolStreamName({ component }), `${Date.now() + 10 ** 13}-0`, 'f', Buffer.of(1))
  while (received.length < 1) await new Promise((resolve) => setTimeout(resolve, 10))
  await redis.del(protocolStreamName({ component }))
  while (!received.includes(2)) {
    await transport.broadcast(new Uint8Array([2]))
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  await transport.close()
  await stop()
})

test('a Redis that takes connections and says nothing is silent for as long as it does, and one that answers is not', async () => {
  const service = await startRedis({ isPrivate: true })
  const redis = await connectRedis({ url: service.url, logger })
  const transport = createRedisTransport({ redis, logger }, { component: freshComponent() })
  await transport.listen(() => {})
  process.kill(service.pid!, 'SIGSTOP')
  // It answers each second while it runs.
  while (transport.silentMs() < 2_500) await new Promise((resolve) => setTimeout(resolve, 100))
  process.kill(service.pid!, 'SIGCONT')
  while (transport.silentMs() >= 2_500) await new Promise((resolve) => setTimeout(resolve, 10))
  await transport.close()
  redis.disconnect()
  await service.stop()
})

test('what a member whose clock is an hour ahead sends is read, and takes nothing of the others’ away', async (t) => {
  const { redis, stop } = await connect()
  const component = freshComponent()
  const received: number[] = []
  const [listener, speaker] = [1, 2].map(() => createRedisTransport({ redis, logger }, { component }))
  await listener!.listen((frame) => received.push(frame[0]!))
  await speaker!.listen(() => {})
  await speaker!.broadcast(new Uint8Array([1]))
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 3_600_000 })
  for (const value of [2, 3]) await speaker!.broadcast(new Uint8Array([value]))
  while (received.length < 3) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.deepEqual(received, [1, 2, 3])
  assert.equal(await redis.xlen(protocolStreamName({ component })), 3)
  await Promise.all([listener!.close(), speaker!.close()])
  await stop()
})

test('connectRedis: refuses an unreachable server and one that may drop jobs', async () => {
  await assert.rejects(connectRedis({ url: 'redis://127.0.0.1:1', logger }), RedisUnreachableError)
  const { redis, url, stop } = await connect()
  await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
  try {
    await assert.rejects(connectRedis({ url, logger }), RedisEvictsError)
  } finally {
    await redis.config('SET', 'maxmemory-policy', 'noeviction')
    await stop()
  }
})
