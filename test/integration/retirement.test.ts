import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { ComponentRegistry } from '../../chain/componentRegistry.ts'
import { createEpochs, type Epochs } from '../../client/epochs.ts'
import { findSuccessor } from '../../client/findSuccessor.ts'
import { createKey, readKeystore, type UnlockedKey, writeKeystore } from '../../client/keystore.ts'
import { createLogReader, type LogReader } from '../../client/logReader.ts'
import { readPasswordFile } from '../../client/passwordFile.ts'
import { type Component, readComponent } from '../../client/readComponent.ts'
import { createSubmitter, type Submitter } from '../../client/submit.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { hashLeaf } from '../../protocol/log/treeHash.ts'
import { rootOf } from '../../protocol/log/treeRoot.ts'
import { createCertificate } from '../../protocol/wire/certificate.ts'
import { encodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import { deriveCommitDigest, derivePrecommitDigest, ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { signEnvelope } from '../../protocol/wire/envelope.ts'
import { ComponentRetiredError } from '../../protocol/wire/next.ts'
import { encodeOperatorStatement } from '../../protocol/wire/operatorStatement.ts'
import { signDigest } from '../../protocol/wire/signature.ts'
import { type DemoProcess, keystorePath, PASSWORD_FILE, restartMember, runCli } from '../../scripts/demo/committee.ts'
import { stopProcess } from '../../scripts/services.ts'
import { createTestLog } from '../chain/testLog.ts'
import { assertRefused } from '../contracts/refusals.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'
import { CHAIN_ID, startCommittee, startWorld, until, type World } from './world.ts'

const STATEMENTS = 4
/** Of each client, before the retirement is asked for, and at the successor. */
const ENVELOPES_MIN = 5

/**
 * A coalition's Chronicle under one committee, and the same Chronicle under another, which the coalition's next config
 * names: the first retires in favour of the second while clients write to it. Real processes, Redis and chain.
 */
const dir = createTestDir()
const password = readPasswordFile(PASSWORD_FILE)
const clients = [createKey(), createKey()] as const
let world: World
let registry: ComponentRegistry
let retiring: Committee
let next: Committee

type Committee = { config: string; chronicle: Component; keystores: string[]; members: DemoProcess[]; log: LogReader }
type Seat = { keystore: string; signer: Hex; noteKey: Hex }

before(async () => {
  world = await startWorld()
  ;({ registry } = world)
  retiring = await startChronicle('retiring', await Promise.all([0, 1, 2, 3].map(readSeat)))
  next = await startChronicle('next', await Promise.all([0, 1, 2, 3].map(createSeat)))
})
after(() => world.stop())

async function readSeat(index: number): Promise<Seat> {
  const keystore = keystorePath(`member-${index}`)
  const { address, noteKey } = JSON.parse(readFileSync(keystore, 'utf8')) as { address: string; noteKey: Hex }
  return { keystore, signer: `0x${address}`, noteKey }
}

async function createSeat(index: number): Promise<Seat> {
  const key = createKey()
  const keystore = join(dir, `next-${index}.json`)
  await writeKeystore(key, { path: keystore, password })
  return { keystore, signer: key.signer, noteKey: key.noteKey }
}

/** The coalition's config with these members, and all of them and an anchorer at work. */
async function startChronicle(name: string, seats: readonly Seat[]): Promise<Committee> {
  const sorted = [...seats].sort((a, b) => (a.signer < b.signer ? -1 : 1))
  const config = join(dir, `${name}.json`)
  const members = sorted.map(({ signer, noteKey }) => ({ signer, noteKey }))
  const submitters = clients.map(({ signer }) => signer).sort()
  const parameters = { submitters, anchorEveryCommits: 8, anchorEverySeconds: 1 }
  writeFileSync(
    config,
    JSON.stringify({
      schemaVersion: 1,
      name: 'retirement.test',
      home: { chainId: CHAIN_ID, registry: registry.address },
      modules: { chronicle: { members, parameters } },
    }),
  )
  const keystores = sorted.map(({ keystore }) => keystore)
  const started = await startCommittee({ ...world, config, dir: join(dir, name) }, keystores)
  const chronicle = await readComponent(config, { kind: 'chronicle' })
  return { config, chronicle, keystores, members: started, log: createLogReader({ url: started[0]!.url }) }
}

/** What a client was told, and proved to itself. */
type Acknowledged = { component: Hex; entries: Uint8Array[] }

/**
 * A client that writes one envelope after the other. Told that the component is retired, it moves to the successor, which
 * it learns from the refusal and the chain alone, writes there what was refused, and then some more.
 */
async function write(key: UnlockedKey, acknowledged: Acknowledged[]): Promise<Epochs> {
  let epochs = createEpochs(retiring.chronicle)
  let submitter: Submitter = await createSubmitter({ redisUrl: world.redisUrl, epochs, logs: [retiring.log] })
  const isThere = (): boolean => epochs.component !== retiring.chronicle.component
  let sequence = 1n
  let countThere = 0
  for (let n = 0; countThere < ENVELOPES_MIN; n++) {
    const statements = Array.from({ length: STATEMENTS }, (_, i) =>
      Buffer.from(`{"of":"${key.signer}","n":"${n}.${i}"}`),
    )
    for (let isDone = false; !isDone; ) {
      const { component } = epochs
      const commands = statements.map((statement) => encodeChronicleCommand({ kind: 'recordStatement', statement }))
      const envelope = signEnvelope({ component, submitter: key.signer, sequence, commands }, key.secretKey)
      try {
        await submitter.submit(envelope, { timeoutMs: 30_000 })
      } catch (error) {
        if (!(error instanceof ComponentRetiredError) || isThere()) throw error
        const { successor } = error
        ;({ epochs } = await findSuccessor(registry, { successor, registry: registry.address }))
        await submitter.close()
        submitter = await createSubmitter({ redisUrl: world.redisUrl, epochs })
        sequence = 1n
        continue
      }
      const entries = statements.map((statement, index) =>
        encodeOperatorStatement({ submitter: key.signer, sequence, index, statement }),
      )
      acknowledged.push({ component, entries })
      sequence += 1n
      if (isThere()) countThere += 1
      isDone = true
    }
  }
  await submitter.close()
  return epochs
}

const approve = async (index: number): Promise<string> => {
  const { status, output, said } = await runCli([
    ...['committee', 'retire', '--successor', next.chronicle.component, '--reason', 'new committee'],
    ...['--config', retiring.config, '--log', retiring.members[index]!.url, '--redis', world.redisUrl],
    ...['--key', retiring.keystores[index]!, '--password-file', PASSWORD_FILE, '--json'],
  ])
  assert.equal(status, 0, said)
  return (JSON.parse(output) as { status: string }).status
}

/** Every entry that a member serves, and the root over them. */
async function readLog(log: LogReader, size: bigint): Promise<{ entries: Uint8Array[]; root: Hex }> {
  const entries: Uint8Array[] = []
  while (BigInt(entries.length) < size)
    entries.push(...(await log.readEntries({ index: BigInt(entries.length), size })))
  return { entries, root: toHex(rootOf(entries.map(hashLeaf))) }
}

test('a module retires in favour of a successor under load: nothing acknowledged is lost, and clients move', async () => {
  const { component } = retiring.chronicle
  const acknowledged: Acknowledged[] = []
  const writing = Promise.all(clients.map((key) => write(key, acknowledged)))
  writing.catch(() => {})
  await until(async () => acknowledged.length >= ENVELOPES_MIN * clients.length)
  const { height: heightBefore } = await until(() => registry.readHead({ component }))
  assert.deepEqual([await approve(0), await approve(1), await approve(2)], ['waiting', 'waiting', 'decided'])
  const moved = await writing

  for (const epochs of moved) {
    assert.equal(epochs.component, next.chronicle.component)
    assert.deepEqual(epochs.committees[0]!.signers, next.chronicle.signers)
  }
  const of = (key: Hex) => acknowledged.filter((each) => each.component === key)
  assert.ok(of(component).length > ENVELOPES_MIN * clients.length)
  assert.ok(of(next.chronicle.component).length >= ENVELOPES_MIN * clients.length)

  for (const { chronicle, members } of [retiring, next]) {
    const wanted = of(chronicle.component).flatMap(({ entries }) => entries.map(toHex))
    const isRetiring = chronicle.component === component
    const readHead = () => registry.readHead({ component: chronicle.component })
    await until(async () => {
      const head = await readHead()
      return isRetiring ? head.retired : head.logSize >= BigInt(wanted.length)
    })
    const head = await readHead()
    // A member that fell behind has what was decided as soon as it has caught up.
    for (const { url } of members) {
      const log = createLogReader({ url })
      await log.waitForCommit(head.height, { timeoutMs: 30_000 })
      const { entries, root } = await readLog(log, head.logSize)
      assert.equal(root, head.logRoot)
      const logged = new Set(entries.map(toHex))
      assert.ok(wanted.every((entry) => logged.has(entry)))
    }
  }
  assert.ok((await registry.readHead({ component })).height > heightBefore)
})

test('after its retirement all of its members together cannot anchor anything more', async () => {
  const { chronicle, keystores, log } = retiring
  const { component, signers, members } = chronicle
  const head = await registry.readHead({ component })
  assert.equal(head.retired, true)
  const keys = await Promise.all(keystores.map((path) => readKeystore({ path, password })))
  const last = await log.readCommit(head.height)
  assert.notEqual(last.commit.next, ZERO_BYTES32)
  const { entries } = await readLog(log, head.logSize)
  const grown = [...entries, new TextEncoder().encode('one more')]
  const { root, proveConsistency } = createTestLog({ name: 'grown', leaf: (index) => grown[index]! })
  const commit = {
    ...last.commit,
    height: head.height + 1n,
    logSize: BigInt(grown.length),
    logRoot: root(grown.length),
    timestampMs: last.commit.timestampMs + 1n,
    next: ZERO_BYTES32,
  }
  const digest = derivePrecommitDigest({ commitDigest: deriveCommitDigest(commit), round: 0 })
  const signatures = new Map(keys.map(({ signer, secretKey }) => [signer, signDigest(digest, secretKey)]))
  const certified = { commit, certificate: createCertificate({ round: 0, signers, signatures }) }
  const consistencyProof = proveConsistency(entries.length, grown.length)
  const anchor = () => registry.anchor(world.payer, { previous: head, certified, members, consistencyProof })
  await assertRefused(anchor, 'ComponentRegistryRetired')
  assert.deepEqual(await registry.readHead({ component }), head)
})

test('members of a retired component that are restarted serve its log, decide nothing, and name its successor', async () => {
  const { chronicle, members, keystores, config } = retiring
  const { component } = chronicle
  const head = await registry.readHead({ component })
  await Promise.all(members.map(({ child }) => stopProcess(child)))
  const settings = { ...world, config, dir: join(dir, 'retiring') }
  const again = await Promise.all(keystores.map((keystore, index) => restartMember(settings, { index, keystore })))
  const logs = again.map(({ url }) => createLogReader({ url }))
  const [{ signer, secretKey }] = clients
  const submitter = await createSubmitter({ redisUrl: world.redisUrl, epochs: createEpochs(chronicle), logs })
  const sequence = (await logs[0]!.readSequence(signer)) + 1n
  const commands = [encodeChronicleCommand({ kind: 'recordStatement', statement: Buffer.from('"late"') })]
  const late = signEnvelope({ component, submitter: signer, sequence, commands }, secretKey)
  await assert.rejects(submitter.submit(late, { timeoutMs: 30_000 }), (error) => {
    assert.ok(error instanceof ComponentRetiredError, String(error))
    assert.equal(error.successor, next.chronicle.component)
    return true
  })
  await submitter.close()
  for (const log of logs) {
    assert.equal((await log.readStatus()).height, head.height)
    assert.equal((await readLog(log, head.logSize)).root, head.logRoot)
  }
  assert.deepEqual(await registry.readHead({ component }), head)
})
