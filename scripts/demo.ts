import type { ChildProcess } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { encodeDeployData, encodeFunctionData, getCreate2Address, keccak256 } from 'viem'
import { COMPONENT_REGISTRY_ADDRESS, CREATE2_PROXY_ADDRESS } from '../chain/addresses.ts'
import { openComponentRegistry } from '../chain/componentRegistry.ts'
import { type Chain, connectChain } from '../chain/connectChain.ts'
import { createSender, type Sender } from '../chain/createSender.ts'
import { deployRegistry } from '../chain/deployRegistry.ts'
import { chronicleEscrowAbi, chronicleEscrowBytecode } from '../chain/generated/chronicleEscrow.ts'
import { createKey, readKeystore } from '../client/keystore.ts'
import { createLogReader } from '../client/logReader.ts'
import { readComponent } from '../client/readComponent.ts'
import { verifyEntry } from '../client/verifyEntry.ts'
import { fromHex, type Hex, toHex } from '../protocol/bytes.ts'
import { CoalitionError, countOf } from '../protocol/errors.ts'
import { decodeOperatorStatement } from '../protocol/wire/operatorStatement.ts'
import {
  assertNoneKept,
  DemoRunningError,
  type DemoSettings,
  EXAMPLE,
  keystorePath,
  PASSWORD_FILE,
  type RecordedProcess,
  runCli,
  startAnchorer,
  startMember,
  stopRecorded,
  takeLock,
  writeRunConfig,
} from './demo/committee.ts'
import { anchorForgery } from './demo/forgery.ts'
import { forgeCertificate, forgeEntry, withTamperedLog } from './demo/tamperedLog.ts'
import { identifyProcess, ROOT, startChain, startRedis, stopProcess } from './services.ts'

/** The whole idea once, for real: `npm run demo`. Nothing is touched before the arguments are known to be good. */
const USAGE = `Usage: npm run demo -- [OPTION...]
  --without N   leaves member N out; may be given twice
  --keep        leaves everything running, and says how to look at it and stop it
  --stop        stops what an earlier run left running; goes with no other option
  --timeout S   seconds to wait for an acknowledgement or an anchor (15)
  --help        says this
Its stores, logs and report are in .demo, or where DEMO_DIR says.`

const MEMBER_COUNT = 4
const options = readArguments()

const DIR = resolve(process.env.DEMO_DIR || join(ROOT, '.demo'))
/** What runs for this run; whoever comes after one that was killed stops it. */
const RUNNING_FILE = join(DIR, 'running.json')
/** The same of a run that was to be kept: it goes on until it is stopped on purpose. */
const KEPT_FILE = join(DIR, 'kept.json')
/** How to look at what is kept. */
const GUIDE_FILE = join(DIR, 'kept.txt')
/** What a run makes in its folder, and the next one removes. */
const MADE = /^(?:logs|member-\d|coalition\.json|report\.(?:json|txt))$/
const LOCK_FILE = join(DIR, 'lock.json')
/** First of the accounts that local test chains fund; its key is public. It pays for deployments here. */
const TEST_ACCOUNT_KEY: Hex = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
/** Which entry of the example the third party's contract waits for. */
const AGREED_INDEX = 6

const startedAtMs = Date.now()
const report: Record<string, unknown> = {}
const lines: string[] = []
const say = (text: string): void => {
  const line = `${((Date.now() - startedAtMs) / 1000).toFixed(1).padStart(5)} s  ${text}`
  lines.push(line)
  console.log(line)
}

const running: { child: ChildProcess; record: RecordedProcess | undefined; isService: boolean }[] = []
let finishing: Promise<never> | undefined
let interruptedBy: string | undefined

