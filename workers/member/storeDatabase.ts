import { DatabaseSync } from 'node:sqlite'
import type { Hex } from '../../protocol/bytes.ts'
import { StoreDamagedError, StoreError, toStoreError } from './storeErrors.ts'
import { sync } from './storeFiles.ts'

/** Changes when what is stored changes its form. */
export const STORE_VERSION = 3

const SQLITE_BUSY = 5

export type StoreIdentity = {
  /** Component key. */
  component: Hex
  /** The member whose store it is. */
  signer: Hex
}

export const SCHEMA = `
  CREATE TABLE meta (version INTEGER NOT NULL, component TEXT NOT NULL, signer TEXT NOT NULL, halted TEXT, base INTEGER NOT NULL, syncing INTEGER NOT NULL, parameters BLOB) STRICT;
  CREATE TABLE evidence (a BLOB NOT NULL, b BLOB NOT NULL, UNIQUE (a, b)) STRICT;
  CREATE TABLE wal (id INTEGER PRIMARY KEY, record BLOB NOT NULL, chain BLOB NOT NULL) STRICT;
  CREATE TABLE wal_base (only INTEGER PRIMARY KEY CHECK (only = 0), id INTEGER NOT NULL, chain BLOB NOT NULL) STRICT;
  CREATE TABLE decisions (height INTEGER PRIMARY KEY, record TEXT NOT NULL, anchor INTEGER NOT NULL, chain BLOB NOT NULL) STRICT;
  CREATE TABLE envelopes (height INTEGER, position INTEGER, digest TEXT NOT NULL UNIQUE, bytes BLOB NOT NULL, PRIMARY KEY (height, position)) STRICT, WITHOUT ROWID;
  CREATE TABLE extensions (height INTEGER, position INTEGER, bytes BLOB NOT NULL, PRIMARY KEY (height, position)) STRICT, WITHOUT ROWID;
  CREATE TABLE entries (position INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE tiles (level INTEGER, position INTEGER, hashes BLOB NOT NULL, PRIMARY KEY (level, position)) STRICT, WITHOUT ROWID;
  CREATE TABLE state (only INTEGER PRIMARY KEY CHECK (only = 0), height INTEGER NOT NULL, bytes BLOB NOT NULL, checksum BLOB NOT NULL, parent BLOB NOT NULL, parent_checksum BLOB NOT NULL) STRICT;
  CREATE TABLE snapshots (height INTEGER PRIMARY KEY, bytes BLOB NOT NULL, checksum BLOB NOT NULL) STRICT;
  CREATE INDEX anchored ON decisions (height) WHERE anchor = 1;
`

/** A BLOB's value, as SQLite's driver gives it. */
export const bytesOf = (value: unknown): Uint8Array => value as Uint8Array

/** Opens the file, or makes it: one process's alone from its first transaction on. */
export function openDatabase(path: string): DatabaseSync {
  const db = new DatabaseSync(path)
  // FULL makes every commit an fsync: in WAL mode NORMAL would lose acknowledged votes with the power (spec §5.4).
  db.exec(
    'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 0',
  )
  return db
}

/** Opens the file and holds it. @throws {StoreError} another process does. @throws {StoreDamagedError} it is no database. */
export function openExclusively(path: string): DatabaseSync {
  try {
    const db = openDatabase(path)
    db.exec('BEGIN EXCLUSIVE; COMMIT')
    return db
  } catch (cause) {
    if ((cause as { errcode?: number }).errcode !== SQLITE_BUSY) throw toStoreError(cause)
    throw new StoreError({
      reason: `another process holds ${path}`,
      fix: 'Stop the other one: a member that runs twice contradicts itself.',
      cause,
    })
  }
}

/**
 * Makes durable what was read. A member that was killed leaves behind what it had written and not synced: SQLite reads it like
 * all else, and a vote would be sent again that the next loss of power takes back (spec §5.4). To sync the journal is not
 * enough, because a kernel that failed to once takes its pages for written; so all of it is written again, into the database.
 */
export function settleJournal(db: DatabaseSync, { path, dir }: { path: string; dir: string }): void {
  const result = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()
  if (result?.busy !== 0) throw new Error('the journal of a store that is held alone is in use')
  sync(`${path}-wal`)
  // SQLite makes the journal's name durable, too, and does not say so when it cannot.
  sync(dir)
}

/** Of the tables and indexes, not of their pages: a bit of it may change what a column means. */
function readSchema(db: DatabaseSync): string {
  return JSON.stringify(db.prepare('SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name').all())
}

/** @throws {StoreDamagedError} the tables or indexes are not those of SCHEMA. */
export function verifySchema(db: DatabaseSync): void {
  const fresh = new DatabaseSync(':memory:')
  fresh.exec(SCHEMA)
  const expected = readSchema(fresh)
  fresh.close()
  if (readSchema(db) !== expected) {
    throw new StoreDamagedError({ record: 'the database file', reason: 'its tables are not those of a store' })
  }
}

/** @throws {StoreError} it is another member's or version's, or ended. @throws {StoreDamagedError} it is no store. */
export function assertIdentity(db: DatabaseSync, { component, signer }: StoreIdentity): void {
  const isStore = db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'").get() !== undefined
  if (!isStore) throw new StoreDamagedError({ record: 'the database file', reason: 'it holds no member’s store' })
  const meta = db.prepare('SELECT version, component, signer, halted FROM meta').get()
  if (meta?.version !== STORE_VERSION) {
    throw new StoreError({
      reason: `its version is ${meta?.version}`,
      fix: `Use a release that reads version ${meta?.version}.`,
    })
  }
  if (meta.component !== component || meta.signer !== signer) {
    throw new StoreError({
      reason: `it belongs to member ${meta.signer} of component ${meta.component}`,
      fix: 'Give each member of each component a folder of its own.',
    })
  }
  if (meta.halted !== null) {
    throw new StoreError({
      reason: `it was stopped for good: ${meta.halted}`,
      fix: 'This member returns by rotation, with a fresh key and a new store.',
    })
  }
}

/** @throws {StoreError} it was made to be given its beginning by peers, and lacks it. */
export function assertSynced(db: DatabaseSync): void {
  if (db.prepare('SELECT syncing FROM meta').get()?.syncing === 0) return
  throw new StoreError({
    reason: 'its sync did not end, and it holds nothing yet',
    fix: 'Run `sync` again: it begins anew, and `run` takes the store when it has ended.',
  })
}
