import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createKey, readKeystoreAddress, type UnlockedKey } from '../../client/keystore.ts'
import { type Component, readComponent } from '../../client/readComponent.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { EXAMPLE_CONFIG, keystorePath, PASSWORD_FILE } from '../demo/committee.ts'
import { findFreePort, ROOT, startProcess, startRedis, stopProcess } from '../services.ts'

/** One seat of the committee: a store that was made, and all that its member is started with. */
export type Seat = { name: string; signer: Hex; dir: string; url: string; env: Record<string, string>; logFile: string }

export type FaultyCommittee = {
  chronicle: Component
  redisUrl: string
  seats: readonly Seat[]
  /** The one that faults are injected into; it is not started. */
  victim: Seat
  submitters: readonly UnlockedKey[]
  stopOthers(): Promise<void>
  close(): Promise<void>
}

/** A Redis, stores for all members, and all members but one, each a process of its own with what it keeps under `dir`. */
export async function startOthers(options: {
  dir: string
  memberCount: number
  submitterCount: number
}): Promise<FaultyCommittee> {
  const { dir, memberCount, submitterCount } = options
  mkdirSync(join(dir, 'logs'), { recursive: true })
  const submitters = Array.from({ length: submitterCount }, createKey).sort((a, b) => (a.signer < b.signer ? -1 : 1))
  const config = writeConfig({ dir, memberCount, submitters })
  const chronicle = await readComponent(config, { kind: 'chronicle' })
  const redis = await startRedis({ isPrivate: true })
  const seats: Seat[] = []
  for (const index of chronicle.signers.keys()) {
    const name = `member-${index}`
    const port = await findFreePort()
    const store = join(dir, name)
    const env = {
      COALITION_CONFIG: config,
      KEYSTORE: keystorePath(name),
      KEYSTORE_PASSWORD_FILE: PASSWORD_FILE,
      REDIS_URL: redis.url,
      STORE: store,
      HTTP_PORT: String(port),
    }
    const signer = await readKeystoreAddress(keystorePath(name))
    const logFile = join(dir, 'logs', `${name}.log`)
    const made = spawnSync(process.execPath, ['workers/member/main.ts', 'init'], {
      cwd: ROOT,
      env: { ...process.env, ...env },
    })
    if (made.status !== 0) throw new Error(`${name} got no store: ${made.stderr}`)
    seats.push({ name, signer, dir: store, url: `http://127.0.0.1:${port}`, env, logFile })
  }
  const victim = seats.at(-1)!
  const others = await Promise.all(
    seats.slice(0, -1).map(({ env, logFile }) => startProcess(['workers/member/main.ts', 'run'], { env, logFile })),
  )
  const stopOthers = async (): Promise<void> => void (await Promise.all(others.map(({ child }) => stopProcess(child))))
  return {
    chronicle,
    redisUrl: redis.url,
    seats,
    victim,
    submitters,
    stopOthers,
    async close() {
      await stopOthers()
      await redis.stop()
    },
  }
}

/** The example's committee, or some of it, with submitters of this run. */
function writeConfig(options: { dir: string; memberCount: number; submitters: readonly UnlockedKey[] }): string {
  const { dir, memberCount, submitters } = options
  const { $schema: _schema, ...example } = JSON.parse(readFileSync(EXAMPLE_CONFIG, 'utf8'))
  const { chronicle } = example.modules
  example.name = `${example.name}.faults`
  chronicle.members = chronicle.members.slice(0, memberCount)
  chronicle.parameters.submitters = submitters.map(({ signer }) => signer)
  const path = join(dir, 'coalition.json')
  writeFileSync(path, `${JSON.stringify(example, null, 2)}\n`)
  return path
}
