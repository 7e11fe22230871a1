import { readFile } from 'node:fs/promises'
import { type Job, Queue, Worker } from 'bullmq'
import { openComponentRegistry } from '../../chain/componentRegistry.ts'
import { connectEndpoints } from '../../chain/connectEndpoints.ts'
import { createSenderLease } from '../../chain/senderLease.ts'
import { readKeystore } from '../../client/keystore.ts'
import { createLogReader } from '../../client/logReader.ts'
import { readComponent } from '../../client/readComponent.ts'
import { UnreadableInputError } from '../../client/unreadableInput.ts'
import { decodeAtlasParameters } from '../../protocol/wire/atlasParameters.ts'
import { atlasSyncJobId, atlasSyncQueueName, decodeAtlasSyncJob, KEEP_FINISHED_JOBS } from '../queues.ts'
import { readAtlasSyncSettings, readPassword } from '../runtime/config.ts'
import { toJobError } from '../runtime/jobError.ts'
import { createLogger } from '../runtime/logger.ts'
import { connectRedis } from '../runtime/redis.ts'
import { runWorker } from '../runtime/runWorker.ts'
import { createShutdown } from '../runtime/shutdown.ts'
import { createWatchedWorker } from '../runtime/watchedWorker.ts'
import { createConfigCheck } from './configCheck.ts'
import { createDirectory } from './directory.ts'
import { fetchCard } from './fetchCard.ts'
import { createOutcomes } from './outcomes.ts'
import { type AtlasSyncResult, createProcessor } from './processor.ts'
import { createProposer } from './propose.ts'
import { createRefresher } from './refresher.ts'
import { createRegistryView, listComponents } from './registryView.ts'
import { startReadModel } from './server.ts'
import { listSources } from './sources.ts'

/** Cards that are fetched at once: a slow server holds up no other citizen's. */
const CONCURRENCY = 8
/** Longer than a fetch and a proposal may take, by settings. */
const LOCK_DURATION_MS = 120_000
/** How long a worker that died keeps others from proposing with the same key. */
const LEASE_MS = 10_000

