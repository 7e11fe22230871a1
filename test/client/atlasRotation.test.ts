import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type ComponentRegistry, openComponentRegistry } from '../../chain/componentRegistry.ts'
import { deployRegistry } from '../../chain/deployRegistry.ts'
import type { Next } from '../../chain/encodeAnchor.ts'
import type { Head } from '../../chain/head.ts'
import { Atlas } from '../../client/atlas.ts'
import { signCard } from '../../client/atlasPublisher.ts'
import type { AtlasComponent } from '../../client/atlasReader.ts'
import { createLogReader, type LogReader } from '../../client/logReader.ts'
import { type AtlasState, atlas as machine } from '../../modules/atlas/machine.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { deriveComponentKey } from '../../protocol/identity/component.ts'
import { type AtlasCommand, encodeAtlasCommand } from '../../protocol/wire/atlasCommand.ts'
import { encodeAtlasParameters } from '../../protocol/wire/atlasParameters.ts'
import { createCertificate } from '../../protocol/wire/certificate.ts'
import { type Commit, deriveCommitDigest, derivePrecommitDigest } from '../../protocol/wire/commit.ts'
import { encodeCommitRecord } from '../../protocol/wire/commitRecord.ts'
import { deriveCommitteeHash } from '../../protocol/wire/committee.ts'
import { encodeEnvelope, signEnvelope } from '../../protocol/wire/envelope.ts'
import { encodeGovernanceCommand, type GovernanceCommand } from '../../protocol/wire/governance.ts'
import { signDigest } from '../../protocol/wire/signature.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { createTestMembers } from '../protocol/wire/members.ts'
import { createTestDir, startMemberOf, type TestMemberOf } from '../workers/member/chronicle-of-tests.ts'
import { createMemoryNetwork } from '../workers/member/memoryTransport.ts'
import { serve } from '../workers/member/serve.ts'
import { startLiar } from '../workers/member/syncWorld.ts'
import { cardOf, lattice } from './atlasWorld.ts'

/** The genesis committee are the first four; the fifth takes the first one's seat. */
const keys = createTestMembers(6)
const submitter = keys[5]!
const first = keys.slice(0, 4)
const second = keys.slice(1, 5)
const membersOf = (of: readonly { signer: Hex }[]) => of.map(({ signer }) => ({ signer }))
const signers = first.map(({ signer }) => signer)
const componentId: Hex = `0x${'a7'.repeat(32)}`
const component = deriveComponentKey({ componentId, committee: deriveCommitteeHash(membersOf(first)) })
const encoded = encodeAtlasParameters({
  submitters: [submitter.signer],
  citizens: [{ citizen: lattice, cardSigner: submitter.signer }],
  anchorEveryCommits: 1_000,
  anchorEverySeconds: 1_000,
})

/** The tests below go through the life of one Atlas, in their order. */
let chain: TestChain
let registry: ComponentRegistry
let running: TestMemberOf<AtlasState>[]
let servers: { url: string; close(): Promise<void> }[]
let logs: LogReader[]
/** As the config has it: it names the genesis committee, and nobody since. */
let atlas: AtlasComponent
before(async () => {
  chain = await createTestChain()
  const { address } = await deployRegistry(chain.sender)
  registry = await openComponentRegistry(chain.chain, { address })
  await registry.register(chain.sender, { componentId, members: membersOf(first) })
  atlas = { component, members: membersOf(first), home: { registry: address } }
  const [network, dir] = [createMemoryNetwork(), createTestDir()]
  const seats = keys.slice(0, 5).map((key, index) => ({ index, key, dir: join(dir, String(index)) }))
  running = await Promise.all(
    seats.map((seat) =>
      startMemberOf(machine, {
        ...{ ...seat, transport: network.connect(seat.index) },
        ...{ component, encoded, committee: signers },
      }),
    ),
  )
  servers = await Promise.all(running.map((member) => serve(member)))
  logs = servers.map(({ url }) => createLogReader({ url }))
})
after(async () => {
  await Promise.all(servers.map((server) => server.close()))
  for (const member of running) {
    assert.deepEqual(member.faults, [])
    member.kill()
  }
})

