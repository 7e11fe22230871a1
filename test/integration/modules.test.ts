import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type ComponentRegistry, ComponentUnknownError, openComponentRegistry } from '../../chain/componentRegistry.ts'
import { type Chain, connectChain } from '../../chain/connectChain.ts'
import { createSender } from '../../chain/createSender.ts'
import { deployRegistry } from '../../chain/deployRegistry.ts'
import type { Head } from '../../chain/head.ts'
import { Atlas } from '../../client/atlas.ts'
import { createEpochs, verifyCommit } from '../../client/epochs.ts'
import { readKeystore, type UnlockedKey } from '../../client/keystore.ts'
import { createLogReader, type LogReader, NotInLogError } from '../../client/logReader.ts'
import { readPasswordFile } from '../../client/passwordFile.ts'
import { type Component, type ComponentKind, readComponent } from '../../client/readComponent.ts'
import { createSubmitter } from '../../client/submit.ts'
import { verifyEntry } from '../../client/verifyEntry.ts'
import { fromHex, type Hex, isEqualBytes, toHex } from '../../protocol/bytes.ts'
import { hashLeaf } from '../../protocol/log/treeHash.ts'
import { verifyInclusion } from '../../protocol/log/verifyInclusion.ts'
import { type AlmanacTick, decodeAlmanacTick } from '../../protocol/wire/almanacTick.ts'
import type { VerifiedCommit } from '../../protocol/wire/certificate.ts'
import { signEnvelope } from '../../protocol/wire/envelope.ts'
import { encodeTicketIssued, HEARTBEAT_TYPEHASH, hashTicket } from '../../protocol/wire/ticket.ts'
import { encodeTicketCommand } from '../../protocol/wire/ticketCommand.ts'
import {
  type DemoProcess,
  type DemoSettings,
  keystorePath,
  PASSWORD_FILE,
  restartMember,
  runCli,
  startAnchorer,
  startMember,
} from '../../scripts/demo/committee.ts'
import { type Service, startChain, startRedis, stopProcess } from '../../scripts/services.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'

// Public: the first account of every Hardhat node.
const PAYER = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const CITIZEN: Hex = `0x${'c1'.repeat(32)}`
const INDEXES = [0, 1, 2, 3]
const QUORUM = 3
const TICK_EVERY_MS = 500n

/** One config, one Redis and one chain for three committees of the same four keys: each component by real processes. */
const dir = createTestDir()
const config = join(dir, 'coalition.json')
const children: ChildProcess[] = []
let redis: Service
let chainService: Service
let chain: Chain
let registry: ComponentRegistry
let submitter: UnlockedKey
before(async () => {
  ;[redis, chainService] = await Promise.all([startRedis({ isPrivate: true }), startChain({ isPrivate: true })])
  chain = await connectChain({ rpcUrl: chainService.url, chainId: 31_337n })
  const sender = createSender(chain, { secretKey: fromHex(PAYER) })
  registry = await openComponentRegistry(chain, await deployRegistry(sender))
  const password = readPasswordFile(PASSWORD_FILE)
  submitter = await readKeystore({ path: keystorePath('submitter'), password })
  const anchorer = await readKeystore({ path: keystorePath('anchorer'), password })
  await sender.send({ to: anchorer.signer, data: '0x', valueWei: 10n ** 18n })
  writeConfig()
})
after(async () => {
  await Promise.all(children.map(stopProcess))
  await Promise.all([redis.stop(), chainService.stop()])
})

function writeConfig(): void {
  const members = INDEXES.map((index) => {
    const { address, noteKey } = JSON.parse(readFileSync(keystorePath(`member-${index}`), 'utf8'))
    return { signer: `0x${address}`, noteKey }
  }).sort((a, b) => (a.signer < b.signer ? -1 : 1))
  const cadence = { anchorEveryCommits: 4, anchorEverySeconds: 1 }
  const submitters = [submitter.signer]
  const citizens = [{ citizen: CITIZEN, cardSigner: submitter.signer }]
  const file = {
    schemaVersion: 1,
    name: 'modules.test',
    home: { chainId: 31_337, registry: registry.address },
    modules: {
      atlas: { members, parameters: { submitters, citizens, ...cadence } },
      almanac: { members, parameters: { tickEveryMs: Number(TICK_EVERY_MS), ...cadence } },
    },
    ticketIssuer: {
      name: 'modules.tickets',
      members,
      parameters: { issuers: submitters, ...cadence, heartbeatEverySeconds: 1 },
    },
  }
  writeFileSync(config, JSON.stringify(file))
}