mkdirSync(DIR, { recursive: true })
try {
  takeLock(LOCK_FILE)
} catch (error) {
  // The lock is the other one's: it stays.
  if (!(error instanceof DemoRunningError)) throw error
  complain(error)
  process.exit(2)
}
for (const [signal, exitCode] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
  process.on(signal, () => {
    if (interruptedBy !== undefined) return
    interruptedBy = signal
    console.error(`demo: ${signal}: stopping everything`)
    void finish(exitCode)
  })
}
try {
  await main()
} catch (error) {
  // What is stopped on purpose fails in many ways that say nothing.
  if (interruptedBy === undefined) {
    complain(error)
    if (running.length > 0) console.error(`  Logs of the processes: ${fromHere(join(DIR, 'logs'))}`)
  }
  await finish(error instanceof CoalitionError && error.kind === 'input' ? 2 : 1)
}
await finish(0)

function complain(error: unknown): void {
  if (error instanceof CoalitionError) console.error(`demo: ${error.code}: ${error.message}\n  ${error.fix}`)
  else console.error(`demo: ${error instanceof Error ? error.message : error}`)
}

async function main(): Promise<void> {
  if (!options.stop) assertNoneKept(KEPT_FILE, { guide: fromHere(GUIDE_FILE) })
  const stopped = (await stopRecorded(RUNNING_FILE)) + (await stopRecorded(KEPT_FILE))
  if (stopped > 0) say('stopped what an earlier run had left running')
  else if (options.stop) say('nothing is left running, so there is nothing to stop')
  rmSync(GUIDE_FILE, { force: true })
  if (options.stop) return
  const { without, timeoutMs } = options
  for (const name of readdirSync(DIR).filter((each) => MADE.test(each))) rmSync(join(DIR, name), { recursive: true })
  mkdirSync(join(DIR, 'logs'), { recursive: true })
  const start = { detached: options.keep, onStart: record({ isService: false }) }
  const startService = (name: string) => ({
    detached: options.keep,
    onStart: record({ isService: true }),
    logFile: join(DIR, 'logs', `${name}.log`),
  })

  say(describeServer('Redis', process.env.REDIS_URL))
  say(describeServer('a local chain', process.env.RPC_URL))
  const [redis, chainService] = await Promise.all([
    startRedis(startService('redis')),
    startChain(startService('chain')),
  ])
  const isShared = redis.pid === undefined || chainService.pid === undefined
  const config = writeRunConfig({ dir: DIR, isShared })
  const settings = { redisUrl: redis.url, rpcUrl: chainService.url, config, dir: DIR, start }
  const chronicle = await readComponent(config, { kind: 'chronicle' })
  const chain = await connectChain({ rpcUrl: chainService.url, chainId: chronicle.home.chainId })
  const payer = createSender(chain, { secretKey: fromHex(TEST_ACCOUNT_KEY) })
  const password = readFileSync(PASSWORD_FILE, 'utf8').split('\n')[0]!
  const anchorer = await readKeystore({ path: keystorePath('anchorer'), password })
  await payer.send({ to: anchorer.signer, data: '0x', valueWei: 10n ** 18n })
  const deployed = await deployRegistry(payer)
  say(`chain ${chain.chainId}: registry at ${deployed.address}`)
  if (chronicle.home.registry !== COMPONENT_REGISTRY_ADDRESS) throw new Error('the example names another registry')
  Object.assign(report, {
    coalitionId: chronicle.coalition.coalitionId(),
    component: chronicle.component,
    chainId: chain.chainId,
    registry: deployed.address,
  })
  say(`coalition ${chronicle.coalition.coalitionId()}`)
  say(`chronicle ${chronicle.component}`)

  const indexes = Array.from({ length: MEMBER_COUNT }, (_, index) => index).filter((index) => !without.has(index))
  const started = await Promise.all(indexes.map((index) => startMember(settings, { index })))
  for (const { name, child, url } of started) say(`${name} runs as process ${child.pid}, its log at ${url}`)
  for (const index of without) say(`member-${index} is left out`)
  const logUrls = started.map(({ url }) => url)
  const logUrl = logUrls.at(-1)!
  await startAnchorer(settings, { logUrls })

  say('appending examples/superchain/entries.jsonl')
  const appended = await runCli(
    [
      ...['chronicle', 'append', '--config', config, '--file', join(EXAMPLE, 'entries.jsonl')],
      ...['--key', keystorePath('submitter'), '--password-file', PASSWORD_FILE],
      ...['--log', logUrl, '--redis', settings.redisUrl, '--timeout', String(timeoutMs / 1000), '--json'],
    ],
    {},
  )
  if (appended.status !== 0) throw new Error(`the entries were not appended\n${appended.said}`)
  const { entries, envelopes } = JSON.parse(appended.output) as { entries: number; envelopes: { height: string }[] }
  say(
    `${countOf(entries, 'entry')} acknowledged at height ${envelopes.at(-1)!.height}: certificate and inclusion checked`,
  )
  report.appended = JSON.parse(appended.output)

  const log = createLogReader({ url: logUrl })
  const registry = await openComponentRegistry(chain, { address: deployed.address })
  const head = await waitForHead(registry, { component: chronicle.component, size: BigInt(entries), timeoutMs })
  const anchored = await findAnchorTransaction(chain, chronicle.component)
  say(`anchored ${countOf(head.logSize, 'entry')}, root ${head.logRoot}`)
  say(`  transaction ${anchored.txHash}, gas ${anchored.gasUsed}`)
  report.anchor = { ...anchored, logSize: head.logSize, logRoot: head.logRoot, height: head.height }

  const verified = await verifyEntry(
    { chain, log },
    { index: BigInt(AGREED_INDEX), component: chronicle.component, registry: deployed.address },
  )
  const released = await releaseEscrow(payer, { log, verified })
  say('third party: ChronicleEscrow paid on the proven entry')
  say(`  transaction ${released.txHash}, gas ${released.gasUsed}`)
  report.escrow = released

  const verify = (url: string, index = AGREED_INDEX) =>
    runCli(['verify', String(index), '--log', url, '--rpc', settings.rpcUrl, '--config', config, '--json'])
  const checked = await verify(logUrl)
  if (checked.status !== 0) throw new Error(`coalition verify refused a true entry\n${checked.said}`)
  say(`coalition verify ${AGREED_INDEX}: ${(JSON.parse(checked.output) as Checked).statement.text}`)
  report.verified = JSON.parse(checked.output)

  const status = await runCli(['status', config, '--member', ...logUrls, '--rpc', settings.rpcUrl, '--json'])
  if (status.status !== 0)
    throw new Error(`coalition status found no quorum or an alarm\n${status.output}${status.said}`)
  const survey = JSON.parse(status.output) as Surveyed
  say(
    `coalition status: ${survey.responsive} of ${survey.members.length} members vote, a quorum is ${survey.quorum}; ` +
      `anchored height ${survey.anchor.height}, lag ${countOf(BigInt(survey.anchor.lagCommits), 'commit')}`,
  )
  report.status = survey

  const refused: Record<string, string> = {}
  const expectRefusal = (what: string, { status, said }: { status: number; said: string }): void => {
    if (status !== 1) throw new Error(`${what} was not refused (exit ${status})\n${said}`)
    const { code, message } = (JSON.parse(said.split('\n').at(-1)!) as { error: { code: string; message: string } })
      .error
    say(`coalition verify refused ${what}: ${code}: ${message}`)
    refused[what] = code
  }
  await withTamperedLog(logUrl, forgeEntry('no change', 'a change'), async (url) => {
    expectRefusal('a forged entry', await verify(url))
  })
  await withTamperedLog(logUrl, forgeCertificate, async (url) => {
    expectRefusal('a forged certificate', await verify(url))
  })
  const strangers = chronicle.signers.map(() => createKey().secretKey)
  const forgery = { head, certified: verified.commit }
  const deps = { registry, sender: payer, log, chronicle }
  refused['a forged certificate, by the registry'] = await expectRegistryRefusal('a forged certificate', () =>
    anchorForgery(deps, { ...forgery, isRewritten: false, secretKeys: strangers }),
  )
  const members = await Promise.all(
    chronicle.signers.map((_, index) => readKeystore({ path: keystorePath(`member-${index}`), password })),
  )
  refused['a log rewritten by all four members, by the registry'] = await expectRegistryRefusal(
    'a log rewritten and signed by all four members',
    () => anchorForgery(deps, { ...forgery, isRewritten: true, secretKeys: members.map((key) => key.secretKey) }),
  )
  report.refused = refused
  report.seconds = (Date.now() - startedAtMs) / 1000
  writeReport()
  if (options.keep) explain(settings, logUrls)
}