async function run(): Promise<void> {
  const settings = readAtlasSyncSettings()
  const atlas = await readComponent(settings.COALITION_CONFIG, { kind: 'atlas' })
  const { component, home, coalition } = atlas
  const logger = createLogger({ name: 'atlas-sync', level: settings.LOG_LEVEL })
  const shutdown = createShutdown({ logger })
  const outcomes = createOutcomes()
  const {
    RPC_URLS: rpcUrls,
    RPC_AGREE_COUNT: agreeCount,
    CONFIRMATIONS: confirmations,
    FROM_BLOCK: fromBlock,
  } = settings
  const chainId = home.chainId
  const chain = await connectEndpoints({ rpcUrls, chainId, ...(agreeCount === undefined ? {} : { agreeCount }) })
  await openComponentRegistry(chain, { address: home.registry })
  const ca = settings.CARD_CA_FILE === undefined ? undefined : await readCa(settings.CARD_CA_FILE)
  const key = await readKeystore({ path: settings.KEYSTORE, password: readPassword(settings) })
  const redis = await connectRedis({ url: settings.REDIS_URL, logger })
  shutdown.defer('redis', () => redis.disconnect())

  const logs = settings.LOG_URLS.map((url) => createLogReader({ url, of: atlas }))
  const directory = createDirectory({ logs }, { atlas })
  const following = { address: home.registry, confirmations, fromBlock, named: listComponents(coalition) }
  const registry = createRegistryView({ chain }, following)
  const refresher = createRefresher(
    { directory, registry, outcomes, logger, clock: { nowMs: Date.now } },
    { component, everyMs: settings.REFRESH_EVERY_MS },
  )
  const server = await startReadModel(
    { logger, view: { directory, registry, outcomes, freshAtMs: refresher.freshAtMs } },
    { host: settings.HTTP_HOST, port: settings.HTTP_PORT },
  )
  shutdown.defer('server', () => server.close())
  await refresher.start()
  shutdown.defer('refresher', () => refresher.stop())

  const sources = { selfPublished: settings.SELF_PUBLISHED, followEndpoints: settings.FOLLOW_ENDPOINTS }
  const keepTrue = createProcessor(
    {
      directory,
      fetchCard: (url) =>
        fetchCard({ url, ca, timeoutMs: settings.CARD_TIMEOUT_MS, allowPrivate: settings.ALLOW_PRIVATE_NETWORKS }),
      propose: createProposer(
        { logs, lease: createSenderLease(redis, { ttlMs: LEASE_MS }) },
        { atlas, redisUrl: settings.REDIS_URL, key },
      ),
      isConfigNewest: createConfigCheck({ chain }, { coalition, operator: settings.PUBLISHED_BY }),
    },
    { component, citizens: decodeAtlasParameters(atlas.parameters).citizens, ...sources },
  )

  const name = atlasSyncQueueName({ component })
  const queue = new Queue(name, { connection: redis })
  queue.on('error', (error) => logger.warn({ reason: error.message }, 'the queue reported an error'))
  shutdown.defer('queue', () => queue.close())
  const keep = { removeOnComplete: KEEP_FINISHED_JOBS, removeOnFail: KEEP_FINISHED_JOBS }
  const scheduleTurns = (): Promise<unknown> =>
    queue.upsertJobScheduler(
      'turn',
      { every: settings.CARD_EVERY_MS },
      { name: 'turn', data: { kind: 'turn' }, opts: keep },
    )
  await scheduleTurns()
  // A Redis that restarted empty has forgotten its schedulers: say it again when it is back.
  redis.on('ready', () => void scheduleTurns().catch((error) => logger.warn({ reason: error.message }, 'no turns')))

  /** One job for each thing to look at; those that are there already, because another worker was first, stay as they are. */
  async function planTurn(atMs: number): Promise<number> {
    const turn = Math.floor(atMs / settings.CARD_EVERY_MS)
    const held = directory.newest()
    if (held === undefined || directory.retirement() !== null) return 0
    const cards = listSources(held.citizens, sources).map(({ citizen }) => ({ kind: 'card', citizen }) as const)
    const jobs = [...cards, { kind: 'list' } as const]
    await queue.addBulk(
      jobs.map((data) => ({ name: data.kind, data, opts: { jobId: atlasSyncJobId(data, { turn }), ...keep } })),
    )
    return jobs.length
  }

  async function perform(job: Job<unknown>): Promise<AtlasSyncResult | { status: 'planned'; jobs: number }> {
    try {
      const data = decodeAtlasSyncJob(job.data)
      if (data.kind === 'turn') {
        await refresher.refresh()
        return { status: 'planned', jobs: await planTurn(job.timestamp) }
      }
      const result = await keepTrue(data)
      outcomes.note(result.status)
      if (result.status === 'proposed') logger.info({ ...data, ...result }, 'proposed to the Atlas')
      return result
    } catch (error) {
      outcomes.fail(error)
      logger.warn({ err: error, job: job.id }, 'a job failed; the next turn looks again')
      throw toJobError(error)
    }
  }
  const options = { connection: redis, concurrency: CONCURRENCY, lockDuration: LOCK_DURATION_MS }
  const worker = createWatchedWorker({ redis, logger, make: () => new Worker(name, perform, options) }, { name })
  shutdown.defer('worker', () => worker.close())

  const submitters = decodeAtlasParameters(atlas.parameters).submitters
  if (!submitters.includes(key.signer)) {
    logger.warn({ signer: key.signer }, 'this key is no submitter of the Atlas: it may bring nothing, and only serves')
  }
  logger.info({ url: server.url, component, signer: key.signer }, 'atlas-sync runs')
  // One line of data for whoever started the process.
  process.stdout.write(`${JSON.stringify({ url: server.url, component, signer: key.signer })}\n`)
}

async function readCa(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new UnreadableInputError({ path, cause })
  }
}

/** Usage: `node workers/atlas-sync/main.ts run`; settings as docs/operators/running.md has them. */
await runWorker({ run }, { name: 'atlas-sync' })
