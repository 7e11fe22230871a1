import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { openComponentRegistry } from '../../chain/componentRegistry.ts'
import { connectChain } from '../../chain/connectChain.ts'
import { createSender } from '../../chain/createSender.ts'
import { deployRegistry } from '../../chain/deployRegistry.ts'
import { createEpochs } from '../../client/epochs.ts'
import { readKeystore } from '../../client/keystore.ts'
import { createLogReader, type LogReader } from '../../client/logReader.ts'
import { readPasswordFile } from '../../client/passwordFile.ts'
import { type Component, readComponent } from '../../client/readComponent.ts'
import { createSubmitter } from '../../client/submit.ts'
import { fromHex } from '../../protocol/bytes.ts'
import { encodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import { deriveCommitDigest } from '../../protocol/wire/commit.ts'
import { signEnvelope } from '../../protocol/wire/envelope.ts'
import { EXAMPLE_CONFIG, keystorePath, PASSWORD_FILE } from '../../scripts/demo/committee.ts'
import { ROOT, type Service, startChain, startProcess, startRedis, stopProcess } from '../../scripts/services.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'
import { startLiar, until } from '../workers/member/syncWorld.ts'

// Public: the first account of every Hardhat node.
const PAYER = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const ENTRIES = 600

/** Three of the example's four members at work, as processes, with a log that was anchored; the fourth never started. */
let chronicle: Component
let redis: Service
let chain: Service
let members: ChildProcess[]
let urls: string[]
let log: LogReader
const dir = createTestDir()
before(async () => {
  chronicle = await readComponent(EXAMPLE_CONFIG, { kind: 'chronicle' })
  ;[redis, chain] = await Promise.all([startRedis({ isPrivate: true }), startChain({ isPrivate: true })])
  const made = await Promise.all([0, 1, 2].map((index) => member(index, 'init').ended))
  const { component, signers } = chronicle
  for (const [index, { stdout }] of made.entries()) {
    const store = join(dir, String(index))
    assert.equal(stdout, `${JSON.stringify({ store, kind: 'chronicle', component, signer: signers[index] })}\n`)
  }
  const running = await Promise.all([0, 1, 2].map((index) => startProcess(runArgs('run'), { env: envOf(index) })))
  members = running.map(({ child }) => child)
  urls = running.map(({ line }) => (JSON.parse(line) as { url: string }).url)
  log = createLogReader({ url: urls[0]! })
  await append()
  await anchor()
})
after(async () => {
  await Promise.all(members.map(stopProcess))
  await Promise.all([redis.stop(), chain.stop()])
})

const runArgs = (verb: string): string[] => ['workers/member/main.ts', verb]

const envOf = (index: number): Record<string, string> => ({
  COALITION_CONFIG: EXAMPLE_CONFIG,
  KEYSTORE: keystorePath(`member-${index}`),
  KEYSTORE_PASSWORD_FILE: PASSWORD_FILE,
  STORE: join(dir, String(index)),
  REDIS_URL: redis.url,
  LOG_LEVEL: 'silent',
})

type Ended = { status: number | null; stdout: string; stderr: string }

function member(
  index: number,
  verb: string,
  env: Record<string, string> = {},
): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, runArgs(verb), { cwd: ROOT, env: { ...process.env, ...envOf(index), ...env } })
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve))
  const ended = Promise.all([closed, text(child.stdout), text(child.stderr)])
  return { child, ended: ended.then(([status, stdout, stderr]) => ({ status, stdout, stderr })) }
}

const codeOf = ({ stderr }: Ended): string => (JSON.parse(stderr) as { error: { code: string } }).error.code

async function append(): Promise<void> {
  const key = await readKeystore({ path: keystorePath('submitter'), password: readPasswordFile(PASSWORD_FILE) })
  const { component } = chronicle
  const submitter = await createSubmitter({ redisUrl: redis.url, epochs: createEpochs(chronicle) })
  for (let sequence = 1n; sequence <= 3n; sequence++) {
    const commands = Array.from({ length: ENTRIES / 3 }, (_, index) =>
      encodeChronicleCommand({ kind: 'recordStatement', statement: Buffer.from(`{"n":"${sequence}.${index}"}`) }),
    )
    const envelope = signEnvelope({ component, submitter: key.signer, sequence, commands }, key.secretKey)
    await submitter.submit(envelope, { timeoutMs: 20_000 })
  }
  await submitter.close()
}

