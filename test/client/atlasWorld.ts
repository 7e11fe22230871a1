import assert from 'node:assert/strict'
import { join } from 'node:path'
import { pino } from 'pino'
import { type ComponentRegistry, openComponentRegistry } from '../../chain/componentRegistry.ts'
import { type Chain, connectChain } from '../../chain/connectChain.ts'
import { createSender, type Sender } from '../../chain/createSender.ts'
import { deployRegistry } from '../../chain/deployRegistry.ts'
import type { Next } from '../../chain/encodeAnchor.ts'
import type { Head } from '../../chain/head.ts'
import { Atlas } from '../../client/atlas.ts'
import type { AtlasPublisher } from '../../client/atlasPublisher.ts'
import type { AtlasComponent } from '../../client/atlasReader.ts'
import type { SigningKey } from '../../client/createWriter.ts'
import { createLogReader, type LogReader } from '../../client/logReader.ts'
import { type AtlasState, atlas } from '../../modules/atlas/machine.ts'
import { fromHex, type Hex } from '../../protocol/bytes.ts'
import { deriveComponentKey } from '../../protocol/identity/component.ts'
import { encodeAtlasCommand } from '../../protocol/wire/atlasCommand.ts'
import { encodeAtlasParameters, type ListedCitizen } from '../../protocol/wire/atlasParameters.ts'
import { deriveCommitteeHash } from '../../protocol/wire/committee.ts'
import { encodeEnvelope, signEnvelope } from '../../protocol/wire/envelope.ts'
import { encodeGovernanceCommand } from '../../protocol/wire/governance.ts'
import { type Service, startChain, startRedis } from '../../scripts/services.ts'
import { createInbox } from '../../workers/member/inbox.ts'
import { connectRedis } from '../../workers/runtime/redis.ts'
import { createTestMembers } from '../protocol/wire/members.ts'
import { createTestDir, startMemberOf, type TestMemberOf } from '../workers/member/chronicle-of-tests.ts'
import { createMemoryNetwork } from '../workers/member/memoryTransport.ts'
import { serve } from '../workers/member/serve.ts'

// Public: the first account of every Hardhat node.
const PAYER = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'

const all = createTestMembers(9)
const committee = all.slice(0, 4)
const members = committee.map(({ signer }) => ({ signer }))
/** May bring lists and cards; the last asks for anchors alone. */
export const [submitter, latticeKey, organismKey, strangerKey, anchorKey] = all.slice(4) as [
  SigningKey,
  SigningKey,
  SigningKey,
  SigningKey,
  SigningKey,
]
export const lattice: Hex = `0x${'a1'.repeat(32)}`
export const organism: Hex = `0x${'b2'.repeat(32)}`
export const citizens: ListedCitizen[] = [
  { citizen: lattice, cardSigner: latticeKey.signer },
  { citizen: organism, cardSigner: organismKey.signer },
]
export const cardOf = (citizen: Hex) =>
  ({
    citizen,
    role: citizen === lattice ? 'builder' : 'oracle',
    kind: citizen === lattice ? 'lattice' : 'organism',
    endpoints: ['https://citizen.example/rpc'],
    ticketRoot: `0x${'00'.repeat(32)}`,
    mrTds: [`0x${'ab'.repeat(48)}`],
    schemaVersion: 1,
  }) as const

export type AtlasWorld = {
  redis: Service
  rpcUrl: string
  chain: Chain
  sender: Sender
  registry: ComponentRegistry
  atlas: AtlasComponent & { componentId: Hex }
  members: readonly TestMemberOf<AtlasState>[]
  urls: readonly string[]
  logs: readonly LogReader[]
  /** Writes with the key of a submitter, and signs cards with another where one is given. */
  openPublisher(submitter: SigningKey, options?: { cardKey?: SigningKey }): Promise<AtlasPublisher>
  /** Has the committee mark a commit, and waits until every member serves its state. Returns its height. */
  mark(): Promise<bigint>
  /** `mark`, and anchors that commit. */
  anchor(): Promise<Head>
  /** A quorum of the members retires the Atlas in favour of `successor`, and the registry is shown it. */
  retire(successor: Hex): Promise<Head>
  stop(): Promise<void>
}

