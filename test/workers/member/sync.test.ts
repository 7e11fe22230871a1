import assert from 'node:assert/strict'
import { cpSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import { toHex } from '../../../protocol/bytes.ts'
import { encodeEnvelope } from '../../../protocol/wire/envelope.ts'
import { forgeCertificate } from '../../../scripts/demo/tamperedLog.ts'
import { KeyElsewhereError } from '../../../workers/member/driverErrors.ts'
import { openStore } from '../../../workers/member/store.ts'
import type { StoreError } from '../../../workers/member/storeErrors.ts'
import { StoreContradictedError, type SyncFailedError } from '../../../workers/member/syncErrors.ts'
import { component, createEnvelope, createTestDir } from './chronicle-of-tests.ts'
import { createSyncWorld, keys, startLiar, until } from './syncWorld.ts'

test('sync: a new member begins at the newest certified state, and follows and serves the log from there', async () => {
  const world = createSyncWorld()
  for (const index of [0, 1, 2, 3]) await world.start(index)
  await world.decide(0, { heights: 9, entries: 100 })
  const url = await world.serve(0)
  const synced = await world.sync(4, { urls: [url], trusted: world.trust(0, 3n) })
  assert.deepEqual([synced?.height, synced?.epoch, synced?.logSize], [8n, 0n, 800n])
  const fifth = await world.start(4)
  await until(() => fifth.replica.state().height === 9n)
  await world.decide(1, { heights: 2 })
  assert.equal(fifth.replica.state().parent, world.member(0).replica.state().parent)
  assert.equal(fifth.store.baseHeight(), 8n)
  const [all, own] = [world.member(0), fifth].map(({ store }) =>
    store.readEntries({ start: 0n, end: 10_000n }).map(toHex),
  )
  assert.equal(own!.length, 902)
  assert.deepEqual(own, all)
  await world.stop()
})

test('sync: a member without what it needs cannot be missed, and votes again after it', async () => {
  const world = createSyncWorld()
  for (const index of [0, 1, 2, 3]) await world.start(index)
  await world.decide(0, { heights: 2 })
  world.kill(3)
  await world.decide(0, { heights: 7, entries: 60 })
  const url = await world.serve(0)
  const synced = await world.sync(3, { urls: [url], trusted: world.trust(0, 8n) })
  assert.equal(synced?.height, 8n)
  const back = await world.start(3)
  await until(() => back.driver.status().isJoined && back.replica.state().height === 9n)
  world.kill(1)
  await world.decide(0, { heights: 3 }) // three of four: its votes are needed
  assert.ok(back.signedCount() > 0)
  assert.deepEqual(back.faults, [])
  await world.stop()
})

test('sync: killed in the middle, it leaves an old store as it was', async () => {
  const world = createSyncWorld()
  for (const index of [0, 1, 2, 3]) await world.start(index)
  await world.decide(0, { heights: 3, entries: 100 })
  world.kill(3)
  await world.decide(0, { heights: 6, entries: 250 })
  const url = await world.serve(0)
  let asked = 0
  const staller = await startLiar(url, (path) => {
    if (path.startsWith('tile/entries/')) asked += 1
    return asked > 4 ? () => undefined : undefined
  })
  const failing = assert.rejects(world.sync(3, { urls: [staller.url], trusted: world.trust(0, 8n) }), /No peer/)
  await until(() => asked > 4)
  // What is on the disk now is what a kill would leave there: entries are written, and nothing of it is committed.
  const killed = createTestDir()
  cpSync(world.dirOf(3), killed, { recursive: true })
  await failing
  staller.close()
  for (const left of [killed, world.dirOf(3)]) {
    const store = openStore({ dir: left, component, signer: keys[3]!.signer })
    assert.deepEqual(
      [store.baseHeight(), store.readRecord(3n) !== undefined, store.readRecord(4n)],
      [0n, true, undefined],
    )
    assert.equal(store.readEntries({ start: 0n, end: 2_000n }).length, 300)
    store.close()
  }
  const back = await world.start(3)
  await until(() => back.replica.state().height === 9n)
  await world.stop()
})

test('sync: a store that has what its peers offer stays as it is', async () => {
  const world = createSyncWorld()
  for (const index of [0, 1, 2, 3]) await world.start(index)
  await world.decide(0, { heights: 5 })
  world.kill(3)
  const url = await world.serve(0)
  assert.equal(await world.sync(3, { urls: [url], trusted: world.trust(0, 4n) }), null)
  await world.withStore(3, (store) =>
    assert.deepEqual([store.baseHeight(), store.readRecord(5n) !== undefined], [0n, true]),
  )
  await world.stop()
})

test('sync: the votes of a height that was begun go with it, once that height is behind', async () => {
  const world = createSyncWorld()
  for (const index of [0, 1, 2]) await world.start(index)
  await world.decide(0, { heights: 2 })
  world.kill(0)
  world.kill(1)
  const third = world.member(2)
  void third.driver.submit(encodeEnvelope(createEnvelope(3n, ['{"alone":1}']))).catch(() => undefined)
  await until(() => third.store.readWal().length > 0)
  world.kill(2)
  for (const index of [0, 1, 3]) await world.start(index)
  await world.decide(0, { heights: 6 })
  const urls = [await world.serve(0)]
  assert.equal((await world.sync(2, { urls, trusted: world.trust(0, 4n) }))?.height, 8n)
  await world.withStore(2, (store) => assert.equal(store.readWal().length, 0))
  const back = await world.start(2)
  world.kill(1)
  await world.decide(0)
  assert.deepEqual(back.faults, [])
  await world.stop()
})

test('sync: a store whose key signed what it does not know is stopped for good', async () => {
  const world = createSyncWorld()
  for (const index of [0, 1, 2]) await world.start(index)
  await world.decide(0, { heights: 1 })
  world.kill(2)
  const backup = createTestDir()
  cpSync(world.dirOf(2), backup, { recursive: true })
  await world.start(2)
  await world.decide(0, { heights: 4 }) // three of four: each certificate holds its signature
  world.kill(2)
  rmSync(world.dirOf(2), { recursive: true })
  cpSync(backup, world.dirOf(2), { recursive: true })
  const url = await world.serve(0)
  await assert.rejects(world.sync(2, { urls: [url], trusted: world.trust(0, 4n) }), KeyElsewhereError)
  const identity = { dir: world.dirOf(2), component, signer: keys[2]!.signer }
  assert.throws(() => openStore(identity), /stopped for good/)
  await world.stop()
})

test('sync: a new store of a key that signed before is stopped, too', async () => {
  const world = createSyncWorld()
  for (const index of [0, 1, 2]) await world.start(index)
  await world.decide(0, { heights: 4 })
  world.kill(2)
  rmSync(world.dirOf(2), { recursive: true })
  const urls = [await world.serve(0)]
  await assert.rejects(world.sync(2, { urls, trusted: world.trust(0, 4n) }), KeyElsewhereError)
  await assert.rejects(world.sync(2, { urls, trusted: world.trust(0, 4n) }), /stopped for good/)
  await world.stop()
})

test('sync: a store with another history than the trusted one is kept, and nothing is taken', async () => {
  const [world, other] = [createSyncWorld(), createSyncWorld()]
  for (const index of [0, 1, 2]) await world.start(index)
  for (const index of [0, 1, 2, 3]) await other.start(index)
  await world.decide(0, { heights: 5 })
  await other.decide(0, { heights: 2, text: 'other' })
  other.kill(3)
  const urls = [await world.serve(0)]
  const trusted = world.trust(0, 4n)
  await assert.rejects(other.sync(3, { urls, trusted }), StoreContradictedError)
  await assert.rejects(other.sync(3, { urls, trusted: world.trust(0, 2n) }), StoreContradictedError)
  await other.decide(0, { heights: 4, text: 'other' })
  other.kill(2) // ahead of what is offered: its own commit at the trusted height says enough
  await assert.rejects(other.sync(2, { urls, trusted }), StoreContradictedError)
  const kept = await other.start(3)
  await until(() => kept.replica.state().height === 6n)
  assert.equal(kept.replica.state().parent, other.member(0).replica.state().parent)
  for (const each of [world, other]) await each.stop()
})

test('sync: what is trusted may be newer than every state that is kept', async () => {
  const world = createSyncWorld()
  for (const index of [0, 1, 2, 3]) await world.start(index)
  await world.decide(0, { heights: 7 })
  const url = await world.serve(0)
  const trusted = world.trust(0, 7n)
  const liar = await startLiar(url, (path, read) => (path === 'commit/5' ? read(url, 'commit/4') : undefined))
  await assert.rejects(
    world.sync(4, { urls: [liar.url], trusted }),
    (error: SyncFailedError) =>
      error.code === 'SYNC_FAILED' && /at height 5, where 0x\w+ is trusted/.test(error.message),
  )
  const forger = await startLiar(url, async (path, read) =>
    path === 'commit/4' ? forgeCertificate(`/${path}`, await read()) : undefined,
  )
  await assert.rejects(world.sync(4, { urls: [forger.url], trusted }), /certificate of height 4 does not hold/)
  for (const each of [liar, forger]) each.close()
  assert.equal((await world.sync(4, { urls: [url], trusted }))?.height, 4n)
  const fifth = await world.start(4)
  await until(() => fifth.replica.state().height === 7n)
  await world.stop()
})

test('sync: a failed one leaves a new store that only a sync opens', async () => {
  const world = createSyncWorld()
  for (const index of [0, 1, 2, 3]) await world.start(index)
  await world.decide(0, { heights: 3 })
  const urls = [await world.serve(0)]
  const trusted = world.trust(0, 3n)
  await assert.rejects(
    world.sync(4, { urls, trusted }),
    (error: SyncFailedError) => error.isRetryable && /does not have snapshot\/anchor/.test(error.message),
  )
  const identity = { dir: world.dirOf(4), component, signer: keys[4]!.signer }
  assert.throws(
    () => openStore(identity),
    (error: StoreError) => /its sync did not end/.test(error.message),
  )
  await world.decide(0)
  assert.equal((await world.sync(4, { urls, trusted }))?.height, 4n)
  openStore(identity).close()
  await world.stop()
})