/** Has `payload` decided, and waits until every member serves it. */
async function decide(key: (typeof keys)[number], payloads: readonly Uint8Array[]): Promise<Commit> {
  const sequence = (running[1]!.replica.state().sequences.get(key.signer) ?? 0n) + 1n
  const envelope = { component, submitter: key.signer, sequence, commands: payloads }
  const commit = await submit(encodeEnvelope(signEnvelope(envelope, key.secretKey)))
  await Promise.all(logs.map((log) => log.waitForCommit(commit.height, { timeoutMs: 60_000 })))
  return commit
}

/** Again and again until it is acknowledged, as a queue would. */
async function submit(envelope: Uint8Array): Promise<Commit> {
  for (;;) {
    try {
      return (await running[1]!.driver.submit(envelope)).record.commit
    } catch (error) {
      if (!(error as { isRetryable?: boolean }).isRetryable) throw error
    }
  }
}

async function anchor({ height }: Commit, by: readonly { signer: Hex }[], next?: Next): Promise<Head> {
  const previous = await registry.readHead({ component })
  const certified = await logs[1]!.readCommit(height)
  const of = { size1: previous.logSize, size2: certified.commit.logSize }
  const consistencyProof = await logs[1]!.proveConsistency(of)
  return (await registry.anchor(chain.sender, { previous, certified, members: membersOf(by), consistencyProof, next }))
    .head
}

/** A card of the lattice, in a commit that is marked for the chain. */
function publish(sequence: bigint, endpoint: string): Promise<Commit> {
  const card = { ...cardOf(lattice), endpoints: [endpoint], atlas: component, sequence }
  const commands: AtlasCommand[] = [
    { kind: 'publish', ...signCard(card, submitter.secretKey) },
    { kind: 'requestAnchor' },
  ]
  return decide(submitter, commands.map(encodeAtlasCommand))
}

test('Atlas.read: a reader that knows the genesis committee alone proves what the committee after it certified', async () => {
  await anchor(await publish(1n, 'https://first.example/rpc'), first)
  // This one has read before, and goes on from there.
  const reader = Atlas.read({ atlas, logs })
  assert.equal((await reader.readCitizen(lattice)).basis.commit.commit.epoch, 0n)

  const rotation: GovernanceCommand = { kind: 'approveRotation', newEpoch: 1n, members: membersOf(second) }
  let last: Commit | undefined
  for (const key of first.slice(1)) last = await decide(key, [encodeGovernanceCommand(rotation)])
  await anchor(last!, first, { kind: 'rotation', newCommitteeHash: deriveCommitteeHash(membersOf(second)) })
  const marked = await publish(2n, 'https://second.example/rpc')
  assert.equal(marked.epoch, 1n)

  for (const each of [reader, Atlas.read({ atlas, logs })]) {
    const { basis, card } = await each.readCitizen(lattice)
    assert.deepEqual(basis.commit.commit, marked)
    assert.deepEqual(card?.card.endpoints, ['https://second.example/rpc'])
  }
  const head = await anchor(marked, second)
  assert.equal(head.epoch, 1n)
  const { basis, card } = await Atlas.read({ atlas, logs, chain: chain.chain }).readCitizen(lattice)
  assert.deepEqual([basis.head, basis.commit.commit], [head, marked])
  await registry.verifyStateItem({ component, head, maxAgeMs: 600_000n, ...card! })
})

test('Atlas.read: keys of the committee that was replaced certify nothing after it, whoever holds them', async (t) => {
  const { height } = await registry.readHead({ component })
  const { commit, body } = await logs[1]!.readCommit(height)
  assert.equal(commit.epoch, 1n)
  const digest = derivePrecommitDigest({ commitDigest: deriveCommitDigest(commit), round: 0 })
  const signatures = new Map(first.map(({ signer, secretKey }) => [signer, signDigest(digest, secretKey)]))
  const certificate = createCertificate({ round: 0, signers, signatures })
  const forged = encodeCommitRecord({ commit, body, certificate })
  const liar = await startLiar(servers[1]!.url, (path) => (path === 'commit/anchor' ? forged : undefined))
  t.after(liar.close)
  const lying = createLogReader({ url: liar.url })
  await assert.rejects(Atlas.read({ atlas, logs: [lying] }).readCatalogue(), { code: 'CERTIFICATE_REFUSED' })
  const { basis } = await Atlas.read({ atlas, logs: [lying, logs[2]!] }).readCatalogue()
  assert.deepEqual(basis.commit.commit, commit)
})
