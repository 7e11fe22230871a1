import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type HashTypedDataParameters, hashTypedData } from 'viem'
import { createKey, readKeystore, type UnlockedKey, writeKeystore } from '../../client/keystore.ts'
import { type Component, readComponent } from '../../client/readComponent.ts'
import type { Hex } from '../../protocol/bytes.ts'
import type { EnvelopeTypedData } from '../../protocol/wire/envelopeTypedData.ts'
import { signDigest } from '../../protocol/wire/signature.ts'
import {
  type CliResult,
  type DemoProcess,
  EXAMPLE_CONFIG,
  keystorePath,
  PASSWORD_FILE,
  runCli,
} from '../../scripts/demo/committee.ts'
import { stopProcess } from '../../scripts/services.ts'
import { startCommittee, startWorld, until, type World } from '../integration/world.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'

const SUCCESSOR: Hex = `0x${'5c'.repeat(32)}`
const dir = createTestDir()
const password = readFileSync(PASSWORD_FILE, 'utf8').split('\n')[0]!

/** Real members, an anchorer, a Redis and a chain. The tests below go through one component's life, in their order. */
let world: World
let chronicle: Component
let readHead: () => Promise<{ epoch: bigint; logSize: bigint; retired: boolean }>
let members: DemoProcess[]
/** Keys of members 0 to 5, of whom the config names the first four. */
let keys: UnlockedKey[]
let entriesCount = 0

const keystoreOf = (index: number): string =>
  index < 4 ? keystorePath(`member-${index}`) : join(dir, `key-${index}.json`)

before(async () => {
  world = await startWorld()
  chronicle = await readComponent(EXAMPLE_CONFIG, { kind: 'chronicle' })
  const { component } = chronicle
  readHead = () => world.registry.readHead({ component })
  keys = await Promise.all(
    [0, 1, 2, 3, 4, 5].map(async (index) => {
      if (index < 4) return await readKeystore({ path: keystoreOf(index), password })
      const key = createKey()
      await writeKeystore(key, { path: keystoreOf(index), password })
      return key
    }),
  )
  const settings = { ...world, config: EXAMPLE_CONFIG, dir }
  members = await startCommittee(
    settings,
    keys.map((_, index) => keystoreOf(index)),
  )
})
after(() => world.stop())

const seatsOf = (indexes: readonly number[]) =>
  indexes
    .map((index) => keys[index]!)
    .map(({ signer, noteKey }) => ({ signer, noteKey }))
    .sort((a, b) => (a.signer < b.signer ? -1 : 1))

function membersFile(indexes: readonly number[]): string {
  const path = join(dir, `next-${indexes.join('')}.json`)
  writeFileSync(path, JSON.stringify(seatsOf(indexes), null, 2))
  return path
}

const KEY = ['--password-file', PASSWORD_FILE] as const

/** `coalition committee WORDS` of the operator of member `index`, on the log of member `from`. */
const approve = (index: number, words: readonly string[], from = index): Promise<CliResult> =>
  runCli([
    ...['committee', ...words, '--config', EXAMPLE_CONFIG, '--log', members[from]!.url, '--redis', world.redisUrl],
    ...['--key', keystoreOf(index), ...KEY, '--json'],
  ])

function outputOf<T = Record<string, unknown>>({ status, output, said }: CliResult): T {
  assert.equal(status, 0, said)
  return JSON.parse(output) as T
}

function refusalOf({ status, output, said }: CliResult, { isSilent = true } = {}): { code: string; message: string } {
  assert.equal(status, 1, `${output}${said}`)
  if (isSilent) assert.equal(output, '')
  return (JSON.parse(said.split('\n').at(-1)!) as { error: { code: string; message: string } }).error
}

/** Appends one entry through the log of member `from`. */
async function append(from: number): Promise<CliResult> {
  const file = join(dir, 'entry.jsonl')
  writeFileSync(file, `{"n":${entriesCount}}\n`)
  return await runCli([
    ...['chronicle', 'append', '--config', EXAMPLE_CONFIG, '--file', file, '--key', keystorePath('submitter'), ...KEY],
    ...['--log', members[from]!.url, '--redis', world.redisUrl, '--json'],
  ])
}

/** Appends an entry, waits until it is anchored, and verifies it and the first of all. Returns the anchored epoch. */
async function appendAndVerify(from: number): Promise<string> {
  const { envelopes } = outputOf<{ envelopes: { firstIndex: string }[] }>(await append(from))
  entriesCount += 1
  const { firstIndex } = envelopes[0]!
  await until(async () => (await readHead()).logSize > BigInt(firstIndex))
  const [newest, oldest] = await Promise.all([verify(from, firstIndex), verify(from, '0')])
  assert.equal(outputOf<Checked>(newest).statement.text, `{"n":${entriesCount - 1}}`)
  return outputOf<Checked>(oldest).head.epoch
}

type Checked = { head: { epoch: string }; statement: { text: string }; retirement: unknown }
const verify = (from: number, index: string): Promise<CliResult> =>
  runCli(['verify', index, '--log', members[from]!.url, '--rpc', world.rpcUrl, '--config', EXAMPLE_CONFIG, '--json'])

const survey = (of: readonly number[]): Promise<CliResult> =>
  runCli([
    ...['status', EXAMPLE_CONFIG, '--member', ...of.map((index) => members[index]!.url)],
    ...['--rpc', world.rpcUrl, '--json'],
  ])

