import { type ChildProcess, execFile, fork } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createKey, type UnlockedKey, writeKeystore } from '../../client/keystore.ts'
import { readComponent } from '../../client/readComponent.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { endWithUs, ROOT, startProcess, startRedis, stopProcess } from '../../scripts/services.ts'
import type { LoadReport, LoadRequest } from './client.ts'
import { readUsage, type Usage } from './usage.ts'

const execute = promisify(execFile)
export const PASSWORD = 'bench'
const MEMBER = 'workers/member/main.ts'

export type RunningMember = { pid: number; url: string; store: string; child: ChildProcess }

/** A committee of real processes on a private Redis, with stores in a folder of this checkout's own disk. */
export type RunningCommittee = {
  redisPid: number
  redisUrl: string
  /** Folder of its config, keystores, stores and logs; the file `password` is of every keystore. */
  dir: string
  /** Path of its coalition.json. */
  config: string
  members: readonly RunningMember[]
  /** Runs the client as a process of its own; `onRunning` is called once load begins. */
  load(options: LoadOptions): Promise<MeasuredLoad>
  /** Waits until every member's log is as long, stops them all, and keeps the folder. */
  settle(): Promise<void>
  /** Stops what still runs and removes the folder. */
  close(): Promise<void>
}

export type LoadOptions = Pick<LoadRequest, 'depth' | 'commandsPerEnvelope' | 'durationMs' | 'signedBefore'> & {
  submitters: readonly UnlockedKey[]
  onRunning?: () => void
}

export type MeasuredLoad = {
  report: LoadReport
  /** Heights that were decided meanwhile. */
  commits: number
  /** What each process used meanwhile. */
  used: { members: Usage[]; redis: Usage; client: Usage }
}

export async function startCommittee(options: {
  memberCount: number
  submitters: readonly UnlockedKey[]
  /** @default a registry that is nowhere, because nothing is anchored */
  home?: { chainId: number; registry: Hex }
  /** @default 256 commits, 60 s */
  cadence?: { anchorEveryCommits: number; anchorEverySeconds: number }
}): Promise<RunningCommittee> {
  const { memberCount, submitters, home, cadence } = options
  mkdirSync(join(ROOT, '.bench'), { recursive: true })
  const dir = mkdtempSync(join(ROOT, '.bench', 'committee-'))
  const redis = await startRedis({ isPrivate: true })
  const keys = Array.from({ length: memberCount }, createKey).sort((a, b) => (a.signer < b.signer ? -1 : 1))
  const config = writeConfig({ dir, keys, submitters, home, cadence })
  const { component, signers } = await readComponent(config, { kind: 'chronicle' })
  const members: RunningMember[] = []

  async function startMember(key: UnlockedKey, index: number): Promise<RunningMember> {
    const keystore = join(dir, `member-${index}.json`)
    const store = join(dir, `member-${index}`)
    await writeKeystore(key, { path: keystore, password: PASSWORD })
    const env = {
      COALITION_CONFIG: config,
      KEYSTORE: keystore,
      KEYSTORE_PASSWORD_FILE: join(dir, 'password'),
      STORE: store,
      REDIS_URL: redis.url,
      HTTP_PORT: '0',
    }
    const logFile = join(dir, `member-${index}.log`)
    await execute(process.execPath, [MEMBER, 'init'], { cwd: ROOT, env: { ...process.env, ...env } })
    const { child, line } = await startProcess([MEMBER, 'run'], { env, logFile })
    return { pid: child.pid!, url: (JSON.parse(line) as { url: string }).url, store, child }
  }

  for (const [index, key] of keys.entries()) members.push(await startMember(key, index))

  const measure = (client: ChildProcess): MeasuredLoad['used'] => ({
    members: members.map(({ pid }) => readUsage(pid)),
    redis: readUsage(redis.pid!),
    client: readUsage(client.pid!),
  })

  return {
    redisPid: redis.pid!,
    redisUrl: redis.url,
    dir,
    config,
    members,

    async load({ submitters: senders, onRunning, ...rest }) {
      const client = fork(join(import.meta.dirname, 'client.ts'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
      endWithUs(client)
      const secretKeys = senders.map(({ secretKey }): Hex => toHex(secretKey))
      client.send({ redisUrl: redis.url, component, signers, secretKeys, ...rest } satisfies LoadRequest)
      await nextMessage(client)
      const heightBefore = await readHeight(members)
      const before = measure(client)
      client.send('go')
      onRunning?.()
      const reported = nextMessage(client)
      const report = (await reported) as LoadReport
      const after = measure(client)
      await stopProcess(client)
      return {
        report,
        commits: (await readHeight(members)) - heightBefore,
        used: {
          members: after.members.map((usage, index) => subtract(usage, before.members[index]!)),
          redis: subtract(after.redis, before.redis),
          client: subtract(after.client, before.client),
        },
      }
    },

    async settle() {
      await waitUntilEqual(members)
      await Promise.all(members.map(({ child }) => stopProcess(child)))
    },

    async close() {
      await Promise.all(members.map(({ child }) => stopProcess(child)))
      await redis.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

function writeConfig(options: {
  dir: string
  keys: readonly UnlockedKey[]
  submitters: readonly UnlockedKey[]
  home: { chainId: number; registry: Hex } | undefined
  cadence: { anchorEveryCommits: number; anchorEverySeconds: number } | undefined
}) {
  const { dir, keys, submitters } = options
  const { home = { chainId: 31337, registry: `0x${'11'.repeat(20)}` } } = options
  const { cadence = { anchorEveryCommits: 256, anchorEverySeconds: 60 } } = options
  const path = join(dir, 'coalition.json')
  const config = {
    schemaVersion: 1,
    name: 'bench.committee',
    home,
    lattices: [{ name: 'ethereum.mainnet', chainId: 1 }],
    organisms: [],
    modules: {
      chronicle: {
        members: keys.map(({ signer, noteKey }) => ({ signer, noteKey })),
        parameters: {
          submitters: submitters.map(({ signer }) => signer).sort(),
          ...cadence,
        },
      },
    },
  }
  writeFileSync(path, `${JSON.stringify(config, null, 2)}\n`)
  writeFileSync(join(dir, 'password'), `${PASSWORD}\n`, { mode: 0o600 })
  return path
}

type Health = { height: string; size: string }

const readHealth = async ({ url }: RunningMember): Promise<Health> =>
  (await (await fetch(`${url}/health`)).json()) as Health

async function readHeight(members: readonly RunningMember[]): Promise<number> {
  const health = await Promise.all(members.map(readHealth))
  return Math.max(...health.map(({ height }) => Number(height)))
}

const SETTLE_MAX_MS = 60_000

async function waitUntilEqual(members: readonly RunningMember[]): Promise<void> {
  const deadline = Date.now() + SETTLE_MAX_MS
  for (;;) {
    const heights = (await Promise.all(members.map(readHealth))).map(({ height }) => height)
    if (new Set(heights).size === 1) return
    if (Date.now() > deadline) throw new Error(`the members did not come to one height: ${heights.join(', ')}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`the client ended with ${code}`))
    child.once('exit', onExit)
    child.once('message', (message) => {
      child.off('exit', onExit)
      resolve(message)
    })
  })
}

const subtract = (after: Usage, before: Usage): Usage => ({ ...after, cpuMs: after.cpuMs - before.cpuMs })
