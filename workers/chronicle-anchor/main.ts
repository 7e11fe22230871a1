import { type Job, Queue, Worker } from 'bullmq'
import { parseGwei } from 'viem'
import { openComponentRegistry } from '../../chain/componentRegistry.ts'
import { connectEndpoints } from '../../chain/connectEndpoints.ts'
import { createFollower } from '../../chain/createFollower.ts'
import { createSender } from '../../chain/createSender.ts'
import { createSenderLease } from '../../chain/senderLease.ts'
import { readKeystore } from '../../client/keystore.ts'
import { createLogReader } from '../../client/logReader.ts'
import { readComponent } from '../../client/readComponent.ts'
import { anchorQueueName, KEEP_FINISHED_JOBS } from '../queues.ts'
import { readAnchorSettings, readPassword } from '../runtime/config.ts'
import { toJobError } from '../runtime/jobError.ts'
import { createLogger } from '../runtime/logger.ts'
import { connectRedis } from '../runtime/redis.ts'
import { runWorker } from '../runtime/runWorker.ts'
import { createShutdown } from '../runtime/shutdown.ts'
import { alarmOf } from './alarms.ts'
import { type AnchorResult, createProcessor } from './processor.ts'

/** How long one tick may hold its job before another anchorer takes it over. */
const LOCK_DURATION_MS = 60_000
/** How long a process that died keeps others from anchoring. */
const LEASE_MS = 10_000

async function run(): Promise<void> {
  const settings = readAnchorSettings()
  const spelledOut = await readComponent(settings.COALITION_CONFIG, { kind: settings.COMPONENT })
  const { component, componentId, members, home } = spelledOut
  const logger = createLogger({ name: 'chronicle-anchor', level: settings.LOG_LEVEL })
  const shutdown = createShutdown({ logger })
  const { RPC_URLS: rpcUrls, RPC_AGREE_COUNT: agreeCount, FROM_BLOCK: fromBlock } = settings
  const chainId = home.chainId
  const chain = await connectEndpoints({ rpcUrls, chainId, ...(agreeCount === undefined ? {} : { agreeCount }) })
  const registry = await openComponentRegistry(chain, { address: home.registry, fromBlock })
  const key = await readKeystore({ path: settings.KEYSTORE, password: readPassword(settings) })
  const redis = await connectRedis({ url: settings.REDIS_URL, logger })
  shutdown.defer('redis', () => redis.disconnect())
  const sender = createSender(chain, {
    secretKey: key.secretKey,
    replaceAfterMs: settings.REPLACE_AFTER_MS,
    feeCapWei: parseGwei(String(settings.FEE_CAP_GWEI)),
    lease: createSenderLease(redis, { ttlMs: LEASE_MS }),
  })
  const anchorNewest = createProcessor(
    {
      registry,
      sender,
      follower: createFollower(chain, {
        address: home.registry,
        component,
        confirmations: settings.CONFIRMATIONS,
        fromBlock,
      }),
      // Who finds another anchorer at work leaves it to it: the next tick looks again.
      lease: createSenderLease(redis, { ttlMs: LEASE_MS, waitMs: 0 }),
      logs: settings.LOG_URLS.map((url) => createLogReader({ url, of: spelledOut })),
      logger,
      clock: { nowMs: Date.now },
    },
    { component, componentId, members, lagMaxMs: settings.ANCHOR_LAG_MAX_MS },
  )

  const queue = new Queue(anchorQueueName({ component }), { connection: redis })
  queue.on('error', (error) => logger.warn({ reason: error.message }, 'the anchor queue reported an error'))
  shutdown.defer('queue', () => queue.close())
  const scheduleTicks = (): Promise<unknown> =>
    queue.upsertJobScheduler(
      'tick',
      { every: settings.ANCHOR_TICK_MS },
      { name: 'tick', opts: { removeOnComplete: KEEP_FINISHED_JOBS, removeOnFail: KEEP_FINISHED_JOBS } },
    )
  await scheduleTicks()
  // A Redis that restarted empty has forgotten its schedulers: say it again when it is back.
  redis.on('ready', () => void scheduleTicks().catch((error) => logger.warn({ reason: error.message }, 'no ticks')))

  const worker = new Worker(
    anchorQueueName({ component }),
    async (_job: Job): Promise<AnchorResult> => {
      try {
        return await anchorNewest()
      } catch (error) {
        const alarm = alarmOf(error)
        if (alarm !== undefined) logger.error({ err: error, alarm }, 'alarm: somebody has to look')
        else logger.warn({ err: error }, 'a tick failed; the next one looks again')
        throw toJobError(error)
      }
    },
    { connection: redis, concurrency: 1, lockDuration: LOCK_DURATION_MS },
  )
  worker.on('error', (error) => logger.warn({ reason: error.message }, 'the anchor worker reported an error'))
  shutdown.defer('worker', () => worker.close())
  logger.info({ component, registry: home.registry, chainId: home.chainId, payer: sender.address }, 'anchorer runs')
  // One line of data for whoever started the process.
  process.stdout.write(`${JSON.stringify({ component, payer: sender.address })}\n`)
}

/** Usage: `node workers/chronicle-anchor/main.ts run`; settings as docs/operators/running.md has them. */
await runWorker({ run }, { name: 'chronicle-anchor' })
