import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Head } from '../../chain/head.ts'
import { createEpochs, verifyCommit } from '../../client/epochs.ts'
import { createLogReader, type LogReader } from '../../client/logReader.ts'
import { type Component, readComponent } from '../../client/readComponent.ts'
import { verifyEntry } from '../../client/verifyEntry.ts'
import { fromHex } from '../../protocol/bytes.ts'
import { hashLeaf } from '../../protocol/log/treeHash.ts'
import { verifyInclusion } from '../../protocol/log/verifyInclusion.ts'
import { type AlmanacTick, decodeAlmanacTick } from '../../protocol/wire/almanacTick.ts'
import type { VerifiedCommit } from '../../protocol/wire/certificate.ts'
import { type DemoProcess, type DemoSettings, restartMember, runCli } from '../../scripts/demo/committee.ts'
import { stopProcess } from '../../scripts/services.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'
import { CHAIN_ID, readSeats, startCommittee, startWorld, until, type World } from './world.ts'

const INDEXES = [0, 1, 2, 3]
const QUORUM = 3
const TICK_EVERY_MS = 500n

/** An Almanac of four members and an anchorer, as processes. */
const dir = createTestDir()
const config = join(dir, 'coalition.json')
let world: World
let settings: DemoSettings
let almanac: Component
let members: DemoProcess[]
let logs: LogReader[]
before(async () => {
  world = await startWorld()
  const cadence = { anchorEveryCommits: 4, anchorEverySeconds: 1 }
  const file = {
    schemaVersion: 1,
    name: 'almanac.test',
    home: { chainId: CHAIN_ID, registry: world.registry.address },
    modules: {
      almanac: { members: readSeats(), parameters: { tickEveryMs: Number(TICK_EVERY_MS), ...cadence } },
      chronicle: { members: readSeats(), parameters: { submitters: [`0x${'11'.repeat(20)}`], ...cadence } },
    },
  }
  writeFileSync(config, JSON.stringify(file))
  settings = { ...world, config, component: 'almanac', dir }
  members = await startCommittee(settings)
  logs = members.map(({ url }) => createLogReader({ url }))
  almanac = await readComponent(config, { kind: 'almanac' })
})
after(() => world.stop())

/** The newest commit that `log` serves, where it covers `size` entries, its certificate verified. */
const commitOf = (log: LogReader, size: bigint): Promise<VerifiedCommit> =>
  until(async () => {
    const { height } = await log.readStatus()
    if (height === 0n) return undefined
    const { commit, certificate } = await log.readCommit(height)
    if (commit.logSize < size) return undefined
    return verifyCommit(createEpochs(almanac), { commit, certificate })
  })

/** `count` entries under a certified commit from `first` on, each proven. */
const entriesOf = (
  log: LogReader,
  { commit: { logSize: size, logRoot } }: VerifiedCommit,
  { first, count }: { first: bigint; count: number },
): Promise<Uint8Array[]> =>
  Promise.all(
    Array.from({ length: count }, async (_, place) => {
      const index = first + BigInt(place)
      const [entry, proof] = await Promise.all([log.readEntry({ index, size }), log.proveInclusion({ index, size })])
      verifyInclusion({ index, size, root: fromHex(logRoot), leafHash: hashLeaf(entry), proof })
      return entry
    }),
  )

/** The chain's head of the component, once it covers `size` entries. */
const headOf = (size: bigint): Promise<Head> =>
  until(async () => {
    const head = await world.registry.readHead({ component: almanac.component })
    return head.logSize >= size && head
  })

test('an Almanac ticks with nobody’s command, each tick with a quorum’s clocks, and goes on after all members were killed', async () => {
  /** Four ticks from entry `first` on, checked. */
  const ticksOf = async (log: LogReader, first: bigint): Promise<AlmanacTick[]> => {
    const commit = await commitOf(log, first + 4n)
    const ticks = (await entriesOf(log, commit, { first, count: 4 })).map((entry) => decodeAlmanacTick(entry)!)
    for (const [index, { seq, timestampMs, observedAt }] of ticks.entries()) {
      assert.equal(seq, first + BigInt(index + 1))
      if (index > 0) assert.ok(timestampMs >= ticks[index - 1]!.timestampMs + TICK_EVERY_MS, `tick ${seq}`)
      const observers = observedAt.map(({ member }) => member)
      assert.ok(observers.length >= QUORUM, `${observers.length} members observed tick ${seq}`)
      assert.equal(new Set(observers).size, observers.length)
      assert.ok(observers.every((member) => almanac.signers.includes(member)))
      // A member votes for no time that is further ahead of its own clock (spec §5.2).
      assert.ok(observedAt.every(({ observedAtMs }) => observedAtMs >= timestampMs - 500n))
    }
    return ticks
  }
  const first = await ticksOf(logs[0]!, 0n)
  const head = await headOf(1n)
  const on = { component: almanac.component, registry: world.registry.address }
  const { entry } = await verifyEntry({ chain: world.chain, log: logs[1]! }, { index: 0n, ...on })
  assert.deepEqual(decodeAlmanacTick(entry), first[0])
  const [url] = members.map((each) => each.url)
  const rpc = ['--rpc', world.rpcUrl]
  const verified = await runCli([
    ...['verify', '0', '--log', url!, '--config', config, '--component', 'almanac', '--json'],
    ...rpc,
  ])
  assert.equal(verified.status, 0, verified.said)
  assert.equal(JSON.parse(verified.output).component, almanac.component)
  assert.ok(head.anchorIndex >= 1n)
  const urls = members.map((each) => each.url)
  const status = await runCli(['status', config, '--component', 'almanac', '--member', ...urls, ...rpc, '--json'])
  assert.equal(status.status, 0, status.output + status.said)
  const survey = JSON.parse(status.output)
  assert.deepEqual([survey.component, survey.responsive, survey.alarms], [almanac.component, 4, []])
  const shown = await runCli(['committee', 'show', config, '--component', 'almanac', '--log', url!, '--json'])
  assert.equal(shown.status, 0, shown.said)
  assert.equal(JSON.parse(shown.output).component, almanac.component)

  await Promise.all(
    members.map(({ child }) => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      return ended
    }),
  )
  members = await Promise.all(INDEXES.map((index) => restartMember(settings, { index })))
  const log = createLogReader({ url: members[3]!.url })
  const { commit } = await commitOf(log, 4n)
  await ticksOf(log, commit.logSize - 1n)
  assert.deepEqual(await ticksOf(log, 0n), first)
})

test('a member refuses to run a component that the config does not ship, and one whose store it does not have', async () => {
  await stopProcess(members[0]!.child)
  await assert.rejects(
    restartMember({ ...settings, component: 'atlas' }, { index: 0 }),
    /NO_COMPONENT.*modules\.atlas is missing/,
  )
  // Its store is the Almanac's, and its key has a seat in both.
  await assert.rejects(restartMember({ ...settings, component: 'chronicle' }, { index: 0 }), /"code":"STORE"/)
})
