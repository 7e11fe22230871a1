import { readKeystore, readKeystoreAddress } from '../../client/keystore.ts'
import { readChronicle } from '../../client/readChronicle.ts'
import { DEFAULT_TIMEOUTS } from '../../committee/timeouts.ts'
import { chronicle as machine } from '../../modules/chronicle/machine.ts'
import { signDigest } from '../../protocol/wire/signature.ts'
import { readMemberSettings, readPassword } from '../runtime/config.ts'
import { createLogger } from '../runtime/logger.ts'
import { connectRedis } from '../runtime/redis.ts'
import { runWorker } from '../runtime/runWorker.ts'
import { createShutdown } from '../runtime/shutdown.ts'
import { createCheckpointer } from './checkpointer.ts'
import { createDriver } from './driver.ts'
import { createInbox } from './inbox.ts'
import { createRedisTransport } from './redisTransport.ts'
import { openReplica } from './replica.ts'
import { startServer } from './server.ts'
import { createStatus } from './status.ts'
import { initStore, openStore } from './store.ts'

async function init(): Promise<void> {
  const settings = readMemberSettings()
  const chronicle = await readChronicle(settings.COALITION_CONFIG)
  const signer = await readKeystoreAddress(settings.KEYSTORE)
  const identity = { dir: settings.STORE, component: chronicle.component, signer }
  initStore(identity)
  const store = openStore(identity)
  store.bindParameters(chronicle.parameters)
  store.close()
}

async function run(): Promise<void> {
  const settings = readMemberSettings()
  const chronicle = await readChronicle(settings.COALITION_CONFIG)
  const key = await readKeystore({ path: settings.KEYSTORE, password: readPassword(settings) })
  const { component, members, signers, parameters } = chronicle
  const { signer } = key
  const seat = signers.indexOf(signer)
  const logger = createLogger({ name: `member-${seat < 0 ? signer.slice(0, 10) : seat}`, level: settings.LOG_LEVEL })
  const shutdown = createShutdown({ logger })

  const store = openStore({ dir: settings.STORE, component, signer })
  shutdown.defer('store', () => store.close())
  const redis = await connectRedis({ url: settings.REDIS_URL, logger })
  shutdown.defer('redis', () => redis.disconnect())
  const transport = createRedisTransport({ redis, logger }, { component })
  shutdown.defer('transport', () => transport.close())

  const replica = openReplica({ machine, store }, { component, parameters, members })
  const driver = createDriver(
    {
      machine,
      replica,
      store,
      transport,
      logger,
      clock: { nowMs: Date.now },
      sign: (digest) => signDigest(digest, key.secretKey),
      onFatal: (error) => {
        logger.fatal({ err: error }, 'this member stops: it cannot go on without risking to contradict itself')
        process.exitCode = 1
        void shutdown.run('a fault').then(() => process.exit(1))
      },
    },
    { seat: { component, self: signer, hasExtensions: false, timeouts: DEFAULT_TIMEOUTS } },
  )
  shutdown.defer('driver', () => driver.stop())
  if (!replica.state().governance.members.some((member) => member.signer === signer)) {
    logger.warn({ signer }, 'this key has no seat in the committee: the member follows until a rotation gives it one')
  }
  await driver.start()
  const inbox = createInbox({ redis, driver, logger }, { component, signer })
  shutdown.defer('inbox', () => inbox.close())

  const server = await startServer(
    {
      logger,
      view: {
        store,
        size: () => replica.state().log.size,
        height: () => replica.state().height,
        sequence: (submitter) => replica.state().sequences.get(submitter) ?? 0n,
        status: createStatus({ replica, store, driver, queueRestarts: () => inbox.restarts() }, { signer }),
        checkpoint: createCheckpointer({ key, origin: chronicle.origin, log: () => replica.state().log }),
      },
    },
    { host: settings.HTTP_HOST, port: settings.HTTP_PORT },
  )
  shutdown.defer('server', () => server.close())
  logger.info({ url: server.url, component, signer, height: replica.state().height }, 'member runs')
  // One line of data for whoever started the process.
  process.stdout.write(`${JSON.stringify({ url: server.url, component, signer })}\n`)
}

/** Usage: `node workers/member/main.ts init` once, then `run`; settings as docs/operators/running.md has them. */
await runWorker({ init, run })
