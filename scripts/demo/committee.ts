import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { ComponentKind } from '../../client/readComponent.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { initMember } from '../../workers/member/initMember.ts'
import {
  endWithUs,
  identifyProcess,
  isSameProcess,
  type ProcessIdentity,
  ROOT,
  type StartOptions,
  startProcess,
} from '../services.ts'

/** What the demo's processes share. */
export type DemoSettings = {
  redisUrl: string
  rpcUrl: string
  /** The coalition.json of this run. */
  config: string
  /** Which of its components. @default its Chronicle */
  component?: ComponentKind
  /** Folder of this run: stores, logs and the report. */
  dir: string
  /** How its processes are started. */
  start: Pick<StartOptions, 'detached' | 'onStart'>
}

export const EXAMPLE = join(ROOT, 'examples/superchain')
export const EXAMPLE_CONFIG = join(EXAMPLE, 'coalition.json')
export const PASSWORD_FILE = join(EXAMPLE, 'keys/password.txt')
export const keystorePath = (name: string): string => join(EXAMPLE, 'keys', `${name}.json`)

/**
 * The config of one run. On servers that outlive it a run needs a name of its own, and with it a component of its own: it
 * would meet the jobs, heads and anchors of the run before.
 */
export function writeRunConfig({ dir, isShared }: { dir: string; isShared: boolean }): string {
  if (!isShared) return EXAMPLE_CONFIG
  const path = join(dir, 'coalition.json')
  const run = `run-${randomBytes(4).toString('hex')}`
  const file = JSON.parse(readFileSync(EXAMPLE_CONFIG, 'utf8')) as { name: string; $schema?: string }
  const { $schema: _schema, ...rest } = file
  writeFileSync(path, `${JSON.stringify({ ...rest, name: `${file.name}.${run}` }, null, 2)}\n`)
  return path
}

export type DemoProcess = { name: string; child: ChildProcess; url: string }

/** A member's place; its key is the example's unless it says otherwise. */
type Place = { index: number; keystore?: string }

/** Makes a store for a member, and starts it as a process of its own. */
export async function startMember(settings: DemoSettings, place: Place): Promise<DemoProcess> {
  const { env, logFile } = placeOf(settings, place)
  mkdirSync(dirname(logFile), { recursive: true })
  await initMember({ config: env.COALITION_CONFIG, kind: env.COMPONENT, keystore: env.KEYSTORE, dir: env.STORE })
  return restartMember(settings, place)
}

/** Starts a member that has its store. */
export async function restartMember(settings: DemoSettings, place: Place): Promise<DemoProcess> {
  const { name, env, logFile } = placeOf(settings, place)
  const { child, line } = await startProcess(['workers/member/main.ts', 'run'], { env, logFile, ...settings.start })
  return { name, child, url: (JSON.parse(line) as { url: string }).url }
}

function placeOf(
  { redisUrl, config, component = 'chronicle', dir }: DemoSettings,
  { index, keystore = keystorePath(`member-${index}`) }: Place,
) {
  const name = `member-${index}`
  const env = {
    COALITION_CONFIG: config,
    COMPONENT: component,
    KEYSTORE: keystore,
    KEYSTORE_PASSWORD_FILE: PASSWORD_FILE,
    STORE: join(dir, name),
    REDIS_URL: redisUrl,
    HTTP_PORT: '0',
  }
  return { name, env, logFile: join(dir, 'logs', `${name}.log`) }
}

/** Starts the anchorer, which reads every member's log and pays from an account of its own. */
export async function startAnchorer(
  { redisUrl, rpcUrl, config, component = 'chronicle', dir, start }: DemoSettings,
  { logUrls }: { logUrls: readonly string[] },
): Promise<DemoProcess> {
  const env = {
    COALITION_CONFIG: config,
    COMPONENT: component,
    KEYSTORE: keystorePath('anchorer'),
    KEYSTORE_PASSWORD_FILE: PASSWORD_FILE,
    REDIS_URL: redisUrl,
    RPC_URLS: rpcUrl,
    // The local chain makes a block for each transaction, and for nothing else.
    CONFIRMATIONS: '1',
    LOG_URLS: logUrls.join(','),
    ANCHOR_TICK_MS: '500',
  }
  const logFile = join(dir, 'logs', 'chronicle-anchor.log')
  const { child } = await startProcess(['workers/chronicle-anchor/main.ts', 'run'], { env, logFile, ...start })
  return { name: 'chronicle-anchor', child, url: '' }
}

export type CliResult = { status: number; output: string; said: string }

/** Runs the command line as a process of its own, as a person would. */
export async function runCli(args: readonly string[], env: Record<string, string> = {}): Promise<CliResult> {
  const child = spawn(process.execPath, ['cli/main.ts', ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  endWithUs(child)
  let output = ''
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk
  })
  const status = await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1)))
  return { status, output, said: said.trim() }
}

/** A process of a run, as the run after it finds it. Workers stop first: they need Redis to close in peace. */
export type RecordedProcess = ProcessIdentity & { isService: boolean }

export class DemoKeptError extends CoalitionError {
  /** @param parameters.guide path of the file that says how to look at it. */
  constructor({ guide }: { guide: string }) {
    super('DEMO_KEPT', 'A demo is kept running here already; it was left as it is.', {
      fix: `Look at it as ${guide} says, or stop it first: npm run demo -- --stop`,
    })
  }
}

export class DemoRunningError extends CoalitionError {
  constructor({ pid }: { pid: number }) {
    super('DEMO_RUNNING', `Another demo runs here as process ${pid}; it was left as it is.`, {
      fix: 'Wait for its end, or interrupt it.',
    })
  }
}

const IDENTITY = z.object({ pid: z.int().positive(), startedAt: z.string().min(1) })
const RECORD = z.array(IDENTITY.extend({ isService: z.boolean() }))
const STOP_TIMEOUT_MS = 10_000

/** @throws {DemoKeptError} of the record at `path` at least one process still runs. */
export function assertNoneKept(path: string, { guide }: { guide: string }): void {
  if ((readRecord(path, RECORD) ?? []).some(isSameProcess)) throw new DemoKeptError({ guide })
}

/** Stops those processes of the record at `path` that still run, and removes it. Returns how many ran. */
export async function stopRecorded(path: string): Promise<number> {
  const recorded = (readRecord(path, RECORD) ?? []).filter(isSameProcess)
  for (const isService of [false, true]) {
    const left = () => recorded.filter((one) => one.isService === isService && isSameProcess(one))
    for (const { pid } of left()) process.kill(pid, 'SIGTERM')
    const deadline = Date.now() + STOP_TIMEOUT_MS
    while (left().length > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50))
    for (const { pid } of left()) process.kill(pid, 'SIGKILL')
  }
  rmSync(path, { force: true })
  return recorded.length
}

/** Makes this process the one that the lock at `path` names. @throws {DemoRunningError} another one holds it, and runs. */
export function takeLock(path: string): void {
  const lock = JSON.stringify(identifyProcess(process.pid))
  for (;;) {
    try {
      writeFileSync(path, lock, { flag: 'wx' })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const holder = readRecord(path, IDENTITY)
    if (holder !== undefined && isSameProcess(holder)) throw new DemoRunningError(holder)
    rmSync(path, { force: true })
  }
}

/** What stands at `path`; undefined for anything that is not of that type. */
function readRecord<T>(path: string, type: z.ZodType<T>): T | undefined {
  try {
    return type.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return undefined
  }
}