type Checked = { statement: { text: string } }
type Surveyed = {
  responsive: number
  quorum: number
  members: unknown[]
  anchor: { height: string; lagCommits: string }
}

async function waitForHead(
  registry: Awaited<ReturnType<typeof openComponentRegistry>>,
  { component, size, timeoutMs }: { component: Hex; size: bigint; timeoutMs: number },
) {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    let failure = new Error(`nothing was anchored within ${timeoutMs} ms`)
    try {
      const head = await registry.readHead({ component })
      if (head.logSize >= size) return head
    } catch (error) {
      if (!(error instanceof CoalitionError)) throw error
      if (error.code !== 'COMPONENT_UNKNOWN') {
        if (!error.isRetryable) throw error
        failure = error
      }
    }
    if (Date.now() > deadline) throw failure
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** The newest transaction that anchored something of `component`. */
async function findAnchorTransaction(chain: Chain, component: Hex): Promise<{ txHash: Hex; gasUsed: bigint }> {
  const logs = await chain.client.getLogs({ address: COMPONENT_REGISTRY_ADDRESS, fromBlock: 0n })
  const newest = logs.filter((entry) => entry.topics[1] === component).at(-1)
  if (newest === undefined) throw new Error('the anchor left no event')
  const { gasUsed } = await chain.client.getTransactionReceipt({ hash: newest.transactionHash })
  return { txHash: newest.transactionHash, gasUsed }
}

/** A third party's contract: deployed with terms that name an entry, it pays when it is shown the proof. */
async function releaseEscrow(
  payer: Sender,
  { log, verified }: { log: ReturnType<typeof createLogReader>; verified: Awaited<ReturnType<typeof verifyEntry>> },
) {
  const { component, head, index, entry, registry } = verified
  const statement = decodeOperatorStatement(entry)
  if (statement === undefined) throw new Error(`entry ${index} is no operator's statement`)
  const text = toHex(statement.statement)
  const beneficiary: Hex = `0x${'be'.repeat(20)}`
  const { client } = payer.chain
  const valueWei = 10n ** 15n
  const deployment = encodeDeployData({
    abi: chronicleEscrowAbi,
    bytecode: chronicleEscrowBytecode,
    args: [registry, component, statement.submitter, keccak256(text), beneficiary],
  })
  // Through the same proxy as the registry; a fresh salt, so that the demo can run again on a chain that stays.
  const salt = toHex(crypto.getRandomValues(new Uint8Array(32)))
  const escrow = getCreate2Address({ from: CREATE2_PROXY_ADDRESS, salt, bytecode: deployment })
  await payer.send({ to: CREATE2_PROXY_ADDRESS, data: `${salt}${deployment.slice(2)}`, valueWei })
  const beforeWei = await client.getBalance({ address: beneficiary })
  const proof = await log.proveInclusion({ index, size: head.logSize })
  const release = (bytes: Hex) =>
    encodeFunctionData({
      abi: chronicleEscrowAbi,
      functionName: 'release',
      args: [head, index, statement.sequence, statement.index, bytes, proof.map(toHex)],
    })
  const { transactionHash: txHash, gasUsed } = await payer.send({ to: escrow, data: release(text) })
  const paidWei = (await client.getBalance({ address: beneficiary })) - beforeWei
  if (paidWei !== valueWei) throw new Error('the escrow did not pay')
  return { escrow, txHash, gasUsed, paidWei }
}

async function expectRegistryRefusal(what: string, act: () => Promise<unknown>): Promise<string> {
  try {
    await act()
  } catch (error) {
    if (!(error instanceof CoalitionError) || error.code !== 'REGISTRY_REFUSED') throw error
    say(`the registry refused ${what}: ${error.message}`)
    return error.message
  }
  throw new Error(`the registry accepted ${what}`)
}

function writeReport(): void {
  const decimal = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value)
  writeFileSync(join(DIR, 'report.json'), `${JSON.stringify(report, decimal, 2)}\n`)
  writeFileSync(join(DIR, 'report.txt'), `${lines.join('\n')}\n`)
  say(`done; the report is in ${fromHere(join(DIR, 'report.json'))}`)
}