test('an approval is printed for a key elsewhere to sign, sent with its signature, and counted once', async () => {
  const words = ['committee', 'rotate', '--members', membersFile([1, 2, 3, 4]), '--config', EXAMPLE_CONFIG]
  const { signer, secretKey } = keys[0]!
  const rest = ['--log', members[0]!.url, '--redis', world.redisUrl, '--signer', signer, '--json']
  const toSign = outputOf<{ digest: Hex; sequence: string; typedData: EnvelopeTypedData }>(
    await runCli([...words, ...rest, '--print']),
  )
  const { typedData, digest, sequence } = toSign
  const message = { ...typedData.message, sequence: BigInt(typedData.message.sequence) }
  assert.equal(hashTypedData({ ...typedData, message } as unknown as HashTypedDataParameters), digest)
  const compact = signDigest(digest, secretKey)
  // As most wallets give it: r, s without the parity, and a recovery id behind it.
  const top = Number.parseInt(compact.slice(66, 68), 16)
  const s0 = (top & 0x7f).toString(16).padStart(2, '0')
  const signature = `${compact.slice(0, 66)}${s0}${compact.slice(68)}${top >> 7 === 1 ? '1c' : '1b'}`
  const sent = outputOf(await runCli([...words, ...rest, '--signature', signature, '--sequence', sequence]))
  assert.deepEqual(
    [sent.status, sent.isSent, sent.epoch, sent.quorum, sent.approvedBy],
    ['waiting', true, '0', 3, [signer]],
  )
  const again = outputOf(await approve(0, ['rotate', '--members', membersFile([1, 2, 3, 4])]))
  assert.deepEqual([again.status, again.isSent, again.command], ['waiting', false, sent.command])
  const shown = outputOf<{ approvals: unknown }>(
    await runCli(['committee', 'show', EXAMPLE_CONFIG, '--log', members[0]!.url, '--json']),
  )
  assert.deepEqual(shown.approvals, [{ command: sent.command, members: [signer] }])
})

test('the quorum’s last approval rotates the committee; those who come later find it done', async () => {
  assert.equal(await appendAndVerify(0), '0')
  const words = ['rotate', '--members', membersFile([1, 2, 3, 4])]
  const second = outputOf(await approve(1, words))
  assert.deepEqual([second.status, (second.approvedBy as string[]).length], ['waiting', 2])
  const third = outputOf(await approve(2, words))
  assert.deepEqual([third.status, third.isSent, third.epoch], ['decided', true, '0'])
  for (const index of [0, 3]) {
    const { status, isSent, epoch, height } = outputOf(await approve(index, words, 3))
    assert.deepEqual([status, isSent, epoch, height], ['decided', false, '0', third.height])
  }
})

test('under the new committee, with a member of the first one gone: append, verify and status', async () => {
  await stopProcess(members[0]!.child)
  assert.equal(await appendAndVerify(4), '1')
  const {
    epoch,
    margin,
    alarms,
    members: seats,
  } = outputOf<{
    epoch: string
    margin: number
    alarms: string[]
    members: { signer: Hex; standing: string }[]
  }>(await survey([1, 2, 3, 4]))
  assert.deepEqual([epoch, margin, alarms], ['1', 1, []])
  assert.deepEqual(
    seats.map(({ signer }) => signer),
    seatsOf([1, 2, 3, 4]).map(({ signer }) => signer),
  )
  const left = refusalOf(await approve(0, ['rotate', '--members', membersFile([2, 3, 4, 5])], 1))
  assert.equal(left.code, 'NOT_A_MEMBER')
})

test('after a second rotation, with two of the first committee gone: append, verify and status', async () => {
  const words = ['rotate', '--members', membersFile([2, 3, 4, 5])]
  const states = [await approve(1, words), await approve(3, words), await approve(4, words)].map((run) => outputOf(run))
  assert.deepEqual(
    states.map(({ status, epoch }) => [status, epoch]),
    [
      ['waiting', '1'],
      ['waiting', '1'],
      ['decided', '1'],
    ],
  )
  await stopProcess(members[1]!.child)
  assert.equal(await appendAndVerify(5), '2')
  const { epoch, margin } = outputOf<{ epoch: string; margin: number }>(await survey([2, 3, 4, 5]))
  assert.deepEqual([epoch, margin], ['2', 1])
  const shown = outputOf<{ epochs: { committeeHash: Hex }[] }>(
    await runCli(['committee', 'show', EXAMPLE_CONFIG, '--log', members[2]!.url, '--json']),
  )
  assert.equal(shown.epochs.length, 3)
})

test('a quorum retires the component: whoever binds to it is told its successor, and what it logged stays true', async () => {
  const words = ['retire', '--successor', SUCCESSOR, '--reason', 'replaced']
  const states = [await approve(2, words), await approve(3, words), await approve(5, words)].map((run) => outputOf(run))
  assert.deepEqual(
    states.map(({ status }) => status),
    ['waiting', 'waiting', 'decided'],
  )
  const done = outputOf(await approve(4, words))
  assert.deepEqual([done.status, done.isSent, done.height], ['decided', false, states[2]!.height])
  for (const refused of [
    await append(5),
    await approve(4, ['retire', '--successor', 'none', '--reason', 'replaced']),
    await approve(4, ['rotate', '--members', membersFile([1, 2, 3, 4])]),
  ]) {
    const { code, message } = refusalOf(refused)
    assert.equal(code, 'COMPONENT_RETIRED')
    assert.ok(message.includes(SUCCESSOR) && message.includes('replaced'), message)
  }
  await until(async () => (await readHead()).retired)
  assert.deepEqual(outputOf<Checked>(await verify(5, '0')).retirement, { successor: SUCCESSOR, reason: 'replaced' })
  const surveyed = await survey([2, 3, 4, 5])
  assert.equal(refusalOf(surveyed, { isSilent: false }).code, 'COMPONENT_RETIRED')
  const { retirement, alarms } = JSON.parse(surveyed.output) as { retirement: { successor: Hex }; alarms: string[] }
  assert.deepEqual([retirement.successor, alarms], [SUCCESSOR, []])
})