/** Waits for a commit that covers all entries and is marked for the chain, and anchors it. */
async function anchor(): Promise<void> {
  const connected = await connectChain({ rpcUrl: chain.url, chainId: chronicle.home.chainId })
  const sender = createSender(connected, { secretKey: fromHex(PAYER) })
  const registry = await openComponentRegistry(connected, await deployRegistry(sender))
  const { componentId, component, members: committee } = chronicle
  await registry.register(sender, { componentId, members: committee })
  let certified = await log.readNewestAnchor().catch(() => undefined)
  while (certified?.commit.logSize !== BigInt(ENTRIES)) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    certified = await log.readNewestAnchor().catch(() => undefined)
  }
  const previous = await registry.readHead({ component })
  await registry.anchor(sender, { previous, certified, members: committee, consistencyProof: [], next: undefined })
}

test('sync: refuses to start without something to trust, and with two things', async () => {
  const without = await member(3, 'sync', { SYNC_URLS: urls.join() }).ended
  assert.deepEqual([without.status, codeOf(without)], [2, 'SYNC_TRUST_MISSING'])
  const SYNC_TRUST = `1:0x${'00'.repeat(32)}`
  const both = await member(3, 'sync', { SYNC_URLS: urls.join(), SYNC_TRUST, RPC_URLS: chain.url }).ended
  assert.deepEqual([both.status, codeOf(both)], [2, 'INVALID_SETTING'])
  for (const wrong of ['1', '0:0x00', `-1:0x${'00'.repeat(32)}`, `1:0x${'0G'.repeat(32)}`]) {
    const refused = await member(3, 'sync', { SYNC_URLS: urls.join(), SYNC_TRUST: wrong }).ended
    assert.deepEqual([refused.status, codeOf(refused)], [2, 'INVALID_SETTING'], wrong)
  }
})

test('sync: killed in the middle, it leaves a store that cannot run and the next sync takes; then the member joins', async () => {
  let askedCount = 0
  const staller = await startLiar(urls[0]!, (path) => {
    if (!path.startsWith('tile/entries/')) return undefined
    askedCount += 1
    return askedCount === 1 ? undefined : () => undefined
  })
  const { commit } = await log.readNewestAnchor()
  const SYNC_TRUST = `${commit.height}:${deriveCommitDigest(commit)}`
  const first = member(3, 'sync', { SYNC_URLS: staller.url, SYNC_TRUST })
  await until(() => askedCount > 1)
  first.child.kill('SIGKILL')
  await first.ended
  staller.close()

  const refused = await member(3, 'run').ended
  assert.deepEqual([refused.status, codeOf(refused)], [2, 'STORE'])
  assert.match(refused.stderr, /Run `sync` again/)

  const liar = await startLiar(urls[0]!, (path) => (path.startsWith('snapshot/') ? 'no state' : undefined))
  const failed = await member(3, 'sync', { SYNC_URLS: liar.url, SYNC_TRUST }).ended
  assert.deepEqual([failed.status, codeOf(failed)], [1, 'SYNC_FAILED'])
  assert.ok(failed.stderr.includes(liar.url))

  // This time what the chain anchored is trusted.
  const synced = await member(3, 'sync', { SYNC_URLS: [liar.url, ...urls].join(), RPC_URLS: chain.url }).ended
  liar.close()
  assert.equal(synced.status, 0, synced.stderr)
  const { isSynced, height, logSize, url } = JSON.parse(synced.stdout) as Record<string, unknown>
  assert.deepEqual([isSynced, height, logSize, url], [true, commit.height.toString(), String(ENTRIES), urls[0]])

  const { child, line } = await startProcess(runArgs('run'), { env: envOf(3) })
  const own = createLogReader({ url: (JSON.parse(line) as { url: string }).url })
  let status = await own.readStatus()
  while (!status.isJoined) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    status = await own.readStatus()
  }
  assert.ok(status.height >= commit.height)
  assert.deepEqual((await own.readCommit(commit.height)).commit, commit)
  await stopProcess(child)

  const again = await member(3, 'sync', { SYNC_URLS: urls.join(), RPC_URLS: chain.url }).ended
  assert.deepEqual([again.status, (JSON.parse(again.stdout) as { isSynced: boolean }).isSynced], [0, false])
})
