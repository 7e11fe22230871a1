import { type ChildProcess, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { COMPONENT_REGISTRY_ADDRESS } from '../../chain/addresses.ts'
import { type Chain, connectChain } from '../../chain/connectChain.ts'
import { createSender } from '../../chain/createSender.ts'
import { deployRegistry } from '../../chain/deployRegistry.ts'
import { createKey, readKeystore, type UnlockedKey } from '../../client/keystore.ts'
import { type Component, readComponent } from '../../client/readComponent.ts'
import { fromHex, type Hex } from '../../protocol/bytes.ts'
import { EXAMPLE_CONFIG, keystorePath, PASSWORD_FILE } from '../demo/committee.ts'
import { findFreePort, ROOT, type StartOptions, startChain, startProcess, startRedis } from '../services.ts'

/** A process that is killed, paused and started again, always as the same one: its port, its key and its store stay. */
export type Victim = {
  name: string
  /** Starts it, and resolves when it says that it is ready; tries again for a minute where it cannot. */
  start(): Promise<void>
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>
  /** SIGTERM, and waits for its end; SIGKILL after fifteen seconds. */
  stop(): Promise<void>
  /** SIGSTOP and SIGCONT. */
  pause(): void
  resume(): void
}

export type MemberVictim = Victim & { signer: Hex; secretKey: Uint8Array; url: string; storePath: string }

export type Committee = {
  chronicle: Component
  chain: Chain
  submitters: readonly UnlockedKey[]
  members: readonly MemberVictim[]
  anchorer: Victim
  redis: Victim
  redisUrl: string
  /** Ends everything: workers first, because they need Redis to close in peace. */
  stopMembers(): Promise<void>
  stopServers(): Promise<void>
}

/** First of the accounts that local test chains fund; its key is public. */
const TEST_ACCOUNT_KEY: Hex = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const START_AGAIN_MS = 100
const START_MAX_MS = 60_000
const STOP_MAX_MS = 15_000

/** Four members, an anchorer, a Redis and a chain, each a process of its own, with everything they keep under `dir`. */
export async function startCommittee(options: { dir: string; submitterCount: number }): Promise<Committee> {
  const { dir, submitterCount } = options
  mkdirSync(join(dir, 'logs'), { recursive: true })
  const logFile = (name: string): string => join(dir, 'logs', `${name}.log`)
  const submitters = Array.from({ length: submitterCount }, createKey).sort((a, b) => (a.signer < b.signer ? -1 : 1))
  const config = writeConfig(dir, submitters)
  const chronicle = await readComponent(config, { kind: 'chronicle' })
  if (chronicle.home.registry !== COMPONENT_REGISTRY_ADDRESS) throw new Error('the example names another registry')

  const redisPort = await findFreePort()
  const redisUrl = `redis://127.0.0.1:${redisPort}`
  const redis = createVictim('redis', (onStart) =>
    startRedis({ isPrivate: true, port: redisPort, logFile: logFile('redis'), onStart }),
  )
  await redis.start()
  delete process.env.RPC_URL
  const chainService = await startChain({ logFile: logFile('chain') })
  const chain = await connectChain({ rpcUrl: chainService.url, chainId: chronicle.home.chainId })
  const password = readFileSync(PASSWORD_FILE, 'utf8').split('\n')[0]!
  const payer = createSender(chain, { secretKey: fromHex(TEST_ACCOUNT_KEY) })
  const anchorerKey = await readKeystore({ path: keystorePath('anchorer'), password })
  await payer.send({ to: anchorerKey.signer, data: '0x', valueWei: 10n ** 18n })
  await deployRegistry(payer)

  const common = { COALITION_CONFIG: config, KEYSTORE_PASSWORD_FILE: PASSWORD_FILE, REDIS_URL: redisUrl }
  const members: MemberVictim[] = []
  for (const index of chronicle.signers.keys()) {
    const name = `member-${index}`
    const port = await findFreePort()
    const { signer, secretKey } = await readKeystore({ path: keystorePath(name), password })
    const store = join(dir, name)
    const env = { ...common, KEYSTORE: keystorePath(name), STORE: store, HTTP_PORT: String(port) }
    const made = spawnSync(process.execPath, ['workers/member/main.ts', 'init'], {
      cwd: ROOT,
      env: { ...process.env, ...env },
    })
    if (made.status !== 0) throw new Error(`${name} got no store: ${made.stderr}`)
    const victim = createVictim(name, (onStart) =>
      startProcess(['workers/member/main.ts', 'run'], { env, logFile: logFile(name), onStart }),
    )
    const storePath = join(store, 'member.sqlite')
    members.push({ ...victim, signer, secretKey, url: `http://127.0.0.1:${port}`, storePath })
  }
  await Promise.all(members.map((member) => member.start()))

  const anchorerEnv = {
    ...common,
    KEYSTORE: keystorePath('anchorer'),
    RPC_URLS: chainService.url,
    // The local chain makes a block for each transaction, and for nothing else.
    CONFIRMATIONS: '1',
    LOG_URLS: members.map(({ url }) => url).join(','),
    ANCHOR_TICK_MS: '500',
  }
  const anchorer = createVictim('anchorer', (onStart) =>
    startProcess(['workers/chronicle-anchor/main.ts', 'run'], {
      env: anchorerEnv,
      logFile: logFile('anchorer'),
      onStart,
    }),
  )
  await anchorer.start()
  return {
    chronicle,
    chain,
    submitters,
    members,
    anchorer,
    redis,
    redisUrl,
    async stopMembers() {
      await Promise.all([...members, anchorer].map((each) => each.stop()))
    },
    async stopServers() {
      await Promise.all([redis.stop(), chainService.stop()])
    },
  }
}

/** The example's committee with submitters of this run and a faster cadence of anchors. */
function writeConfig(dir: string, submitters: readonly UnlockedKey[]): string {
  const { $schema: _schema, ...example } = JSON.parse(readFileSync(EXAMPLE_CONFIG, 'utf8'))
  example.name = `${example.name}.chaos`
  example.modules.chronicle.parameters.submitters = submitters.map(({ signer }) => signer)
  const path = join(dir, 'coalition.json')
  writeFileSync(path, `${JSON.stringify(example, null, 2)}\n`)
  return path
}

type Start = (onStart: NonNullable<StartOptions['onStart']>) => Promise<unknown>

function createVictim(name: string, start: Start): Victim {
  let child: ChildProcess | undefined
  let isWanted = false
  const isRunning = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null

  async function end(signal: NodeJS.Signals): Promise<void> {
    isWanted = false
    if (child === undefined || !isRunning()) return
    const ending = child
    const ended = new Promise((resolve) => ending.once('exit', resolve))
    // What is paused takes no SIGTERM.
    ending.kill('SIGCONT')
    ending.kill(signal)
    const killer = setTimeout(() => ending.kill('SIGKILL'), STOP_MAX_MS)
    await ended
    clearTimeout(killer)
  }

  return {
    name,
    async start() {
      isWanted = true
      const deadline = Date.now() + START_MAX_MS
      while (isWanted) {
        try {
          await start((started) => {
            child = started
          })
          return
        } catch (error) {
          // A worker that finds no Redis ends at once, and whoever runs it starts it again.
          if (isRunning() || Date.now() > deadline) throw error
          await new Promise((resolve) => setTimeout(resolve, START_AGAIN_MS))
        }
      }
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
  }
}
