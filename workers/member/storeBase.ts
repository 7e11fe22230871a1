import type { DatabaseSync } from 'node:sqlite'
import { appendToTiles } from '../../protocol/log/appendToTiles.ts'
import { type CompactRange, EMPTY_RANGE } from '../../protocol/log/compactRange.ts'
import { hashLeaf } from '../../protocol/log/treeHash.ts'
import { chainHash, checksum } from './storeDigest.ts'

/** A certified height that a store begins at, instead of height 1 (spec §5.5). All of it was verified by its caller. */
export type StoreBase = {
  height: bigint
  /** JSON of `encodeCommitRecord`. */
  record: string
  anchor: boolean
  /** As `encodeSnapshot` gives it. */
  state: Uint8Array
  /** As `encodeParentRecord` gives it. */
  parent: Uint8Array
}

/**
 * Replaces all that the store holds of its component by another beginning, in one transaction: entry by entry, so that a
 * log of any length takes no more memory than a bundle, and durable whole with `finish` or not at all.
 */
export type BaseWriter = {
  /** Appends entries to the log. @returns the log as it is then. */
  append(entries: readonly Uint8Array[]): CompactRange
  /** Makes `base` and all that was appended durable; the write-ahead log before it is of no more use. */
  finish(base: StoreBase): void
  /** Leaves the store as it was. Harmless after `finish`. */
  abandon(): void
}

const EMPTIED = ['decisions', 'envelopes', 'extensions', 'entries', 'tiles', 'snapshots']
const ZERO_CHAIN = new Uint8Array(32)

/** @param walTail - where the store's write-ahead log ends: its chain goes on from there. */
export function createBaseWriter(db: DatabaseSync, walTail: { id: number; chain: Uint8Array }): BaseWriter {
  db.exec('BEGIN IMMEDIATE')
  for (const table of EMPTIED) db.exec(`DELETE FROM ${table}`)
  const insertEntry = db.prepare('INSERT INTO entries VALUES (?, ?)')
  const appendTile = db.prepare(
    'INSERT INTO tiles VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET hashes = CAST(hashes || excluded.hashes AS BLOB)',
  )
  let log: CompactRange = EMPTY_RANGE
  return {
    append(entries) {
      const { range, appends } = appendToTiles(log, entries.map(hashLeaf))
      entries.forEach((entry, offset) => {
        insertEntry.run(log.size + BigInt(offset), entry)
      })
      for (const { level, index, hashes } of appends) appendTile.run(level, index, hashes)
      log = range
      return log
    },
    finish({ height, record, anchor, state, parent }) {
      const chain = chainHash(ZERO_CHAIN, Buffer.from(record))
      db.prepare('INSERT INTO decisions VALUES (?, ?, ?, ?)').run(height, record, anchor ? 1 : 0, chain)
      const putState = db.prepare('INSERT OR REPLACE INTO state VALUES (0, ?, ?, ?, ?, ?)')
      putState.run(height, state, checksum(state), parent, checksum(parent))
      db.prepare('INSERT INTO snapshots VALUES (?, ?, ?)').run(height, state, checksum(state))
      db.exec('DELETE FROM wal')
      db.prepare('UPDATE wal_base SET id = ?, chain = ?').run(walTail.id, walTail.chain)
      db.prepare('UPDATE meta SET base = ?, syncing = 0').run(height)
      db.exec('COMMIT')
    },
    abandon() {
      if (db.isOpen && db.isTransaction) db.exec('ROLLBACK')
    },
  }
}
