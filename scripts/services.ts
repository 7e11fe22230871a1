import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { assertRedisUrl, RedisUnreachableError } from '../workers/queues.ts'

/** The servers that the demo, the tests and the benchmarks stand on, each on loopback and a free port of its own. */

export const ROOT = join(import.meta.dirname, '..')
const START_TIMEOUT_MS = 60_000
const PING_TIMEOUT_MS = 3_000

export type Service = {
  /** Process id, for whoever keeps it running. */
  pid: number | undefined
  url: string
  /** SIGTERM, and waits for its end; SIGKILL after five seconds. */
  stop(): Promise<void>
}

/**
 * The Redis at REDIS_URL, or a private one that keeps nothing.
 *
 * @throws {InvalidRedisUrlError} @throws {RedisUnreachableError} nothing answers at REDIS_URL.
 */
export async function startRedis(options: StartOptions = {}): Promise<Service> {
  const given = options.isPrivate ? undefined : process.env.REDIS_URL
  if (given !== undefined && given !== '') {
    await assertRedisAnswers(given)
    return { pid: undefined, url: given, stop: async () => {} }
  }
  const command = ['redis-server', 'valkey-server'].find((name) => spawnSync(name, ['--version']).status === 0)
  if (command === undefined) throw new Error('needs redis-server or valkey-server; scripts/run says how to get one')
  const port = options.port ?? (await findFreePort())
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  const child = spawnService(command, [...args, '--maxmemory-policy', 'noeviction'], options)
  await waitFor(() => isListening(port), { what: command, child, logFile: options.logFile })
  return serviceOf(child, `redis://127.0.0.1:${port}`)
}

/** The chain at RPC_URL, or a private Hardhat node; its chain id is 31337, or that of another chain which it poses as. */
export async function startChain(options: StartOptions & { chainId?: number } = {}): Promise<Service> {
  const given = options.isPrivate ? undefined : process.env.RPC_URL
  if (given !== undefined && given !== '') return { pid: undefined, url: given, stop: async () => {} }
  const asked = options.chainId === undefined ? [] : ['--chain-id', String(options.chainId)]
  const { child, line } = await startProcess(['scripts/local-chain.ts', ...asked], options)
  return serviceOf(child, (JSON.parse(line) as { rpcUrl: string }).rpcUrl)
}

export type StartOptions = {
  /** A server of its own, whatever the environment names. */
  isPrivate?: boolean
  /** Where a Redis listens, so that it can come back in the same place; any free one without. */
  port?: number
  env?: Record<string, string>
  /** Where its standard error goes; nowhere without. */
  logFile?: string | undefined
  /** Whether it outlives this process. */
  detached?: boolean | undefined
  /** A command that runs it in its own place, as a tracer that leaves the process to its parent. */
  under?: readonly string[] | undefined
  /** Called as soon as the process exists, long before it is ready. */
  onStart?: ((child: ChildProcess) => void) | undefined
}

/** Starts a Node.js program of ours that prints one line of JSON when it is ready. */
export async function startProcess(
  args: readonly string[],
  options: StartOptions = {},
): Promise<{ child: ChildProcess; line: string }> {
  const [command, ...before] = [...(options.under ?? []), process.execPath]
  const child = spawnService(command!, [...before, ...args], { ...options, hasOutput: true })
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  await waitFor(async () => output.includes('\n'), { what: args.join(' '), child, logFile: options.logFile })
  return { child, line: output.slice(0, output.indexOf('\n')) }
}

/** SIGTERM, and waits for the end; SIGKILL after five seconds. */
export async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await ended
  clearTimeout(killer)
}

/** One process, and not another that was given its number later. */
export type ProcessIdentity = {
  pid: number
  /** As the operating system says it: ticks since boot on Linux, elsewhere a date. */
  startedAt: string
}

/** Who runs as `pid`; undefined if nobody does, or if it ended and waits for its parent. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const said =
    process.platform === 'linux'
      ? readStat(pid)
      : spawnSync('ps', ['-o', 'stat=', '-o', 'lstart=', '-p', String(pid)], {
          encoding: 'utf8',
          env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
        }).stdout.trim()
  const startedAt = process.platform === 'linux' ? said.split(' ')[19] : said.split(/\s+/).slice(1).join(' ')
  return said.startsWith('Z') || startedAt === undefined || startedAt === '' ? undefined : { pid, startedAt }
}

export const isSameProcess = ({ pid, startedAt }: ProcessIdentity): boolean =>
  identifyProcess(pid)?.startedAt === startedAt

/** The fields of /proc/PID/stat from the third (its state) on; the second is a name that may hold spaces. */
function readStat(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2)
  } catch {
    return ''
  }
}

const bound = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of bound) child.kill('SIGKILL')
})

/** Lets `child` live no longer than this process. */
export function endWithUs(child: ChildProcess): void {
  bound.add(child)
  child.once('exit', () => bound.delete(child))
}

const serviceOf = (child: ChildProcess, url: string): Service => ({
  pid: child.pid,
  url,
  stop: () => stopProcess(child),
})

function spawnService(
  command: string,
  args: readonly string[],
  options: StartOptions & { hasOutput?: boolean },
): ChildProcess {
  const { env = {}, logFile, detached = false, onStart, hasOutput = false } = options
  const log = logFile === undefined ? 'ignore' : openSync(logFile, 'a')
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    // A server's standard output is its log; a program of ours says there that it is ready.
    stdio: ['ignore', hasOutput ? 'pipe' : log, log],
    detached,
  })
  if (typeof log === 'number') closeSync(log)
  // Unread output would fill the pipe and stop the process.
  child.stdout?.on('data', () => {})
  if (!detached) endWithUs(child)
  onStart?.(child)
  return child
}

async function waitFor(
  isReady: () => Promise<boolean>,
  { what, child, logFile }: { what: string; child: ChildProcess; logFile: string | undefined },
): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS
  let failure: Error | undefined
  child.once('error', (error) => {
    failure = error
  })
  while (!(await isReady())) {
    if (failure !== undefined) throw failure
    const ending = child.exitCode ?? child.signalCode
    if (ending !== null) {
      const said = logFile === undefined ? '' : readFileSync(logFile, 'utf8').trim().split('\n').at(-1)
      throw new Error(`${what} ended with ${ending} before it was ready${said === '' ? '' : `: ${said}`}`)
    }
    if (Date.now() > deadline) throw new Error(`${what} was not ready within ${START_TIMEOUT_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function assertRedisAnswers(url: string): Promise<void> {
  assertRedisUrl(url)
  let redis: Redis | undefined
  try {
    redis = new Redis(url, {
      lazyConnect: true,
      enableReadyCheck: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
      connectTimeout: PING_TIMEOUT_MS,
      commandTimeout: PING_TIMEOUT_MS,
    })
    // The refusal comes as an event too, which would end the process.
    redis.on('error', () => {})
    await redis.ping()
  } catch (cause) {
    throw new RedisUnreachableError({ url, cause })
  } finally {
    redis?.disconnect()
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
