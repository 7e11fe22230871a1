import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { chronicle } from '../../../modules/chronicle/machine.ts'
import type { Hex } from '../../../protocol/bytes.ts'
import { appendToTiles } from '../../../protocol/log/appendToTiles.ts'
import { EMPTY_RANGE } from '../../../protocol/log/compactRange.ts'
import { hashLeaf } from '../../../protocol/log/treeHash.ts'
import { encodeChronicleParameters } from '../../../protocol/wire/chronicleParameters.ts'
import { encodeEnvelope } from '../../../protocol/wire/envelope.ts'
import { openReplica } from '../../../workers/member/replica.ts'
import { initStore, openStore, type StoredDecision } from '../../../workers/member/store.ts'
import { StoreDamagedError, StoreError } from '../../../workers/member/storeErrors.ts'
import {
  createEnvelope,
  createTestDir,
  signers,
  startCommittee,
  component as testComponent,
  parameters as testParameters,
} from './chronicle-of-tests.ts'

const component: Hex = `0x${'c0'.repeat(32)}`
const signer: Hex = `0x${'51'.repeat(20)}`
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function createStore() {
  const dir = createTestDir()
  const identity = { dir, component, signer }
  initStore(identity)
  return { dir, identity, open: () => openStore(identity) }
}

function decision(height: bigint, entries: string[], from = EMPTY_RANGE): StoredDecision {
  const leaves = entries.map(bytes)
  return {
    height,
    record: `{"height":${height}}`,
    anchor: height % 2n === 0n,
    endsEpoch: false,
    envelopes: [{ digest: `0x${height.toString(16).padStart(64, '0')}`, bytes: bytes(`envelope ${height}`) }],
    firstEntry: from.size,
    entries: leaves,
    tiles: appendToTiles(from, leaves.map(hashLeaf)).appends,
    state: bytes(`state ${height}`),
    extensions: [bytes(`extension of ${height - 1n}`)],
    parent: bytes(`parent ${height}`),
  }
}

/** Opens the file behind the store's back, as a fault of the disk would reach it. */
function tamper(dir: string, sql: string): void {
  const db = new DatabaseSync(join(dir, 'member.sqlite'))
  db.exec(sql)
  db.close()
}

test('openStore: gives back what was appended and decided, after closing and opening again', () => {
  const { open } = createStore()
  const store = open()
  store.append([bytes('one')])
  store.decide(decision(1n, ['a', 'b']))
  store.append([bytes('two'), bytes('three')])
  store.close()
  const again = open()
  assert.deepEqual(again.readWal().map(String), [bytes('two'), bytes('three')].map(String))
  assert.equal(again.readRecord(1n), '{"height":1}')
  assert.deepEqual(again.readEntries({ start: 0n, end: 9n }).map(String), [bytes('a'), bytes('b')].map(String))
  assert.equal(String(again.readState()), String(bytes('state 1')))
  assert.deepEqual(again.findEnvelope(`0x${'1'.padStart(64, '0')}`), { height: 1n, position: 0 })
  assert.equal(again.readTile(0, 0n)?.length, 64)
  again.close()
})

test('decide: appends to tiles across many heights and their border', () => {
  const { open } = createStore()
  const store = open()
  let range = EMPTY_RANGE
  const hashes: Uint8Array[] = []
  for (let height = 1n; height <= 30n; height++) {
    const entries = Array.from({ length: 20 }, (_, index) => `entry ${height}.${index}`)
    store.decide(decision(height, entries, range))
    const leafHashes = entries.map(bytes).map(hashLeaf)
    range = appendToTiles(range, leafHashes).range
    hashes.push(...leafHashes)
  }
  const stored = [0n, 1n, 2n].map((index) => Buffer.from(store.readTile(0, index)!))
  assert.equal(Buffer.compare(Buffer.concat(stored), Buffer.concat(hashes)), 0)
  assert.equal(store.readTile(1, 0n)?.length, 2 * 32)
  assert.equal(store.readNewestAnchor(), '{"height":30}')
  store.close()
})

test('initStore: never makes a store over another', () => {
  const { identity } = createStore()
  assert.throws(() => initStore(identity), StoreError)
})

test('openStore: refuses where there is none: a member that lost its store must not start from nothing', () => {
  assert.throws(() => openStore({ dir: createTestDir(), component, signer }), StoreError)
})