/** Four members of an Atlas on real stores, with queues on a real Redis and logs over HTTP, and a Hardhat node. */
export async function startAtlasWorld(): Promise<AtlasWorld> {
  const [redis, node] = await Promise.all([startRedis({ isPrivate: true }), startChain({ isPrivate: true })])
  const chain = await connectChain({ rpcUrl: node.url })
  const sender = createSender(chain, { secretKey: fromHex(PAYER) })
  const { address } = await deployRegistry(sender)
  const registry = await openComponentRegistry(chain, { address })
  const componentId: Hex = `0x${'a7'.repeat(32)}`
  const component = deriveComponentKey({ componentId, committee: deriveCommitteeHash(members) })
  const submitters = [submitter.signer, anchorKey.signer].sort()
  const encoded = encodeAtlasParameters({
    submitters,
    citizens,
    anchorEveryCommits: 1_000,
    anchorEverySeconds: 1_000,
  })
  const network = createMemoryNetwork()
  const dir = createTestDir()
  const logger = pino({ level: 'silent' })
  const connections = await Promise.all(committee.map(() => connectRedis({ url: redis.url, logger })))
  const running = await Promise.all(
    committee.map((key, index) =>
      startMemberOf(atlas, {
        ...{ index, key, component, encoded, committee: members.map(({ signer }) => signer) },
        ...{ dir: join(dir, String(index)), transport: network.connect(index) },
      }),
    ),
  )
  const inboxes = running.map(({ driver, signer }, index) =>
    createInbox({ redis: connections[index]!, driver, logger }, { component, signer }),
  )
  const servers = await Promise.all(running.map((member) => serve(member)))
  const urls = servers.map(({ url }) => url)
  const logs = urls.map((url) => createLogReader({ url }))
  await registry.register(sender, { componentId, members })

  async function mark(): Promise<bigint> {
    const { signer, secretKey } = anchorKey
    const sequence = (running[0]!.replica.state().sequences.get(signer) ?? 0n) + 1n
    const commands = [encodeAtlasCommand({ kind: 'requestAnchor' })]
    const envelope = signEnvelope({ component, submitter: signer, sequence, commands }, secretKey)
    const { record } = await running[0]!.driver.submit(encodeEnvelope(envelope))
    assert.ok(record.commit.anchor, 'nothing new to mark')
    const { height } = record.commit
    await Promise.all(logs.map((log) => log.waitForCommit(height, { timeoutMs: 20_000 })))
    return height
  }

  async function anchorCommit(height: bigint, next?: Next): Promise<Head> {
    const previous = await registry.readHead({ component })
    const certified = await logs[0]!.readCommit(height)
    const size2 = certified.commit.logSize
    const consistencyProof = await logs[0]!.proveConsistency({ size1: previous.logSize, size2 })
    return (await registry.anchor(sender, { previous, certified, members, consistencyProof, next })).head
  }

  const identity = { component, componentId, members, home: { registry: address } }
  return {
    ...{ redis, rpcUrl: node.url, chain, sender, registry, members: running, urls, logs, mark, atlas: identity },
    openPublisher: (key, { cardKey } = {}) =>
      Atlas.publish({ atlas: identity, redisUrl: redis.url, logs, submitter: key, cardKey }),
    anchor: async () => await anchorCommit(await mark()),
    async retire(successor) {
      const reason = 'moved'
      const commands = [encodeGovernanceCommand({ kind: 'approveRetirement', epoch: 0n, successor, reason })]
      let height = 0n
      for (const { signer, secretKey } of committee.slice(0, 3)) {
        const envelope = signEnvelope({ component, submitter: signer, sequence: 1n, commands }, secretKey)
        height = (await running[0]!.driver.submit(encodeEnvelope(envelope))).record.commit.height
      }
      await Promise.all(logs.map((log) => log.waitForCommit(height, { timeoutMs: 20_000 })))
      return await anchorCommit(height, { kind: 'retirement', successor, reason })
    },
    async stop() {
      await Promise.all(servers.map((server) => server.close()))
      await Promise.all(inboxes.map((inbox) => inbox.close()))
      for (const member of running) {
        assert.deepEqual(member.faults, [])
        member.kill()
      }
      for (const connection of connections) connection.disconnect()
      await Promise.all([redis.stop(), node.stop()])
    },
  }
}