function explain(settings: DemoSettings, logUrls: readonly string[]): void {
  const config = fromHere(settings.config)
  const guide = `Everything goes on running. Look at it:
  curl ${logUrls[0]}/checkpoint
  curl ${logUrls[0]}/commit/anchor
  npx coalition verify 0 --log ${logUrls[0]} --rpc ${settings.rpcUrl} --config ${config}
  npx coalition chronicle append --config ${config} --file ${fromHere(join(EXAMPLE, 'entries.jsonl'))} \\
    --key ${fromHere(keystorePath('submitter'))} --password-file ${fromHere(PASSWORD_FILE)} \\
    --log ${logUrls[0]} --redis ${settings.redisUrl}
Stop it:
  npm run demo -- --stop`
  writeFileSync(GUIDE_FILE, `${guide}\n`)
  console.log(`\n${guide}`)
}

/** `path` as a command that is run from here takes it. */
function fromHere(path: string): string {
  return relative(process.cwd(), path)
}

/** Keeps a process in mind, and on disk at once: whoever comes after an interruption can still stop it. */
function record({ isService }: { isService: boolean }): (child: ChildProcess) => void {
  return (child) => {
    if (interruptedBy !== undefined) child.kill('SIGKILL')
    const identity = child.pid === undefined ? undefined : identifyProcess(child.pid)
    running.push({ child, record: identity && { ...identity, isService }, isService })
    writeFileSync(RUNNING_FILE, JSON.stringify(running.flatMap((one) => one.record ?? [])))
  }
}