test('openStore: refuses another member’s store and another component’s', () => {
  const { dir } = createStore()
  assert.throws(() => openStore({ dir, component, signer: `0x${'52'.repeat(20)}` }), StoreError)
  assert.throws(() => openStore({ dir, component: `0x${'c1'.repeat(32)}`, signer }), StoreError)
})

test('openStore: refuses a second process, and the first goes on', () => {
  const { dir, open } = createStore()
  const store = open()
  const script = `import { openStore } from ${JSON.stringify(join(import.meta.dirname, '../../../workers/member/store.ts'))}
    try { openStore(${JSON.stringify({ dir, component, signer })}) } catch (error) { process.exit(error.code === 'STORE' ? 7 : 1) }`
  assert.equal(spawnSync(process.execPath, ['--input-type=module', '-e', script]).status, 7)
  store.append([bytes('still here')])
  store.close()
})

test('openStore: refuses for good what was halted', () => {
  const { open } = createStore()
  const store = open()
  store.halt('its key was seen elsewhere')
  store.close()
  assert.throws(open, StoreError)
})

const damages: [string, string][] = [
  ['a changed write-ahead record', "UPDATE wal SET record = x'00' WHERE id = 3"],
  ['a write-ahead record that is missing in the middle', 'DELETE FROM wal WHERE id = 3'],
  ['a changed chain hash', 'UPDATE wal SET chain = zeroblob(32) WHERE id = 4'],
  ['a changed commit', "UPDATE decisions SET record = '{}' WHERE height = 1"],
  ['a commit that is missing', 'DELETE FROM decisions WHERE height = 1'],
  ['a state of another height', 'UPDATE state SET height = 1'],
]
for (const [name, sql] of damages)
  test(`openStore: names and refuses ${name}`, () => {
    const { dir, open } = createStore()
    const store = open()
    store.append([bytes('1')])
    store.decide(decision(1n, ['a']))
    store.decide({ ...decision(2n, []), firstEntry: 1n })
    store.append([bytes('2'), bytes('3'), bytes('4')])
    store.close()
    tamper(dir, sql)
    assert.throws(open, StoreDamagedError)
  })

test('openStore: names and refuses a file that is no database', () => {
  const { dir, open } = createStore()
  writeFileSync(
    join(dir, 'member.sqlite'),
    'not a database, but long enough to have a header that could be read as one',
  )
  assert.throws(open, StoreDamagedError)
})

const logDamages: [string, string][] = [
  ['a changed entry', "UPDATE entries SET bytes = x'00' WHERE position = 1"],
  ['an entry that is missing', 'DELETE FROM entries WHERE position = 2'],
  ['a changed tile', 'UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE level = 0'],
  ['a tile too many', 'INSERT INTO tiles VALUES (1, 0, zeroblob(32))'],
]
for (const [name, sql] of logDamages)
  test(`verifyLog: names and refuses ${name}`, () => {
    const { dir, open } = createStore()
    const store = open()
    const entries = ['a', 'b', 'c']
    store.decide(decision(1n, entries))
    store.close()
    tamper(dir, sql)
    const again = open()
    const { range } = appendToTiles(EMPTY_RANGE, entries.map(bytes).map(hashLeaf))
    assert.throws(() => again.verifyLog(range), StoreDamagedError)
    again.close()
  })

test('openReplica: refuses a store whose envelopes or entries are not those of its commits', async () => {
  const { running, stop } = await startCommittee([0, 1, 2])
  await running[0]!.driver.submit(encodeEnvelope(createEnvelope(1n, ['{"n":1}'])))
  const { dir } = running[0]!
  stop()
  tamper(dir, "UPDATE envelopes SET bytes = x'00'")
  const identity = { dir, component: testComponent, signer: signers[0]! }
  const store = openStore(identity)
  const parameters = encodeChronicleParameters(testParameters)
  const testSeats = signers.map((signer) => ({ signer }))
  assert.throws(
    () => openReplica({ machine: chronicle, store }, { component: testComponent, parameters, members: testSeats }),
    StoreDamagedError,
  )
  store.close()
})

test('readState: refuses a state whose bytes were changed', () => {
  const { dir, open } = createStore()
  const store = open()
  store.decide(decision(1n, ['a']))
  store.close()
  tamper(dir, "UPDATE state SET bytes = x'00'")
  const again = open()
  assert.throws(() => again.readState(), StoreDamagedError)
  again.close()
})
