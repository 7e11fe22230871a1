import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { chronicle } from '../../../modules/chronicle/machine.ts'
import { appendToTiles } from '../../../protocol/log/appendToTiles.ts'
import { EMPTY_RANGE } from '../../../protocol/log/compactRange.ts'
import { hashLeaf } from '../../../protocol/log/treeHash.ts'
import { encodeChronicleParameters } from '../../../protocol/wire/chronicleParameters.ts'
import { openReplica } from '../../../workers/member/replica.ts'
import { initStore, openStore, type Store, type StoredDecision } from '../../../workers/member/store.ts'
import { StoreDamagedError, StoreError } from '../../../workers/member/storeErrors.ts'
import { component, createTestDir, parameters, signers } from './chronicle-of-tests.ts'

const signer = signers[0]!
const seats = signers.map((each) => ({ signer: each }))
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const entries = Array.from({ length: 300 }, (_, index) => bytes(`entry ${index}`))
const base = { height: 7n, record: '{"height":7}', anchor: true, state: bytes('state 7'), parent: bytes('parent 7') }

function createStore({ isSyncing = false } = {}) {
  const identity = { dir: createTestDir(), component, signer }
  initStore({ ...identity, isSyncing })
  return {
    dir: identity.dir,
    open: () => openStore(identity),
    openSyncing: () => openStore({ ...identity, isSyncing: true }),
  }
}

const decision = (height: bigint, over: Partial<StoredDecision> = {}): StoredDecision => ({
  height,
  record: `{"height":${height}}`,
  anchor: true,
  endsEpoch: false,
  envelopes: [],
  firstEntry: 0n,
  entries: [],
  tiles: [],
  state: bytes(`state ${height}`),
  extensions: [],
  parent: bytes(`parent ${height}`),
  ...over,
})

function writeBase(store: Store): void {
  const writer = store.replaceBase()
  writer.append(entries.slice(0, 256))
  assert.equal(writer.append(entries.slice(256)).size, 300n)
  writer.finish(base)
}

test('replaceBase: a store goes on from the height it was given, opened again too', () => {
  const { open, openSyncing } = createStore({ isSyncing: true })
  const syncing = openSyncing()
  writeBase(syncing)
  syncing.close()
  const store = open()
  assert.equal(store.baseHeight(), 7n)
  assert.equal(store.readRecord(7n), base.record)
  assert.equal(store.readRecord(6n), undefined)
  assert.equal(String(store.readState()), String(base.state))
  assert.equal(String(store.readSnapshot(7n)), String(base.state))
  const { range } = appendToTiles(EMPTY_RANGE, entries.map(hashLeaf))
  store.append([bytes('a vote of height 8')])
  const more = [bytes('more')]
  const { range: longer, appends } = appendToTiles(range, more.map(hashLeaf))
  store.decide(decision(8n, { firstEntry: 300n, entries: more, tiles: appends }))
  store.close()
  const again = open()
  assert.equal(again.readRecord(8n), '{"height":8}')
  assert.equal(again.readEntries({ start: 299n, end: 400n }).length, 2)
  assert.equal(again.readTile(0, 1n)?.length, 45 * 32)
  assert.equal(longer.size, 301n)
  again.close()
})

test('openStore: refuses by name a store whose sync was interrupted, and gives it to the next sync', () => {
  const { open, openSyncing } = createStore({ isSyncing: true })
  assert.throws(open, (error: StoreError) => error.code === 'STORE' && error.message.includes('its sync did not end'))
  const store = openSyncing()
  const writer = store.replaceBase()
  writer.append(entries)
  store.close() // as a kill would: the transaction never ends
  assert.throws(open, StoreError)
  const next = openSyncing()
  assert.equal(next.readEntries({ start: 0n, end: 9n }).length, 0)
  writeBase(next)
  next.close()
  open().close()
})

test('replaceBase: abandoned, it leaves the store as it was', () => {
  const { open } = createStore()
  const store = open()
  store.decide(decision(1n))
  store.append([bytes('a vote of height 2')])
  const writer = store.replaceBase()
  writer.append(entries)
  writer.abandon()
  assert.equal(store.baseHeight(), 0n)
  assert.equal(store.readWal().length, 1)
  assert.equal(store.readEntries({ start: 0n, end: 9n }).length, 0)
  store.close()
  const again = open()
  assert.equal(again.readRecord(1n), '{"height":1}')
  again.close()
})

const damages: [string, string][] = [
  ['another base', 'UPDATE meta SET base = 6'],
  ['a base that it does not have', 'DELETE FROM decisions'],
  ['a changed commit at its base', "UPDATE decisions SET record = '{}'"],
]
for (const [name, sql] of damages)
  test(`openStore: names and refuses ${name}`, () => {
    const { dir, open } = createStore()
    const store = open()
    writeBase(store)
    store.close()
    const db = new DatabaseSync(join(dir, 'member.sqlite'))
    db.exec(sql)
    if (sql.startsWith('DELETE')) db.exec('DELETE FROM state')
    db.close()
    assert.throws(open, StoreDamagedError)
  })

test('decide: keeps the newest two snapshots of heights that are marked for the chain', () => {
  const { open } = createStore()
  const store = open()
  for (let height = 1n; height <= 5n; height++) store.decide(decision(height, { anchor: height !== 5n }))
  const kept = [1n, 2n, 3n, 4n, 5n].map((height) => store.readSnapshot(height) !== undefined)
  assert.deepEqual(kept, [false, false, true, true, false])
  store.close()
})

test('openReplica: refuses a store that was made for other parameters of the same component', () => {
  const { open } = createStore()
  const store = open()
  const encoded = encodeChronicleParameters(parameters)
  openReplica({ machine: chronicle, store }, { component, parameters: encoded, members: seats })
  openReplica({ machine: chronicle, store }, { component, parameters: encoded, members: seats })
  const changed = encodeChronicleParameters({ ...parameters, anchorEveryCommits: 5 })
  assert.throws(
    () => openReplica({ machine: chronicle, store }, { component, parameters: changed, members: seats }),
    (error: StoreError) => error.code === 'STORE' && error.message.includes('other parameters'),
  )
  store.close()
})