type Running = {
  component: Component
  settings: DemoSettings
  members: DemoProcess[]
  logs: LogReader[]
  stop(): Promise<void>
}

async function startCommittee(kind: ComponentKind): Promise<Running> {
  const own: ChildProcess[] = []
  const onStart = (child: ChildProcess) => {
    own.push(child)
    children.push(child)
  }
  const settings = {
    ...{ redisUrl: redis.url, rpcUrl: chainService.url, config, component: kind, dir: join(dir, kind) },
    start: { onStart },
  }
  const members = await Promise.all(INDEXES.map((index) => startMember(settings, { index })))
  const logUrls = members.map(({ url }) => url)
  await startAnchorer(settings, { logUrls })
  return {
    component: await readComponent(config, { kind }),
    settings,
    members,
    logs: logUrls.map((url) => createLogReader({ url })),
    stop: async () => void (await Promise.all(own.map(stopProcess))),
  }
}

/** Asks until there is an answer; the suite's own deadline ends what never comes. */
async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** The newest commit that `log` serves, where it covers `size` entries, its certificate verified. */
const commitOf = ({ component, logs }: Running, size: bigint, log = logs[0]!): Promise<VerifiedCommit> =>
  until(async () => {
    const { height } = await log.readStatus()
    if (height === 0n) return undefined
    const { commit, certificate } = await log.readCommit(height)
    if (commit.logSize < size) return undefined
    return verifyCommit(createEpochs(component), { commit, certificate })
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
const headOf = ({ component: { component } }: Running, size: bigint): Promise<Head> =>
  until(async () => {
    try {
      const head = await registry.readHead({ component })
      return head.logSize >= size ? head : undefined
    } catch (error) {
      if (error instanceof ComponentUnknownError) return undefined
      throw error
    }
  })

test('an Almanac ticks with nobody’s command, each tick with a quorum’s clocks, and goes on after all members were killed', async () => {
  const running = await startCommittee('almanac')
  const { component, settings, members, logs } = running
  /** Four ticks from entry `first` on, checked. */
  const ticksOf = async (log: LogReader, first: bigint): Promise<AlmanacTick[]> => {
    const commit = await commitOf(running, first + 4n, log)
    const ticks = (await entriesOf(log, commit, { first, count: 4 })).map((entry) => decodeAlmanacTick(entry)!)
    for (const [index, { seq, timestampMs, observedAt }] of ticks.entries()) {
      assert.equal(seq, first + BigInt(index + 1))
      if (index > 0) assert.ok(timestampMs >= ticks[index - 1]!.timestampMs + TICK_EVERY_MS, `tick ${seq}`)
      const observers = observedAt.map(({ member }) => member)
      assert.ok(observers.length >= QUORUM, `${observers.length} members observed tick ${seq}`)
      assert.equal(new Set(observers).size, observers.length)
      assert.ok(observers.every((member) => component.signers.includes(member)))
      // A member votes for no time that is further ahead of its own clock (spec §5.2).
      assert.ok(observedAt.every(({ observedAtMs }) => observedAtMs >= timestampMs - 500n))
    }
    return ticks
  }
  const first = await ticksOf(logs[0]!, 0n)
  const head = await headOf(running, 1n)
  const on = { component: component.component, registry: registry.address }
  const { entry } = await verifyEntry({ chain, log: logs[1]! }, { index: 0n, ...on })
  assert.deepEqual(decodeAlmanacTick(entry), first[0])
  const [url] = members.map((each) => each.url)
  const rpc = ['--rpc', chainService.url]
  const verified = await runCli([
    ...['verify', '0', '--log', url!, '--config', config, '--component', 'almanac', '--json'],
    ...rpc,
  ])
  assert.equal(verified.status, 0, verified.said)
  assert.equal(JSON.parse(verified.output).component, component.component)
  assert.ok(head.anchorIndex >= 1n)
  const urls = members.map((each) => each.url)
  const status = await runCli(['status', config, '--component', 'almanac', '--member', ...urls, ...rpc, '--json'])
  assert.equal(status.status, 0, status.output + status.said)
  const survey = JSON.parse(status.output)
  assert.deepEqual([survey.component, survey.responsive, survey.alarms], [component.component, 4, []])
  const shown = await runCli(['committee', 'show', config, '--component', 'almanac', '--log', url!, '--json'])
  assert.equal(shown.status, 0, shown.said)
  assert.equal(JSON.parse(shown.output).component, component.component)

  await Promise.all(
    members.map(({ child }) => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      return ended
    }),
  )
  const again = await Promise.all(INDEXES.map((index) => restartMember(settings, { index })))
  const log = createLogReader({ url: again[3]!.url })
  const { commit } = await commitOf(running, 4n, log)
  await ticksOf(log, commit.logSize - 1n)
  assert.deepEqual(await ticksOf(log, 0n), first)
  await running.stop()
})

test('a ticket issuer’s heart beats with nobody’s command, and a ticket that it issues is acknowledged and anchored', async () => {
  const running = await startCommittee('tickets')
  const { component, logs } = running
  const idle = await entriesOf(logs[2]!, await commitOf(running, 2n, logs[2]), { first: 0n, count: 2 })
  const kinds = idle.map((entry) => toHex(entry.subarray(0, 32)))
  assert.deepEqual(kinds, [HEARTBEAT_TYPEHASH, HEARTBEAT_TYPEHASH])

  const ticketHash = hashTicket({
    ticketId: `0x${'01'.repeat(32)}`,
    subject: submitter.signer,
    audience: `0x${'02'.repeat(32)}`,
    notBefore: 0n,
    notAfter: 2n ** 40n,
    salt: `0x${'03'.repeat(32)}`,
  })
  const commands = [encodeTicketCommand({ kind: 'issue', ticketHash, notAfter: 2n ** 40n })]
  const asked = { component: component.component, submitter: submitter.signer, sequence: 1n, commands }
  const members = await createSubmitter({ redisUrl: redis.url, epochs: createEpochs(component), logs })
  const { verified } = await members.submit(signEnvelope(asked, submitter.secretKey), { timeoutMs: 30_000 })
  await members.close()
  const { logSize } = verified.commit
  // Its leaf is the commit's last, or the last but one where a heartbeat was due.
  const entries = await entriesOf(logs[0]!, await commitOf(running, logSize), { first: logSize - 2n, count: 2 })
  const place = entries.findIndex((entry) => isEqualBytes(entry, encodeTicketIssued(ticketHash)))
  assert.ok(place >= 0)
  await headOf(running, logSize)
  const on = { component: component.component, registry: registry.address }
  const { head } = await verifyEntry({ chain, log: logs[1]! }, { index: logSize - 2n + BigInt(place), ...on })
  assert.ok(head.logSize >= logSize)
  await running.stop()
})

test('an Atlas takes a citizen’s card, anchors it, and gives it back proven under the chain’s head', async () => {
  const running = await startCommittee('atlas')
  const { component, logs } = running
  const publisher = await Atlas.publish({ atlas: component, redisUrl: redis.url, logs, submitter })
  const card = {
    ...({ citizen: CITIZEN, role: 'oracle', kind: 'organism', endpoints: ['https://a.example'] } as const),
    ...({ ticketRoot: `0x${'00'.repeat(32)}`, mrTds: [], schemaVersion: 1 } as const),
  }
  const { verified } = await publisher.publish(card)
  await publisher.close()
  const { logSize } = verified.commit
  assert.equal(logSize, 1n)
  await headOf(running, logSize)
  const reader = Atlas.read({ atlas: component, logs, chain })
  const found = await until(async () => {
    try {
      return await reader.readCitizen(CITIZEN)
    } catch (error) {
      // A member may serve the state a moment after another member's commit was anchored.
      if (error instanceof NotInLogError) return undefined
      throw error
    }
  })
  assert.deepEqual(found.card?.card, { ...card, atlas: component.component, sequence: 1n })
  assert.ok(found.basis.head!.logSize >= 1n)
  await running.stop()
})

test('a member refuses to run a component that the config does not ship, and one whose store it does not have', async () => {
  const settings = { redisUrl: redis.url, rpcUrl: chainService.url, config, start: {} }
  await assert.rejects(
    startMember({ ...settings, component: 'chronicle', dir: join(dir, 'none') }, { index: 0 }),
    /NO_COMPONENT.*modules\.chronicle is missing/,
  )
  // Its store is the Atlas's, and its key has a seat in both.
  await assert.rejects(
    restartMember({ ...settings, component: 'almanac', dir: join(dir, 'atlas') }, { index: 0 }),
    /"code":"STORE"/,
  )
})
