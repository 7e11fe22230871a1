import type { DatabaseSync } from 'node:sqlite'
import { isEqualBytes, toHex } from '../../protocol/bytes.ts'
import { appendToTiles } from '../../protocol/log/appendToTiles.ts'
import { type CompactRange, EMPTY_RANGE } from '../../protocol/log/compactRange.ts'
import { HASH_SIZE_BYTES, hashLeaf } from '../../protocol/log/treeHash.ts'
import { rootOf } from '../../protocol/log/treeRoot.ts'
import { decodeCommitRecord } from '../../protocol/wire/commitRecord.ts'
import { decodeEnvelope, deriveEnvelopeDigest } from '../../protocol/wire/envelope.ts'
import { bytesOf } from './storeDatabase.ts'
import { chainHash, checksum } from './storeDigest.ts'
import { StoreDamagedError } from './storeErrors.ts'

/** Entries that are hashed in one go when the log is verified. */
const VERIFIED_AT_ONCE = 4096

/** Where the write-ahead log ends: its next record's chain hash goes on from there. */
export type WalTail = { id: number; chain: Uint8Array }

/** The bytes of a row that has a checksum. @throws {StoreDamagedError} it is wrong. */
export function readChecked(row: Record<string, unknown> | undefined, record: string): Uint8Array | undefined {
  if (row === undefined) return undefined
  const bytes = bytesOf(row.bytes)
  if (isEqualBytes(checksum(bytes), bytesOf(row.checksum))) return bytes
  throw new StoreDamagedError({ record, reason: 'its checksum is wrong' })
}

/** @throws {StoreDamagedError} SQLite finds its pages, tables or indexes at odds. */
export function verifyDatabase(db: DatabaseSync): void {
  // Not the quick one: that does not compare indexes with their tables.
  const rows = db.prepare('PRAGMA integrity_check').all()
  const first = rows[0]?.integrity_check
  if (first !== 'ok') throw new StoreDamagedError({ record: 'the database file', reason: String(first) })
}

/** Follows the write-ahead log's chain to its end. @throws {StoreDamagedError} a record is missing, or another. */
export function verifyWal(db: DatabaseSync): WalTail {
  const base = db.prepare('SELECT id, chain FROM wal_base').get()
  if (base === undefined) throw new StoreDamagedError({ record: 'the write-ahead log', reason: 'it has no beginning' })
  let tail: WalTail = { id: Number(base.id), chain: bytesOf(base.chain) }
  for (const row of db.prepare('SELECT id, record, chain FROM wal ORDER BY id').iterate()) {
    const chain = chainHash(tail.chain, bytesOf(row.record))
    const id = tail.id + 1
    if (row.id !== id || !isEqualBytes(chain, bytesOf(row.chain))) {
      throw new StoreDamagedError({ record: `write-ahead record ${id}`, reason: 'its chain hash is wrong' })
    }
    tail = { id, chain }
  }
  return tail
}

/** Follows the commits' chain up to the state's height. @throws {StoreDamagedError} one is missing, or another. */
export function verifyDecisions(db: DatabaseSync): void {
  const base = Number(db.prepare('SELECT base FROM meta').get()?.base)
  let height = Math.max(base - 1, 0)
  let chain: Uint8Array = new Uint8Array(32)
  for (const row of db.prepare('SELECT height, record, chain FROM decisions ORDER BY height').iterate()) {
    height += 1
    chain = chainHash(chain, Buffer.from(row.record as string))
    if (row.height !== height || !isEqualBytes(chain, bytesOf(row.chain))) {
      throw new StoreDamagedError({ record: `height ${height}`, reason: 'its chain hash is wrong' })
    }
  }
  const state = db.prepare('SELECT height FROM state').get()
  if (Number(state?.height ?? 0) !== height || height < base) {
    throw new StoreDamagedError({
      record: 'the state',
      reason: `it is of height ${state?.height}, the log of ${height}`,
    })
  }
}