/** Stops everything, except what --keep is to leave after a good end, and ends this process. */
function finish(exitCode: number): Promise<never> {
  finishing ??= (async () => {
    if (!options.keep || exitCode !== 0) {
      for (const isService of [false, true]) {
        await Promise.all(running.filter((one) => one.isService === isService).map(({ child }) => stopProcess(child)))
      }
      rmSync(RUNNING_FILE, { force: true })
    } else if (running.length > 0) renameSync(RUNNING_FILE, KEPT_FILE)
    rmSync(LOCK_FILE, { force: true })
    process.exit(exitCode)
  })()
  return finishing
}

/** Says the host alone: an address may hold a password. */
function describeServer(what: string, url: string | undefined): string {
  if (url === undefined || url === '') return `starting ${what}`
  return `using ${what} at ${(URL.canParse(url) && new URL(url).host) || '(not a URL)'}`
}

function readArguments(): { without: Set<number>; keep: boolean; stop: boolean; timeoutMs: number } {
  try {
    const { values } = parseArgs({
      options: {
        without: { type: 'string', multiple: true, default: [] },
        keep: { type: 'boolean', default: false },
        stop: { type: 'boolean', default: false },
        timeout: { type: 'string', default: '15' },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      process.exit(0)
    }
    if (values.stop && process.argv.length > 3) throw new Error('--stop goes with no other option')
    const without = new Set(values.without.map(toMemberIndex))
    if (without.size === MEMBER_COUNT) throw new Error('--without leaves no member')
    const timeoutMs = 1000 * Number(values.timeout)
    if (!(timeoutMs > 0 && timeoutMs < Infinity)) throw new Error('--timeout takes a number of seconds')
    return { without, keep: values.keep, stop: values.stop, timeoutMs }
  } catch (error) {
    console.error(`demo: ${error instanceof Error ? error.message : error}\n${USAGE}`)
    process.exit(2)
  }
}

function toMemberIndex(text: string): number {
  const index = /^\d$/.test(text) ? Number(text) : MEMBER_COUNT
  if (index >= MEMBER_COUNT) throw new Error(`--without takes a member from 0 to ${MEMBER_COUNT - 1}`)
  return index
}
