import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { decodeMessage, encodeMessage } from '../../../committee/codec.ts'
import { deriveProposer } from '../../../committee/committee.ts'
import { deriveListRoot, deriveMessageDigest } from '../../../committee/digest.ts'
import { decodeExtension, encodeExtension } from '../../../committee/extension.ts'
import type { SignedProposal } from '../../../committee/types.ts'
import { almanac } from '../../../modules/almanac/machine.ts'
import { ZERO_BYTES32 } from '../../../protocol/wire/commit.ts'
import { signDigest } from '../../../protocol/wire/signature.ts'
import { decodeFrame, encodeFrame, type Frame } from '../../../workers/member/frame.ts'
import { openReplica } from '../../../workers/member/replica.ts'
import { openStore } from '../../../workers/member/store.ts'
import { StoreDamagedError } from '../../../workers/member/storeErrors.ts'
import type { Transport } from '../../../workers/member/transport.ts'
import { createAlmanacWorld, FIRST, keys, parameters, signersOf, until } from './almanac-of-tests.ts'
import { component, createTestDir } from './chronicle-of-tests.ts'

test('extensions: an Almanac’s ticks carry what a quorum observed, the same at every member', async () => {
  const world = createAlmanacWorld()
  for (const index of FIRST) await world.start(index)
  await until(() => FIRST.every((index) => world.member(index).replica.state().log.size >= 4n))
  const ticks = FIRST.map((index) => world.readTicks(index).slice(0, 4))
  for (const other of ticks) assert.deepEqual(other, ticks[0])
  assert.deepEqual(
    ticks[0]!.map(({ seq }) => seq),
    [1n, 2n, 3n, 4n],
  )
  world.stop()
})

test('extensions: one alone ticks, and observes alone', async () => {
  const world = createAlmanacWorld()
  for (const index of FIRST) await world.start(index)
  await world.rotate(FIRST, [2])
  await world.advance(6, [2])
  assert.ok(world.readTicks(2, [FIRST, [2]]).at(-1)!.observedAt.length === 1)
  world.stop()
})

test('extensions: all members are killed and restarted, at any moment, and go on', async () => {
  const world = createAlmanacWorld()
  for (const index of FIRST) await world.start(index)
  for (let repeat = 0; repeat < 4; repeat++) {
    await world.advance(3)
    // A little later each time, so that it is not always the same moment of a height.
    await new Promise((resolve) => setTimeout(resolve, 7 * repeat))
    world.kill(...FIRST)
    await Promise.all(FIRST.map((index) => world.start(index)))
  }
  await world.advance(4)
  for (const index of FIRST) assert.ok(world.readTicks(index).length >= 6)
  world.stop()
})

test('extensions: a member that was away catches up, and then proposes in its turn', async () => {
  const world = createAlmanacWorld()
  for (const index of [0, 1, 2]) await world.start(index)
  await world.advance(6)
  await world.start(3)
  await until(() => world.member(3).replica.state().height >= world.member(0).replica.state().height)
  world.kill(0) // now the one that was away is needed
  const from = world.member(3).replica.state().height + 1n
  const hasProposed = (): boolean =>
    world.readRecords(1).some(({ commit: { height }, certificate: { round } }) => {
      return height > from && deriveProposer(signersOf(FIRST), { height, round }) === keys[3]!.signer
    })
  await until(hasProposed)
  assert.ok(world.readTicks(3).length > 2)
  world.stop()
})

test('extensions: a rotation under way, and a member of the old committee that goes', async () => {
  const world = createAlmanacWorld()
  const second = [1, 2, 3, 4]
  for (const index of [0, 1, 2, 3, 4]) await world.start(index)
  await world.advance(2)
  await world.rotate(FIRST, second)
  world.kill(0)
  await world.advance(6, second)
  const records = world.readRecords(4)
  const end = records.findIndex(({ commit }) => commit.next !== ZERO_BYTES32)
  // The first commit of the new epoch carries what the old committee observed at the end of its own.
  const carried = world
    .member(4)
    .store.readExtensions(BigInt(end + 2))
    .map(decodeExtension)
  assert.ok(carried.length >= 3 && carried.every(({ height }) => height === BigInt(end + 1)))
  assert.ok(carried.every(({ signer }) => signersOf(FIRST).includes(signer)))
  assert.ok(world.readTicks(4, [FIRST, second]).length > 3)
  world.stop()
})

test('extensions: a whole new committee that only caught up, restarted before it began, needs nobody who decided', async () => {
  const world = createAlmanacWorld()
  const second = [4, 5, 6, 7]
  for (const index of FIRST) await world.start(index)
  await world.advance(2)
  await world.rotate(FIRST, second)
  const { height } = world.member(0).replica.state()
  // One at a time: none hears another, and too few run for a quorum to decide anything.
  for (const index of [4, 5, 6]) {
    await world.start(index)
    await until(() => world.member(index).replica.state().height === height)
    world.kill(index)
  }
  world.kill(...FIRST)
  for (const index of [4, 5, 6]) await world.start(index)
  await world.advance(6)
  assert.ok(world.readTicks(5, [FIRST, second]).at(-1)!.seq > 2n)
  world.stop()
})

/** A transport that says something else in the place of each frame for which `alter` gives it. */
const lying = (transport: Transport, alter: (frame: Frame) => Frame | undefined): Transport => ({
  ...transport,
  broadcast: async (bytes) => {
    const frame = decodeFrame(bytes)
    const altered = typeof frame === 'string' ? undefined : alter(frame)
    await transport.broadcast(altered === undefined ? bytes : encodeFrame(altered))
  },
})

