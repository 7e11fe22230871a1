import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { encodeSnapshot } from '../../../committee/snapshot.ts'
import { chronicle } from '../../../modules/chronicle/machine.ts'
import type { Hex } from '../../../protocol/bytes.ts'
import type { Commit } from '../../../protocol/wire/commit.ts'
import { ZERO_BYTES32 } from '../../../protocol/wire/commit.ts'
import type { TrustedCommit } from '../../../workers/member/syncTrust.ts'
import { createSyncWorld, keys, type Lie, startLiar, until } from './syncWorld.ts'

/**
 * Three epochs: 0 of members 0 to 3 up to height 5, 1 of 1 to 4 up to height 10, then 2 of 2 to 5, and a newest snapshot at
 * height 14. `thieves` is what the keys of epoch 0 write once they leaked: the same component, rotated to 5 to 8.
 */
const [world, thieves] = [createSyncWorld(), createSyncWorld()]
let ends: Commit[]
let oldSnapshot: Uint8Array
let honest: string
let forged: string
before(async () => {
  for (const index of [0, 1, 2, 4, 5]) await world.start(index)
  await world.decide(0, { heights: 2, entries: 100 })
  const first = await world.rotate([0, 1, 2], [1, 2, 3, 4], 1n)
  oldSnapshot = encodeSnapshot(chronicle, world.member(1).replica.state())
  await world.decide(1, { heights: 2, entries: 100 })
  ends = [first, await world.rotate([1, 2, 4], [2, 3, 4, 5], 2n)]
  world.kill(0)
  world.kill(1)
  await world.start(3)
  await world.decide(2, { heights: 5, entries: 100 })
  honest = await world.serve(2)
  for (const index of [0, 1, 2, 5, 6, 7]) await thieves.start(index)
  await thieves.decide(0, { heights: 2, entries: 100, text: 'other' })
  await thieves.rotate([0, 1, 2], [5, 6, 7, 8], 1n)
  await thieves.decide(5, { heights: 12, entries: 100, text: 'other' })
  forged = await thieves.serve(5)
})
after(async () => {
  await world.stop()
  await thieves.stop()
})

const GENESIS: TrustedCommit = { height: 0n, digest: ZERO_BYTES32 }
const trust = (height: bigint): TrustedCommit => (height === 0n ? GENESIS : world.trust(2, height))

test('the heights of this file are what its tests take them for', () => {
  assert.deepEqual(
    ends.map(({ epoch, height, logSize }) => [epoch, height, logSize]),
    [
      [0n, 5n, 201n],
      [1n, 10n, 402n],
    ],
  )
})

const TRUSTED: [bigint, string, number][] = [
  [0n, 'the genesis', 8],
  [2n, 'a commit of the first epoch', 9],
  [5n, 'the commit that ended it', 10],
  [6n, 'the first of the next epoch', 11],
  [10n, 'the commit that ended that', 12],
  [14n, 'the newest that has a snapshot', 13],
]
for (const [height, what, index] of TRUSTED)
  test(`sync: across rotations, from ${what}`, async () => {
    const synced = await world.sync(index, { urls: [honest], trusted: trust(height) })
    assert.deepEqual([synced?.height, synced?.epoch], [14n, 2n])
    const follower = await world.start(index)
    await until(() => follower.replica.state().height === 15n)
    const { members } = follower.replica.state().governance
    assert.deepEqual(
      members.map(({ signer }) => signer),
      [2, 3, 4, 5].map((each): Hex => keys[each]!.signer),
    )
    world.kill(index)
  })

test('sync: the genesis alone does not tell leaked keys from a committee, which is why the newest commit is to be trusted', async () => {
  const synced = await thieves.sync(9, { urls: [forged], trusted: GENESIS })
  assert.deepEqual([synced?.epoch, synced?.url], [1n, forged])
})

