import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Hex } from '../../../protocol/bytes.ts'
import { verifyAcknowledgement } from '../../../protocol/wire/acknowledgement.ts'
import { CertificateRefusedError, verifyCertificate } from '../../../protocol/wire/certificate.ts'
import { decodeCommitRecord } from '../../../protocol/wire/commitRecord.ts'
import { deriveCommitteeHash } from '../../../protocol/wire/committee.ts'
import { encodeEnvelope, type SignedEnvelope, signEnvelope } from '../../../protocol/wire/envelope.ts'
import { encodeGovernanceCommand, type GovernanceCommand } from '../../../protocol/wire/governance.ts'
import { ComponentRetiredError, hashRotation } from '../../../protocol/wire/next.ts'
import { createTestMembers } from '../../protocol/wire/members.ts'
import {
  component,
  createEnvelope,
  createTestDir,
  startTestMember,
  submitter,
  type TestMember,
} from './chronicle-of-tests.ts'
import { createMemoryNetwork } from './memoryTransport.ts'

const keys = createTestMembers(9).filter(({ signer }) => signer !== submitter.signer)
const signersOf = (indexes: readonly number[]): Hex[] => indexes.map((index) => keys[index]!.signer)
const FIRST = [0, 1, 2, 3]

const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Members on one network, some of whom have no seat yet. */
function createWorld() {
  const network = createMemoryNetwork()
  const dir = createTestDir()
  const running = new Map<number, TestMember>()
  const start = async (index: number, isNew = true): Promise<TestMember> => {
    const transport = network.connect(index)
    const folder = join(dir, String(index))
    const member = await startTestMember({
      index,
      dir: folder,
      transport,
      isNew,
      key: keys[index]!,
      committee: signersOf(FIRST),
    })
    running.set(index, member)
    return member
  }
  return {
    start,
    member: (index: number): TestMember => running.get(index)!,
    async restart(index: number) {
      running.get(index)!.kill()
      return await start(index, false)
    },
    stop() {
      for (const member of running.values()) {
        assert.deepEqual(member.faults, [])
        member.kill()
      }
    },
  }
}

function approve(index: number, command: GovernanceCommand, sequence = 1n): SignedEnvelope {
  const { signer, secretKey } = keys[index]!
  return signEnvelope(
    { component, submitter: signer, sequence, commands: [encodeGovernanceCommand(command)] },
    secretKey,
  )
}

const rotateTo = (indexes: readonly number[], newEpoch = 1n): GovernanceCommand => ({
  kind: 'approveRotation',
  newEpoch,
  members: signersOf(indexes).map((signer) => ({ signer })),
})