/** Hashes all entries and compares them with the tiles and `log`. @throws {StoreDamagedError} the first that differs. */
export function verifyEntries(db: DatabaseSync, log: CompactRange): void {
  const tiles = new Map<string, Uint8Array>()
  for (const row of db.prepare('SELECT level, position, hashes FROM tiles').iterate()) {
    tiles.set(`${row.level}/${row.position}`, bytesOf(row.hashes))
  }
  const seen = new Map<string, number>()
  let range: CompactRange = EMPTY_RANGE
  let leafHashes: Uint8Array[] = []
  const append = (): void => {
    const { range: next, appends } = appendToTiles(range, leafHashes)
    for (const { level, index, offset, hashes } of appends) {
      const name = `${level}/${index}`
      const stored = tiles.get(name)?.subarray(HASH_SIZE_BYTES * offset, HASH_SIZE_BYTES * offset + hashes.length)
      if (stored === undefined || !isEqualBytes(stored, hashes)) {
        throw new StoreDamagedError({ record: `tile ${name}`, reason: 'it is not of the entries that are stored' })
      }
      seen.set(name, HASH_SIZE_BYTES * offset + hashes.length)
    }
    range = next
    leafHashes = []
  }
  let position = 0
  for (const row of db.prepare('SELECT position, bytes FROM entries ORDER BY position').iterate()) {
    if (row.position !== position) throw new StoreDamagedError({ record: `entry ${position}`, reason: 'it is missing' })
    position += 1
    leafHashes.push(hashLeaf(bytesOf(row.bytes)))
    if (leafHashes.length === VERIFIED_AT_ONCE) append()
  }
  append()
  const isSame = range.size === log.size && range.hashes.every((hash, index) => isEqualBytes(hash, log.hashes[index]!))
  if (!isSame) throw new StoreDamagedError({ record: 'the entries', reason: 'they are not those of the last commit' })
  for (const [name, { length }] of tiles) {
    if (seen.get(name) !== length)
      throw new StoreDamagedError({ record: `tile ${name}`, reason: `it has ${length} bytes` })
  }
}

/**
 * Hashes the envelopes and vote extensions of all heights and compares them with their commits.
 *
 * @throws {StoreDamagedError} the first height where they differ.
 */
export function verifyBatches(db: DatabaseSync): void {
  const selectBatch = db.prepare('SELECT position, digest, bytes FROM envelopes WHERE height = ? ORDER BY position')
  const selectExtensions = db.prepare('SELECT position, bytes FROM extensions WHERE height = ? ORDER BY position')
  let count = 0
  let extensionCount = 0
  const selectRecords = db.prepare(
    'SELECT height, record, anchor FROM decisions WHERE height > (SELECT base FROM meta) ORDER BY height',
  )
  for (const row of selectRecords.iterate()) {
    const { commit, body } = decodeCommitRecord(row.record as string)
    if ((row.anchor === 1) !== commit.anchor) {
      throw new StoreDamagedError({ record: `height ${row.height}`, reason: 'its mark for the chain is another' })
    }
    const batch = selectBatch.all(row.height as number)
    count += batch.length
    const record = `the envelopes of height ${row.height}`
    if (toHex(rootOf(batch.map((each) => hashLeaf(bytesOf(each.bytes))))) !== body.batchRoot) {
      throw new StoreDamagedError({ record, reason: 'their root is another' })
    }
    // A name that is wrong would have a decided envelope said to be undecided.
    const isNamed = batch.every(
      ({ position, digest, bytes }, index) =>
        position === index && digest === deriveEnvelopeDigest(decodeEnvelope(bytesOf(bytes))),
    )
    if (!isNamed) throw new StoreDamagedError({ record, reason: 'one is not where, or what, its name says' })
    const extensions = selectExtensions.all(row.height as number)
    extensionCount += extensions.length
    const isInPlace = extensions.every(({ position }, index) => position === index)
    if (!isInPlace || toHex(rootOf(extensions.map((each) => hashLeaf(bytesOf(each.bytes))))) !== body.extensionsRoot) {
      const reason = 'they are not those that the commit names'
      throw new StoreDamagedError({ record: `the vote extensions of height ${row.height}`, reason })
    }
  }
  if (db.prepare('SELECT count(*) AS count FROM envelopes').get()?.count !== count) {
    throw new StoreDamagedError({ record: 'the envelopes', reason: 'some are of no height' })
  }
  if (db.prepare('SELECT count(*) AS count FROM extensions').get()?.count !== extensionCount) {
    throw new StoreDamagedError({ record: 'the vote extensions', reason: 'some are of no height' })
  }
}