type Read = (from?: string, path?: string) => Promise<Uint8Array>
const LIES: {
  name: string
  trusted: bigint
  lie(path: string, read: Read): Promise<Lie | undefined> | Lie | undefined
  refused: RegExp
}[] = [
  {
    name: 'the history that leaked keys wrote',
    trusted: 6n,
    lie: (_path, read) => read(forged),
    refused: /has commit 0x\w+ at height 6, where 0x\w+ is trusted/,
  },
  {
    name: 'that history, beside the trusted commit',
    trusted: 6n,
    lie: (path, read) => (path === 'commit/6' ? undefined : read(forged)),
    refused: /its 301 entries have another root/,
  },
  {
    name: 'that history after the trusted log',
    trusted: 6n,
    lie: (path, read) => (path === 'commit/6' || path.startsWith('tile/') ? undefined : read(forged)),
    refused: /certificate of height \d+ does not hold/,
  },
  {
    name: 'another end of the epoch whose end is trusted, signed by its leaked keys',
    trusted: 5n,
    lie: (path, read) => (path === 'commit/epoch/0' ? read(forged) : undefined),
    refused: /the trusted epoch ended otherwise/,
  },
  {
    name: 'an end of another epoch',
    trusted: 6n,
    lie: (path, read) => (path === 'commit/epoch/1' ? read(honest, 'commit/epoch/0') : undefined),
    refused: /it does not show what ended epoch 1/,
  },
  {
    name: 'an end before the trusted height',
    trusted: 2n,
    lie: (path, read) => (path === 'commit/epoch/0' ? read(honest, 'commit/1') : undefined),
    refused: /it does not show what ended epoch 0/,
  },
  {
    name: 'a next committee that the end does not name',
    trusted: 6n,
    lie: async (path, read) =>
      path === 'tile/entries/001.p/146'
        ? (await read()).map((byte, at, { length }) => (at === length - 1 ? byte ^ 1 : byte))
        : undefined,
    refused: /its last entry is not what the last commit names/,
  },
]

const OLD = (path: string): Lie | undefined => (path === 'snapshot/anchor' ? oldSnapshot : undefined)
const TOO_OLD: [bigint, string][] = [
  [11n, 'of an epoch before the trusted commit’s'],
  [10n, 'of the epoch that the trusted commit ended'],
]
for (const [trusted, what] of TOO_OLD)
  LIES.push({ name: `a state ${what}`, trusted, lie: OLD, refused: /is of height 5, and height \d+ is trusted/ })

for (const { name, trusted, lie, refused } of LIES)
  test(`sync: refuses ${name}`, async () => {
    const liar = await startLiar(honest, lie)
    await assert.rejects(
      world.sync(14, { urls: [liar.url], trusted: trust(trusted) }),
      (error: Error & { code: string }) => error.code === 'SYNC_FAILED' && refused.test(error.message),
    )
    liar.close()
  })

test('sync: trust leads down to the beginning of its epoch', async () => {
  const stale = await startLiar(honest, OLD)
  const synced = await world.sync(7, { urls: [stale.url], trusted: trust(7n) })
  assert.deepEqual([synced?.height, synced?.epoch], [5n, 0n])
  stale.close()
  const follower = await world.start(7)
  await until(() => follower.replica.state().height === 15n)
})

test('sync: what was synced serves the next member', async () => {
  const follower = await world.start(11)
  const url = await world.serve(11)
  const synced = await world.sync(14, { urls: [url], trusted: trust(14n) })
  assert.deepEqual([synced?.height, synced?.epoch, synced?.url], [14n, 2n, url])
  assert.equal(follower.store.baseHeight(), 14n)
})

test('sync: a retired component’s last state can be taken, and nothing is signed with it', async () => {
  const retired = createSyncWorld()
  for (const index of [0, 1, 2, 3]) await retired.start(index)
  await retired.decide(0, { heights: 2 })
  const { height } = await retired.retire([0, 1, 2], 0n)
  const url = await retired.serve(0)
  for (const [index, trusted] of [height, 2n].entries()) {
    const synced = await retired.sync(4 + index, { urls: [url], trusted: retired.trust(0, trusted) })
    assert.deepEqual([synced?.height, synced?.epoch], [height, 0n])
    const member = await retired.start(4 + index)
    assert.equal(member.replica.state().governance.retirement?.reason, 'done')
    assert.equal(member.signedCount(), 0)
  }
  await retired.stop()
})
