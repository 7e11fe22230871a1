import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createLogReader } from '../../client/logReader.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionConfig } from '../../protocol/identity/coalition.ts'
import type { CoalitionFile } from '../../protocol/identity/configFile.ts'
import { type ChronicleEntry, decodeChronicleEntry } from '../../protocol/wire/chronicleEntry.ts'
import { deriveCommitDigest } from '../../protocol/wire/commit.ts'
import {
  type CliResult,
  type DemoProcess,
  EXAMPLE_CONFIG,
  keystorePath,
  PASSWORD_FILE,
  runCli,
  startMember,
} from '../../scripts/demo/committee.ts'
import { type Service, startRedis, stopProcess } from '../../scripts/services.ts'
import { createTestCommittee } from '../chain/testCommittee.ts'
import { type ScriptedLog, startScriptedLog } from '../workers/chronicle-anchor/scriptedLog.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'

/**
 * A Chronicle of one real member, and the log of an Atlas whose committee's keys are the test's. The tests go through one
 * coalition's life, in their order.
 */
const dir = createTestDir()
const atlasGenesis = createTestCommittee({ name: 'atlas 0', memberCount: 4 })
const atlasNext = { name: 'atlas 1', memberCount: 3 }
const SUCCESSOR: Hex = `0x${'5c'.repeat(32)}`
const children: ChildProcess[] = []
let redis: Service
let member: DemoProcess
let atlas: ScriptedLog
let config: CoalitionConfig
/** The operator's file, which spells out the Chronicle alone: the Atlas is there by its hash. */
let file: CoalitionFile

before(async () => {
  redis = await startRedis({ isPrivate: true })
  const example = JSON.parse(readFileSync(EXAMPLE_CONFIG, 'utf8')) as CoalitionFile
  const { chronicle } = example.modules!
  const seat = JSON.parse(readFileSync(keystorePath('member-0'), 'utf8')) as { address: string }
  const signer: Hex = `0x${seat.address.replace(/^0x/, '').toLowerCase()}`
  const { $schema: _schema, ...rest } = example
  file = {
    ...rest,
    name: 'audited.test',
    modules: {
      chronicle: { ...chronicle, members: chronicle!.members!.filter((each) => each.signer === signer) },
      atlas: { contentHash: `0x${'cc'.repeat(32)}`, committee: atlasGenesis.hash },
    },
  }
  config = new CoalitionConfig(file)
  atlas = await startScriptedLog({ component: config.atlas()!.componentKey(), committee: atlasGenesis })
  const start = { onStart: (child: ChildProcess) => void children.push(child) }
  const settings = { redisUrl: redis.url, rpcUrl: '', config: writeFile('coalition.json', file), dir, start }
  member = await startMember(settings, { index: 0 })
})
after(async () => {
  await Promise.all(children.map(stopProcess))
  await atlas.close()
  await redis.stop()
})

function writeFile(name: string, content: unknown): string {
  const path = join(dir, name)
  writeFileSync(path, JSON.stringify(content))
  return path
}

const asSubmitter = (): string[] => [
  ...['--key', keystorePath('submitter'), '--password-file', PASSWORD_FILE, '--log', member.url],
  ...['--redis', redis.url, '--json'],
]
const publish = (path: string): Promise<CliResult> => runCli(['chronicle', 'publish', path, ...asSubmitter()])
const record = (epoch: number, ...words: string[]): Promise<CliResult> =>
  runCli([
    ...['chronicle', 'record', '--config', join(dir, 'coalition.json'), '--component', 'atlas', '--from', atlas.url],
    ...['--epoch', String(epoch), ...words, ...asSubmitter()],
  ])
const genesisFile = (): string[] => ['--members', writeFile('atlas-members.json', atlasGenesis.members)]

function outputOf({ status, output, said }: CliResult): Record<string, unknown> & { height: string; index: string } {
  assert.equal(status, 0, said)
  return JSON.parse(output)
}

function refusalOf({ status, output, said }: CliResult, expected: 1 | 2 = 1): { code: string; message: string } {
  assert.equal(status, expected, `${output}${said}`)
  assert.equal(output, '')
  return (JSON.parse(said.split('\n').at(-1)!) as { error: { code: string; message: string } }).error
}

/** All entries of the log from `index` on. */
async function readEntries(index: string, height: string): Promise<(ChronicleEntry | undefined)[]> {
  const log = createLogReader({ url: member.url })
  const size = (await log.readCommit(BigInt(height))).commit.logSize
  const entries = await log.readEntries({ index: BigInt(index), size })
  return entries.slice(Number(index)).map(decodeChronicleEntry)
}

test('chronicle record: is refused before a config is published that names the component', async () => {
  atlas.decide(['one'])
  atlas.rotate(atlasNext)
  const refusal = refusalOf(await record(0, ...genesisFile()))
  assert.equal(refusal.code, 'SUBMISSION_REFUSED')
  assert.match(refusal.message, /No config that was published here names component/)
})