type Alteration = (extensions: readonly Uint8Array[]) => readonly Uint8Array[]
const observedAtZero: Alteration = ([first, ...rest]) => {
  return [encodeExtension({ ...decodeExtension(first!), data: new Uint8Array(8) }), ...rest]
}
const alterations: [string, Alteration, 'extension' | undefined][] = [
  ['one that says another time than was signed', observedAtZero, 'extension'],
  ['one that is left out', (extensions) => extensions.slice(1), undefined],
  ['none', () => [], undefined],
]
for (const [name, alter, drop] of alterations)
  test(`extensions: a proposer that includes ${name} is refused, and the next one proposes`, async () => {
    const world = createAlmanacWorld()
    const liar = 2
    let altered = 0
    const lie = (frame: Frame): Frame | undefined => {
      if (frame.kind !== 'consensus') return undefined
      const message = decodeMessage(frame.bytes)
      const isOwn = message.kind === 'proposal' && message.signer === keys[liar]!.signer
      if (!isOwn || message.height < 2n || message.validRound >= 0) return undefined
      const extensions = alter(message.extensions)
      const { signature, ...proposal } = { ...message, extensions }
      altered += 1
      const signed: SignedProposal = {
        ...proposal,
        signature: signDigest(deriveMessageDigest(proposal), keys[liar]!.secretKey),
      }
      return { kind: 'consensus', bytes: encodeMessage(signed) }
    }
    for (const index of FIRST) {
      const transport = world.network.connect(index)
      await world.start(index, index === liar ? lying(transport, lie) : transport)
    }
    await until(() => world.member(0).replica.state().height >= 8n)
    assert.ok(altered > 0)
    for (const { commit, certificate } of world.readRecords(0)) {
      const { height } = commit
      const proposer = deriveProposer(signersOf(FIRST), { height, round: certificate.round })
      assert.ok(height === 1n || proposer !== keys[liar]!.signer, `height ${height} is the liar’s`)
    }
    if (drop !== undefined) assert.ok(world.member(0).driver.vitals.drops()[drop] > 0)
    assert.ok(world.readTicks(0).length >= 3)
    world.stop()
  })

test('catching up: decided heights without a quorum’s extensions are not taken, and the next peer’s are', async () => {
  const world = createAlmanacWorld()
  for (const index of [0, 1, 2]) await world.start(index)
  await world.advance(5)
  world.kill(0, 1, 2)
  const lies: ((frame: Extract<Frame, { kind: 'decided' }>) => Frame)[] = [
    (frame) => ({ ...frame, extensions: [] }),
    (frame) => ({ ...frame, extensions: frame.extensions.slice(1) }),
    (frame) => ({ ...frame, extensions: observedAtZero(frame.extensions) }),
    (frame) => ({ ...frame, extensions: frame.heights.at(-1)!.extensions }),
    (frame) => ({ ...frame, extensions: [Uint8Array.of(1)] }),
  ]
  let told = 0
  const lie = (frame: Frame): Frame | undefined => {
    if (frame.kind !== 'decided') return undefined
    told += 1
    return lies[told % lies.length]!(frame)
  }
  await world.start(0, lying(world.network.connect(0), lie))
  const { height } = world.member(0).replica.state()
  const late = await world.start(3)
  await until(() => told > lies.length)
  // All but the newest it may take: their extensions stand in the proposals that follow them.
  assert.equal(late.replica.state().height, height - 1n)
  assert.ok(late.driver.vitals.drops().extension > 0)
  assert.ok(late.replica.parent().extensions.length >= 3)
  world.kill(0)
  for (const index of [1, 2]) await world.start(index)
  await until(() => late.replica.state().height >= height)
  await world.advance(4)
  world.stop()
})

const damages: [string, string][] = [
  ['a vote extension that was changed', "UPDATE extensions SET bytes = x'00' WHERE height = 2 AND position = 1"],
  ['a vote extension that is missing', 'DELETE FROM extensions WHERE height = 3 AND position = 2'],
  ['a vote extension in another place', 'UPDATE extensions SET position = 9 WHERE height = 2 AND position = 2'],
  ['vote extensions of no height', "INSERT INTO extensions VALUES (9999, 0, x'00')"],
  ['newest vote extensions that were changed', "UPDATE state SET parent = x'00'"],
]
test('openReplica: names and refuses damaged vote extensions', async () => {
  const world = createAlmanacWorld()
  for (const index of FIRST) await world.start(index)
  await world.advance(4)
  const { store } = world.member(0)
  const [second] = world.readRecords(0).slice(1)
  assert.equal(deriveListRoot(store.readExtensions(2n)), second!.body.extensionsRoot)
  world.stop()
  const seats = signersOf(FIRST).map((signer) => ({ signer }))
  const open = (dir: string): void => {
    const opened = openStore({ dir, component, signer: keys[0]!.signer })
    try {
      openReplica({ machine: almanac, store: opened }, { component, parameters, members: seats })
    } finally {
      opened.close()
    }
  }
  open(world.dirOf(0))
  for (const [name, sql] of damages) {
    const dir = createTestDir()
    cpSync(world.dirOf(0), dir, { recursive: true })
    const db = new DatabaseSync(join(dir, 'member.sqlite'))
    assert.equal(db.prepare(sql).run().changes, 1, name)
    db.close()
    assert.throws(() => open(dir), StoreDamagedError, name)
  }
})