/** Hands an envelope to a member again and again until it is acknowledged, as a queue would. */
async function submit(member: () => TestMember, envelope: SignedEnvelope) {
  for (;;) {
    try {
      return await member().driver.submit(encodeEnvelope(envelope))
    } catch (error) {
      if (!(error as { isRetryable?: boolean }).isRetryable) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

const committeesOf = (second: readonly number[]) => [signersOf(FIRST), signersOf(second)]

for (const { name, second } of [
  { name: 'four of whom one is replaced', second: [1, 2, 3, 4] },
  { name: 'seven', second: [0, 1, 2, 3, 4, 5, 6] },
])
  test(`rotation: under load, from four members to ${name}, without losing a command`, async () => {
    const world = createWorld()
    const everyone = [...new Set([...FIRST, ...second])]
    for (const index of everyone) await world.start(index)
    const envelopes = Array.from({ length: 16 }, (_, index) => createEnvelope(BigInt(index + 1), [`{"n":${index}}`]))
    // The first is acknowledged before anybody approves, and the last is sent when the quorum has: both epochs decide some.
    const acknowledgements = [await submit(() => world.member(0), envelopes[0]!)]
    const load = (async () => {
      for (const [index, envelope] of envelopes.slice(0, -1).entries()) {
        if (index > 0) acknowledgements.push(await submit(() => world.member(index % 4), envelope))
      }
    })()
    for (const index of [0, 1, 2]) await submit(() => world.member(index), approve(index, rotateTo(second)))
    await load
    acknowledgements.push(await submit(() => world.member(3), envelopes.at(-1)!))

    const epochs = new Set<bigint>()
    for (const [index, acknowledgement] of acknowledgements.entries()) {
      const { epoch } = acknowledgement.record.commit
      epochs.add(epoch)
      const signers = committeesOf(second)[Number(epoch)]!
      verifyAcknowledgement({ acknowledgement, envelope: envelopes[index]!, signers })
    }
    assert.equal(acknowledgements.length, envelopes.length)
    assert.deepEqual([...epochs], [0n, 1n])
    const newest = (index: number) => world.member(index).replica.state()
    await until(() => everyone.every((index) => newest(index).sequences.get(submitter.signer) === 16n))
    await until(() => new Set(everyone.map((index) => newest(index).parent)).size === 1)
    for (const index of everyone) assert.equal(newest(index).epoch, 1n)

    // Each height's certificate holds under the committee of its own epoch, and only there.
    const { store, replica } = world.member(1)
    let previousEpoch = 0n
    for (let height = 1n; height <= replica.state().height; height++) {
      const { commit, certificate } = decodeCommitRecord(store.readRecord(height)!)
      const [own, other] = commit.epoch === 0n ? committeesOf(second) : committeesOf(second).reverse()
      verifyCertificate({ commit, certificate, signers: own! })
      assert.throws(() => verifyCertificate({ commit, certificate, signers: other! }), CertificateRefusedError)
      assert.ok(commit.epoch === previousEpoch || commit.epoch === previousEpoch + 1n)
      if (commit.next !== `0x${'00'.repeat(32)}`) {
        const newCommitteeHash = deriveCommitteeHash(signersOf(second).map((signer) => ({ signer })))
        assert.equal(commit.next, hashRotation({ component, newEpoch: 1n, newCommitteeHash }))
        assert.equal(commit.anchor, true)
        assert.equal(commit.epoch, 0n)
      }
      previousEpoch = commit.epoch
    }
    world.stop()
  })

test('rotation: the new committee decides without a member that left, and needs the one that came', async () => {
  const world = createWorld()
  for (const index of [0, 1, 2, 3, 4]) await world.start(index)
  for (const index of [0, 1, 2]) await submit(() => world.member(index), approve(index, rotateTo([1, 2, 3, 4])))
  await until(() => [1, 2, 3, 4].every((index) => world.member(index).replica.state().epoch === 1n))
  // The one that left passes on what it is given, and is not needed; of the four that stay one may be missing.
  world.member(3).kill()
  const envelope = createEnvelope(1n, ['{}'])
  const acknowledgement = await submit(() => world.member(0), envelope)
  verifyAcknowledgement({ acknowledgement, envelope, signers: signersOf([1, 2, 3, 4]) })
  world.member(0).kill()
  const second = createEnvelope(2n, ['{}'])
  verifyAcknowledgement({
    acknowledgement: await submit(() => world.member(4), second),
    envelope: second,
    signers: signersOf([1, 2, 3, 4]),
  })
  for (const index of [1, 2, 4]) world.member(index).kill()
})

test('rotation: members restarted right around the switch, and one that slept through it, go on in the new epoch', async () => {
  const world = createWorld()
  for (const index of [0, 1, 2, 4]) await world.start(index)
  const second = [1, 2, 3, 4]
  for (const index of [0, 1]) await submit(() => world.member(index), approve(index, rotateTo(second)))
  await world.restart(1)
  await submit(() => world.member(2), approve(2, rotateTo(second)))
  for (const index of [0, 1, 2, 4]) await world.restart(index)
  // The fourth of the first committee was never there: it follows both epochs' commits, each under its own committee.
  await world.start(3)
  const envelope = createEnvelope(1n, ['{}'])
  const acknowledgement = await submit(() => world.member(3), envelope)
  assert.equal(acknowledgement.record.commit.epoch, 1n)
  verifyAcknowledgement({ acknowledgement, envelope, signers: signersOf(second) })
  await until(() => [0, 1, 2, 3, 4].every((index) => world.member(index).replica.state().height >= 3n))
  world.stop()
})

test('rotation: a seat that was given up can be given back', async () => {
  const world = createWorld()
  for (const index of [0, 1, 2, 3, 4]) await world.start(index)
  for (const index of [0, 1, 2]) await submit(() => world.member(index), approve(index, rotateTo([1, 2, 3, 4])))
  await until(() => [0, 1, 2, 3, 4].every((index) => world.member(index).replica.state().epoch === 1n))
  const back = rotateTo(FIRST, 2n)
  await submit(() => world.member(3), approve(3, back))
  await submit(() => world.member(1), approve(1, back, 2n))
  await submit(() => world.member(2), approve(2, back, 2n))
  await until(() => FIRST.every((index) => world.member(index).replica.state().epoch === 2n))
  world.member(1).kill() // now the one that came back is needed
  const envelope = createEnvelope(1n, ['{}'])
  const acknowledgement = await submit(() => world.member(0), envelope)
  assert.equal(acknowledgement.record.commit.epoch, 2n)
  for (const index of [0, 2, 3, 4]) {
    assert.deepEqual(world.member(index).faults, [])
    world.member(index).kill()
  }
})

test('retirement: a quorum retires the component, and no member takes or signs anything more, restarted or not', async () => {
  const world = createWorld()
  for (const index of FIRST) await world.start(index)
  const successor: Hex = `0x${'5c'.repeat(32)}`
  const retirement: GovernanceCommand = { kind: 'approveRetirement', epoch: 0n, successor, reason: 'replaced' }
  await submit(() => world.member(0), createEnvelope(1n, ['{}']))
  for (const index of [0, 1, 2]) await submit(() => world.member(index), approve(index, retirement))
  await until(() => FIRST.every((index) => world.member(index).replica.state().governance.retirement !== null))
  const { height } = world.member(0).replica.state()
  const isRefused = (error: unknown): boolean =>
    error instanceof ComponentRetiredError && error.successor === successor && error.message.includes('replaced')
  const refuses = (index: number) =>
    assert.rejects(world.member(index).driver.submit(encodeEnvelope(createEnvelope(2n, ['{}']))), isRefused)
  for (const index of FIRST) await refuses(index)
  const signedBefore = FIRST.map((index) => world.member(index).signedCount())
  for (const index of FIRST) {
    await world.restart(index)
    await refuses(index)
    // What was decided before is still proven.
    const envelope = createEnvelope(1n, ['{}'])
    await submit(() => world.member(index), envelope)
  }
  // They still serve what was decided: whoever reads all of it from them has heard from them, and they from it.
  const reader = await world.start(4)
  await until(() => reader.replica.state().governance.retirement !== null)
  assert.equal(reader.signedCount(), 0)
  for (const index of FIRST) {
    assert.equal(world.member(index).signedCount(), 0)
    assert.equal(world.member(index).replica.state().height, height)
  }
  assert.ok(signedBefore.every((count) => count > 0))
  world.stop()
})