test('chronicle publish: a config enters with all its citizens', async () => {
  const published = outputOf(await publish(join(dir, 'coalition.json')))
  assert.equal(published.coalitionId, config.coalitionId())
  const entries = await readEntries(published.index, published.height)
  assert.deepEqual(
    entries.map((entry) => entry?.kind),
    ['coalitionPublished', ...Array(5).fill('citizenAdded')],
  )
})

test('chronicle publish: the next one supersedes it, and says who came and who left', async () => {
  const lattices = [...file.lattices!.slice(1), { name: 'base.sepolia', chainId: 84_532 }]
  const next = new CoalitionConfig({ ...file, lattices })
  const published = outputOf(await publish(writeFile('next.json', { ...file, lattices })))
  const entries = await readEntries(published.index, published.height)
  const coalitionId = next.coalitionId()
  assert.deepEqual(entries.slice(1), [
    { kind: 'coalitionSuperseded', coalitionId: config.coalitionId(), supersededBy: coalitionId },
    { kind: 'citizenRemoved', coalitionId, citizen: config.lattices[0]!.stableId(), citizenKind: 'lattice' },
    {
      kind: 'citizenAdded',
      coalitionId,
      citizen: next.lattices.at(-1)!.stableId(),
      citizenKind: 'lattice',
      label: 'base.sepolia',
    },
  ])
  const again = refusalOf(await publish(join(dir, 'next.json')))
  assert.match(again.message, /is the one that was published last/)
})

test('chronicle record: refuses what it cannot show, before anything is sent', async () => {
  assert.equal(refusalOf(await record(0), 2).code, 'GENESIS_UNKNOWN')
  const others = ['--members', writeFile('others.json', createTestCommittee(atlasNext).members)]
  assert.equal(refusalOf(await record(0, ...others), 2).code, 'HASH_MISMATCH')
  assert.equal(refusalOf(await record(1, ...genesisFile())).code, 'EPOCH_NOT_ENDED')
  const words = ['--component', 'compute', ...genesisFile()]
  assert.equal(refusalOf(await record(0, ...words), 2).code, 'COMPONENT_NOT_NAMED')
})

test('chronicle record: a rotation and a retirement of another component enter with their proof, once each', async () => {
  const { commit } = await createLogReader({ url: atlas.url }).readEpochEnd(0n)
  const rotated = outputOf(await record(0, ...genesisFile()))
  const [rotation] = await readEntries(rotated.index, rotated.height)
  assert.equal(rotated.commitDigest, deriveCommitDigest(commit))
  assert.deepEqual(rotation, {
    kind: 'committeeRotated',
    component: config.atlas()!.componentKey(),
    componentKind: 'atlas',
    componentId: config.atlas()!.componentId(),
    height: commit.height,
    timestampMs: commit.timestampMs,
    commitDigest: deriveCommitDigest(commit),
    newEpoch: 1n,
    newCommitteeHash: createTestCommittee(atlasNext).hash,
  } satisfies ChronicleEntry)
  assert.match(refusalOf(await record(0, ...genesisFile())).message, /epoch 1 comes next here/)

  atlas.retire({ successor: SUCCESSOR, reason: 'replaced' })
  const retired = outputOf(await record(1, ...genesisFile()))
  const [retirement] = await readEntries(retired.index, retired.height)
  assert.ok(retirement?.kind === 'moduleRetired')
  assert.deepEqual([retirement.successor, retirement.reason], [SUCCESSOR, 'replaced'])
  assert.match(refusalOf(await record(1, ...genesisFile())).message, /is recorded already/)
})

test('chronicle search: finds entries by kind, citizen and time, each proven, and says what they say', async () => {
  const words = ['chronicle', 'search', '--config', join(dir, 'coalition.json'), '--log', member.url]
  const search = (...more: string[]): Promise<CliResult> => runCli([...words, ...more])
  type Found = { hits: { kind: string; decoded: { kind: string; citizen: Hex } }[]; size: string; isComplete: boolean }
  const log = createLogReader({ url: member.url })
  const { size } = JSON.parse(await (await fetch(`${member.url}/health`)).text()) as { size: string }
  // The index follows the log, and nothing waits for it.
  while ((await log.readSearch({})).size < BigInt(size)) await new Promise((resolve) => setTimeout(resolve, 50))

  const left = config.lattices[0]!
  const about = outputOf(await search('--citizen', left.citizenId(), '--json')) as unknown as Found
  assert.deepEqual(
    about.hits.map(({ decoded }) => [decoded.kind, decoded.citizen]),
    [
      ['citizenAdded', left.stableId()],
      ['citizenRemoved', left.stableId()],
    ],
  )
  const text = await search('--kind', 'moduleRetired', '--from', '2020-01-01T00:00:00Z')
  assert.equal(text.status, 0, text.said)
  const [line, end] = text.output.split('\n')
  assert.match(line!, /^\d+ {2}\S+Z {2}height \d+ {2}the atlas 0x\w+ retired .* reason: "replaced"$/)
  assert.equal(end, `no more among the ${size} entries that the index has`)
  const none = outputOf(await search('--to', '2020-01-01T00:00:00Z', '--json')) as unknown as Found
  assert.deepEqual([none.hits, none.isComplete], [[], true])
  assert.equal((await search('--kind', 'rumour')).status, 2)
})
