import { Redis } from 'ioredis'
import { CoalitionError } from '../../protocol/errors.ts'
import { RedisUnreachableError } from '../queues.ts'
import type { Logger } from './logger.ts'

export class RedisEvictsError extends CoalitionError {
  constructor({ policy }: { policy: string }) {
    super('REDIS_EVICTS', `Redis runs with maxmemory-policy ${policy}: it may drop jobs that nobody has taken.`, {
      fix: 'Run: redis-cli config set maxmemory-policy noeviction',
    })
  }
}

/** How long Redis may take to say that it is ready. */
const CONNECT_MAX_MS = 5_000

/**
 * Connects once, so that a start without Redis fails at once; afterwards the connection waits for Redis to return.
 *
 * @throws {RedisUnreachableError} nothing answers.
 * @throws {RedisEvictsError} the eviction policy may lose jobs.
 */
export async function connectRedis({ url, logger }: { url: string; logger: Logger }): Promise<Redis> {
  const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: null, enableReadyCheck: true })
  let isUp = false
  redis.on('error', (error) => {
    if (isUp) logger.warn({ reason: error.message }, 'redis connection error')
  })
  redis.on('ready', () => {
    if (isUp) logger.info('redis is back')
  })
  // One that accepts the connection and says nothing would be waited for without end.
  const giveUp = setTimeout(() => redis.disconnect(), CONNECT_MAX_MS)
  try {
    await Promise.race([
      redis.connect(),
      // connect() goes on trying for ever; the first refusal is what a person who starts a worker wants to see.
      new Promise((_resolve, reject) => redis.once('error', reject)),
    ])
  } catch (cause) {
    redis.disconnect()
    throw new RedisUnreachableError({ url, cause })
  } finally {
    clearTimeout(giveUp)
  }
  isUp = true
  const info = await redis.info('memory')
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'unknown'
  if (policy !== 'noeviction') {
    redis.disconnect()
    throw new RedisEvictsError({ policy })
  }
  return redis
}
