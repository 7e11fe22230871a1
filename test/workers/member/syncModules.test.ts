import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { signCard } from '../../../client/atlasPublisher.ts'
import { createLogReader } from '../../../client/logReader.ts'
import { atlas } from '../../../modules/atlas/machine.ts'
import { ticketIssuer } from '../../../modules/tickets/machine.ts'
import type { Hex } from '../../../protocol/bytes.ts'
import type { Machine } from '../../../protocol/machine.ts'
import { encodeAtlasCommand } from '../../../protocol/wire/atlasCommand.ts'
import { encodeAtlasParameters } from '../../../protocol/wire/atlasParameters.ts'
import { type Commit, deriveCommitDigest } from '../../../protocol/wire/commit.ts'
import { encodeEnvelope, signEnvelope } from '../../../protocol/wire/envelope.ts'
import { encodeTicketCommand } from '../../../protocol/wire/ticketCommand.ts'
import { encodeTicketIssuerParameters } from '../../../protocol/wire/ticketIssuerParameters.ts'
import { initStore, openStore } from '../../../workers/member/store.ts'
import { syncStore } from '../../../workers/member/sync.ts'
import { cardOf, citizens, lattice, latticeKey } from '../../client/atlasWorld.ts'
import { createTestMembers } from '../../protocol/wire/members.ts'
import { createTestDir, startMemberOf, type TestMemberOf } from './chronicle-of-tests.ts'
import { createTestTicket, HEARTBEAT_EVERY_SECONDS, issueOf, revokeOf, until } from './issuer-of-tests.ts'
import { createMemoryNetwork } from './memoryTransport.ts'
import { serve } from './serve.ts'

const component: Hex = `0x${'5c'.repeat(32)}`
const keys = createTestMembers(6)
const committee = keys.slice(0, 4).map(({ signer }) => signer)
const submitter = keys[5]!
const cadence = { anchorEveryCommits: 1_000, anchorEverySeconds: 1_000 }

const card = (sequence: bigint, endpoint: string): Uint8Array => {
  const of = { ...cardOf(lattice), endpoints: [endpoint], atlas: component, sequence }
  return encodeAtlasCommand({ kind: 'publish', ...signCard(of, latticeKey.secretKey) })
}
const [kept, revoked] = [createTestTicket(), createTestTicket()]

/**
 * Three of four members decide `before` and mark it for the chain. The fourth, whose store is new, begins at their state,
 * and then makes up the quorum, without one of them, that decides `after`.
 */
async function joinBySync<State>(of: {
  machine: Machine<State>
  encoded: Uint8Array
  before: readonly (readonly Uint8Array[])[]
  mark: Uint8Array
  after: readonly Uint8Array[]
}): Promise<void> {
  const { machine, encoded } = of
  const network = createMemoryNetwork()
  const dir = createTestDir()
  const start = (index: number, isNew: boolean): Promise<TestMemberOf<State>> => {
    const seat = { index, key: keys[index]!, dir: join(dir, String(index)), transport: network.connect(index) }
    return startMemberOf(machine, { ...seat, component, encoded, committee, isNew })
  }
  const running = await Promise.all([0, 1, 2].map((index) => start(index, true)))
  let sequence = 0n
  async function decide(commands: readonly Uint8Array[]): Promise<Commit> {
    sequence += 1n
    const envelope = { component, submitter: submitter.signer, sequence, commands }
    const bytes = encodeEnvelope(signEnvelope(envelope, submitter.secretKey))
    for (;;) {
      try {
        return (await running[1]!.driver.submit(bytes)).record.commit
      } catch (error) {
        if (!(error as { isRetryable?: boolean }).isRetryable) throw error
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
  for (const commands of of.before) await decide(commands)
  const trusted = await decide([of.mark])
  await until(() => running.every(({ replica }) => replica.state().height === trusted.height))

  const server = await serve(running[2]!)
  const self = keys[3]!.signer
  const identity = { dir: join(dir, '3'), component, signer: self, isSyncing: true }
  initStore(identity)
  const store = openStore(identity)
  const members = committee.map((signer) => ({ signer }))
  const synced = await syncStore(
    {
      ...{ machine, store, peers: [createLogReader({ url: server.url })] },
      ...{ logger: pino({ level: 'silent' }), clock: { nowMs: () => performance.now() } },
    },
    {
      ...{ component, parameters: encoded, members, self },
      trusted: { height: trusted.height, digest: deriveCommitDigest(trusted) },
    },
  )
  store.close()
  await server.close()
  assert.equal(synced?.height, trusted.height)
  assert.equal(synced.logSize, trusted.logSize)

  const newcomer = await start(3, false)
  assert.equal(newcomer.store.baseHeight(), trusted.height)
  running[0]!.kill()
  const decided = await decide(of.after)
  await until(() => newcomer.replica.state().height >= decided.height)
  assert.ok(newcomer.signedCount() > 0)
  assert.equal(newcomer.replica.state().parent, running[2]!.replica.state().parent)
  assert.deepEqual(newcomer.replica.state().machine, running[2]!.replica.state().machine)
  for (const member of [newcomer, ...running]) assert.deepEqual(member.faults, [])
  for (const member of [newcomer, running[1]!, running[2]!]) member.kill()
}

test('sync: a new member of an Atlas begins at its seats and cards, and decides on the next ones', () =>
  joinBySync({
    machine: atlas,
    encoded: encodeAtlasParameters({ submitters: [submitter.signer], citizens, ...cadence }),
    before: [[card(1n, 'https://first.example')], [card(2n, 'https://second.example')]],
    mark: encodeAtlasCommand({ kind: 'requestAnchor' }),
    after: [card(3n, 'https://third.example')],
  }))

test('sync: a new member of a ticket issuer begins at its status list, and decides on the next revocation', () =>
  joinBySync({
    machine: ticketIssuer,
    encoded: encodeTicketIssuerParameters({
      ...{ issuers: [submitter.signer], ...cadence },
      heartbeatEverySeconds: HEARTBEAT_EVERY_SECONDS,
    }),
    before: [[issueOf(kept), issueOf(revoked)], [revokeOf(revoked)]].map((each) => each.map(encodeTicketCommand)),
    mark: encodeTicketCommand({ kind: 'requestAnchor' }),
    after: [revokeOf(kept), issueOf(createTestTicket())].map(encodeTicketCommand),
  }))
