import { readKeystore, readKeystoreAddress } from '../../client/keystore.ts'
import { createLogReader } from '../../client/logReader.ts'
import { readComponent, requireAdmissionRules } from '../../client/readComponent.ts'
import { DEFAULT_TIMEOUTS } from '../../committee/timeouts.ts'
import { signDigest } from '../../protocol/wire/signature.ts'
import { checkpointStreamName } from '../queues.ts'
import { readMemberSettings, readPassword, readSyncSettings } from '../runtime/config.ts'
import { createLogger } from '../runtime/logger.ts'
import { MONOTONIC } from '../runtime/monotonic.ts'
import { connectRedis } from '../runtime/redis.ts'
import { runWorker } from '../runtime/runWorker.ts'
import { createShutdown } from '../runtime/shutdown.ts'
import { createCheckpointSigner } from './checkpointer.ts'
import { createDriver } from './driver.ts'
import { createInbox } from './inbox.ts'
import { initMember } from './initMember.ts'
import { KINDS } from './kinds.ts'
import { startPublisher } from './publisher.ts'
import { createRedisTransport } from './redisTransport.ts'
import { openReplica } from './replica.ts'
import { startServer } from './server.ts'
import { createStatus } from './status.ts'
import { hasStore, initStore, openStore } from './store.ts'
import { syncStore } from './sync.ts'
import { chooseTrust } from './syncTrust.ts'

/** A snapshot has up to 16 MiB: what a slow line delivers in this time is enough, and a peer's last word. */
const SYNC_READ_TIMEOUT_MS = 30_000

async function init(): Promise<void> {
  const { COALITION_CONFIG: config, COMPONENT: kind, KEYSTORE: keystore, STORE: dir } = readMemberSettings()
  const made = await initMember({ config, kind, keystore, dir })
  // One line of data for whoever started the process.
  process.stdout.write(`${JSON.stringify(made)}\n`)
}

async function sync(): Promise<void> {
  const settings = readSyncSettings()
  const { machine } = KINDS[settings.COMPONENT]
  const spelledOut = await readComponent(settings.COALITION_CONFIG, { kind: settings.COMPONENT })
  const { component, parameters, members, home } = spelledOut
  const signer = await readKeystoreAddress(settings.KEYSTORE)
  const logger = createLogger({ name: `sync-${signer.slice(0, 10)}`, level: settings.LOG_LEVEL })
  const trusted = await chooseTrust(settings, { component, home })
  logger.info(trusted, 'this commit is trusted')
  const peers = settings.SYNC_URLS.map((url) =>
    createLogReader({ url, of: spelledOut, timeoutMs: SYNC_READ_TIMEOUT_MS }),
  )
  const identity = { dir: settings.STORE, component, signer, isSyncing: true }
  if (!hasStore(identity)) initStore(identity)
  const store = openStore(identity)
  try {
    const synced = await syncStore(
      { machine, store, peers, logger, clock: MONOTONIC },
      { component, parameters, members, self: signer, trusted },
    )
    if (synced === null) logger.info('no peer has anything newer than this store: nothing was changed')
    else logger.info(synced, 'the store begins here now: the member can run')
    // One line of data for whoever started the process.
    const { height, epoch, logSize, url } = synced ?? {}
    process.stdout.write(
      `${JSON.stringify({ component, signer, isSynced: synced !== null, height: height?.toString(), epoch: epoch?.toString(), logSize: logSize?.toString(), url })}\n`,
    )
  } finally {
    store.close()
  }
}

async function run(): Promise<void> {
  const settings = readMemberSettings()
  const { machine, createServe } = KINDS[settings.COMPONENT]
  const spelledOut = await readComponent(settings.COALITION_CONFIG, { kind: settings.COMPONENT })
  const key = await readKeystore({ path: settings.KEYSTORE, password: readPassword(settings) })
  const { component, members, signers, parameters, origin } = spelledOut
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
  const rules = requireAdmissionRules(spelledOut)
  // Where anyone is admitted a member does without the gate, and without the chain’s client that is loaded with it.
  const createGate =
    rules.length === 0
      ? undefined
      : await (await import('./openGate.ts')).openGate(
          { replica, store, logger, shutdown },
          { settings, component: spelledOut, rules, signer },
        )
  const driver = createDriver(
    {
      createGate,
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
    { seat: { component, self: signer, timeouts: DEFAULT_TIMEOUTS } },
  )
  shutdown.defer('driver', () => driver.stop())
  if (!replica.state().governance.members.some((member) => member.signer === signer)) {
    logger.warn({ signer }, 'this key has no seat in the committee: the member follows until a rotation gives it one')
  }
  await driver.start()
  const publisher = await startPublisher(
    {
      replica,
      store,
      transport: createRedisTransport({ redis, logger }, { component, stream: checkpointStreamName({ component }) }),
      drop: driver.vitals.drop,
      logger,
      clock: MONOTONIC,
    },
    { signer: createCheckpointSigner({ key, origin }), witnesses: settings.WITNESSES },
  )
  shutdown.defer('publisher', () => publisher.close())
  // A peer may know at once that this key signed elsewhere: whoever waits for the ready line must not hear it then.
  const isOver = (): boolean => driver.status().isStopped
  if (isOver()) return
  const inbox = createInbox({ redis, driver, logger }, { component, signer })
  shutdown.defer('inbox', () => inbox.close())

  const server = await startServer(
    {
      logger,
      serveKind: createServe?.({
        component: spelledOut,
        replica,
        store,
        key,
        logger,
        dir: settings.STORE,
        defer: shutdown.defer,
      }),
      view: {
        store,
        size: () => replica.state().log.size,
        height: () => replica.state().height,
        extensionsFor: replica.readExtensionsFor,
        admission: driver.gate?.stateAdmission,
        sequence: (submitter) => replica.state().sequences.get(submitter) ?? 0n,
        status: createStatus(
          { replica, store, driver, queueRestarts: inbox.restarts, redisSilentMs: transport.silentMs },
          { signer },
        ),
        checkpoint: publisher.checkpoint,
        witnessed: publisher.witnessed,
      },
    },
    { host: settings.HTTP_HOST, port: settings.HTTP_PORT },
  )
  shutdown.defer('server', () => server.close())
  if (isOver()) return
  logger.info({ url: server.url, component, signer, height: replica.state().height }, 'member runs')
  // One line of data for whoever started the process.
  process.stdout.write(`${JSON.stringify({ url: server.url, component, signer })}\n`)
}

/** Usage: `node workers/member/main.ts init` or `sync` once, then `run`; settings as docs/operators/running.md has them. */
await runWorker({ init, sync, run }, { name: 'member' })
