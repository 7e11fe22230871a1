import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Hex, isEqualBytes, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { appendToTiles, type TileAppend } from '../../protocol/log/appendToTiles.ts'
import { type CompactRange, EMPTY_RANGE } from '../../protocol/log/compactRange.ts'
import { HASH_SIZE_BYTES, hashLeaf } from '../../protocol/log/treeHash.ts'
import { rootOf } from '../../protocol/log/treeRoot.ts'
import { decodeCommitRecord } from '../../protocol/wire/commitRecord.ts'
import { decodeEnvelope, deriveEnvelopeDigest } from '../../protocol/wire/envelope.ts'
import { createBaseWriter } from './storeBase.ts'
import { chainHash, checksum } from './storeDigest.ts'
import { isDiskFailure, sync } from './storeFiles.ts'

const FILE_NAME = 'member.sqlite'
/** Changes when what is stored changes its form. */
const STORE_VERSION = 3
/** Entries that are hashed in one go when the log is verified. */
const VERIFIED_AT_ONCE = 4096
/** Snapshots that are kept for peers, each of a height marked for the chain: the newest ones, as anchors may overtake a reader. */
const SNAPSHOTS_KEPT = 2
/** A state with more bytes is not kept for peers: a log's readers take no more in one answer. */
const SNAPSHOT_SIZE_MAX_BYTES = 16 << 20

export type StoreIdentity = {
  /** Component key. */
  component: Hex
  /** The member whose store it is. */
  signer: Hex
}

/** One decided height, as the store keeps it; each part in the codec of its own room. */
export type StoredDecision = {
  height: bigint
  /** JSON of `encodeCommitRecord`. */
  record: string
  /** Encoded envelopes, in the order of the batch. */
  envelopes: readonly { digest: Hex; bytes: Uint8Array }[]
  /** Encoded vote extensions that its proposal carried, of the height before. */
  extensions: readonly Uint8Array[]
  anchor: boolean
  /** Whether it is the last of its committee. */
  endsEpoch: boolean
  /** Index of the first of `entries`. */
  firstEntry: bigint
  entries: readonly Uint8Array[]
  /** What the entries add to the log's tiles. */
  tiles: readonly TileAppend[]
  /** Everything that the next height is computed from. */
  state: Uint8Array
  /** As `encodeParentRecord` gives it: what the next height builds on, beside the state. */
  parent: Uint8Array
}

export class StoreError extends CoalitionError {
  constructor({ reason, fix, cause }: { reason: string; fix: string; cause?: unknown }) {
    super('STORE', `The member's store cannot be used: ${reason}.`, { fix, cause })
  }
}

export class StoreDamagedError extends CoalitionError {
  constructor({ record, reason }: { record: string; reason: string }) {
    super('STORE_DAMAGED', `The member's store is damaged at ${record}: ${reason}.`, {
      fix: 'Do not run this member again: a store that lost anything could make it contradict itself. Rotate to a fresh key.',
      kind: 'refused',
    })
  }
}

const SCHEMA = `
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

export type Store = ReturnType<typeof openStore>

/**
 * Creates a member's store: once, and never over another (spec §5.4).
 *
 * @param options.isSyncing whether it has no use before it got its beginning from peers (spec §5.5).
 * @throws {StoreError} there is one already, or the folder cannot be written.
 */
export function initStore(options: StoreIdentity & { dir: string; isSyncing?: boolean }): void {
  const { dir, component, signer, isSyncing = false } = options
  const path = join(dir, FILE_NAME)
  if (existsSync(path)) {
    throw new StoreError({
      reason: `${path} exists already`,
      fix: 'Start the member with it; a member that lost its store returns by rotation, with a fresh key.',
    })
  }
  // Made under another name first: a store that is there is whole.
  const draft = `${path}.draft`
  let db: DatabaseSync
  let madeFolder: string | undefined
  try {
    madeFolder = mkdirSync(dir, { recursive: true, mode: 0o700 })
    rmSync(draft, { force: true })
    db = openDatabase(draft)
  } catch (cause) {
    throw new StoreError({
      reason: `${path} cannot be written`,
      fix: 'Give a folder that this user may write to.',
      cause,
    })
  }
  try {
    db.exec(`BEGIN EXCLUSIVE; ${SCHEMA}`)
    const insertMeta = db.prepare('INSERT INTO meta VALUES (?, ?, ?, NULL, 0, ?, NULL)')
    insertMeta.run(STORE_VERSION, component, signer, isSyncing ? 1 : 0)
    db.prepare('INSERT INTO wal_base VALUES (0, 0, ?)').run(new Uint8Array(32))
    db.exec('COMMIT')
  } finally {
    db.close()
  }
  renameSync(draft, path)
  // A name is durable when the folder that holds it is.
  sync(dir)
  if (madeFolder === undefined) return
  const first = resolve(madeFolder)
  for (let made = resolve(dir); made.length >= first.length; made = dirname(made)) sync(dirname(made))
}

/** Whether there is a store in `dir`, whosever it is. */
export const hasStore = ({ dir }: { dir: string }): boolean => existsSync(join(dir, FILE_NAME))

/**
 * Opens a member's store and holds it alone. What `append` returned from is durable, with all that was written before.
 *
 * @param options.isSyncing whether it is opened to be given its beginning, and may still lack it.
 * @throws {StoreError} there is none, it is another member's, another process holds it, or its sync did not end.
 * @throws {StoreDamagedError} a record's checksum or chain hash is wrong: it is named, and nothing is skipped.
 */
export function openStore(options: StoreIdentity & { dir: string; isSyncing?: boolean }) {
  const { dir, component, signer, isSyncing = false } = options
  const path = join(dir, FILE_NAME)
  if (!existsSync(path)) {
    throw new StoreError({
      reason: `${path} does not exist`,
      fix: 'Create it once, with `init`; a member that lost its store returns by rotation, with a fresh key.',
    })
  }
  const db = openExclusively(path)
  try {
    assertIdentity(db, { component, signer })
    if (!isSyncing) assertSynced(db)
    verifySchema(db)
    verifyDatabase(db)
    let walTail = verifyWal(db)
    verifyDecisions(db)
    settleJournal(db, { path, dir })
    return createHandle(db, { walTail: () => walTail, setWalTail: (tail) => (walTail = tail) })
  } catch (error) {
    db.close()
    throw toStoreError(error)
  }
}

/** What SQLite or a reader makes of bytes that nobody wrote: damage, whichever form its refusal takes. */
function toStoreError(error: unknown): CoalitionError {
  if (error instanceof StoreError || error instanceof StoreDamagedError) return error
  if (isDiskFailure(error)) return refuseDisk(error)
  return new StoreDamagedError({ record: 'the database file', reason: (error as Error).message })
}

/** Nothing that was to be durable is believed to be. */
const refuseDisk = (cause: Error): StoreError =>
  new StoreError({
    reason: `the disk fails: ${cause.message}`,
    fix: 'See to its space and health, then start the member again: nothing left it that is not on the disk.',
    cause,
  })

type WalTail = { id: number; chain: Uint8Array }

function createHandle(db: DatabaseSync, wal: { walTail(): WalTail; setWalTail(tail: WalTail): void }) {
  const insertWal = db.prepare('INSERT INTO wal VALUES (?, ?, ?)')
  const insertDecision = db.prepare('INSERT INTO decisions VALUES (?, ?, ?, ?)')
  const insertEnvelope = db.prepare('INSERT INTO envelopes VALUES (?, ?, ?, ?)')
  const insertExtension = db.prepare('INSERT INTO extensions VALUES (?, ?, ?)')
  const insertEntry = db.prepare('INSERT INTO entries VALUES (?, ?)')
  const appendTile = db.prepare(
    'INSERT INTO tiles VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET hashes = CAST(hashes || excluded.hashes AS BLOB) RETURNING length(hashes) AS size',
  )
  const putState = db.prepare('INSERT OR REPLACE INTO state VALUES (0, ?, ?, ?, ?, ?)')
  const selectDecision = db.prepare('SELECT record FROM decisions WHERE height = ?')
  const selectNewestAnchor = db.prepare('SELECT record FROM decisions WHERE anchor = 1 ORDER BY height DESC LIMIT 1')
  const selectChain = db.prepare('SELECT chain FROM decisions WHERE height = ?')
  const selectBatch = db.prepare('SELECT bytes FROM envelopes WHERE height = ? ORDER BY position')
  const selectExtensions = db.prepare('SELECT bytes FROM extensions WHERE height = ? ORDER BY position')
  const selectPlace = db.prepare('SELECT height, position FROM envelopes WHERE digest = ?')
  const selectEntries = db.prepare('SELECT bytes FROM entries WHERE position >= ? AND position < ? ORDER BY position')
  const selectTile = db.prepare('SELECT hashes FROM tiles WHERE level = ? AND position = ?')
  const selectState = db.prepare('SELECT bytes, checksum FROM state')
  const selectParent = db.prepare('SELECT parent AS bytes, parent_checksum AS checksum FROM state')
  const insertSnapshot = db.prepare('INSERT INTO snapshots VALUES (?, ?, ?)')
  const dropSnapshots = db.prepare(
    'DELETE FROM snapshots WHERE height NOT IN (SELECT height FROM snapshots ORDER BY height DESC LIMIT ?)',
  )
  const selectSnapshot = db.prepare('SELECT bytes, checksum FROM snapshots WHERE height = ?')
  const selectNewestSnapshot = db.prepare('SELECT height FROM snapshots ORDER BY height DESC LIMIT 1')
  const selectMeta = db.prepare('SELECT base, parameters FROM meta')

  const transaction = (write: () => void): void => {
    db.exec('BEGIN IMMEDIATE')
    try {
      write()
      db.exec('COMMIT')
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      throw isDiskFailure(error) ? refuseDisk(error) : error
    }
  }

  /** A transaction whose place in the journal is durable no later than that of the next one that is. */
  const unsynced = (write: () => void): void => {
    db.exec('PRAGMA synchronous = NORMAL')
    try {
      transaction(write)
    } finally {
      db.exec('PRAGMA synchronous = FULL')
    }
  }

  return {
    /** Makes `records` durable, in order, in one transaction. */
    append(records: readonly Uint8Array[]): void {
      let { id, chain } = wal.walTail()
      transaction(() => {
        for (const record of records) {
          id += 1
          chain = chainHash(chain, record)
          insertWal.run(id, record, chain)
        }
      })
      wal.setWalTail({ id, chain })
    },

    /** Every record since the last decision, oldest first. */
    readWal: (): Uint8Array[] =>
      db
        .prepare('SELECT record FROM wal ORDER BY id')
        .all()
        .map((row) => bytesOf(row.record)),

    /**
     * Writes a decision, whole or not at all, and with it forgets the write-ahead log that led to it. It has no fsync of
     * its own: the next record's makes it durable, too. Power that goes before takes it back to the precommit, which is
     * durable at a quorum wherever there is a certificate, so the same commit is decided again (spec §5.4). One that ends
     * an epoch is durable at once: a member taken back behind it would trust keys that are no longer guarded.
     */
    decide(decision: StoredDecision): void {
      const { height, record, anchor, envelopes, extensions, entries, firstEntry, tiles, state, parent } = decision
      const write = decision.endsEpoch ? transaction : unsynced
      const tail = wal.walTail()
      write(() => {
        const before = selectChain.get(height - 1n)
        const previous = before === undefined ? new Uint8Array(32) : bytesOf(before.chain)
        insertDecision.run(height, record, anchor ? 1 : 0, chainHash(previous, Buffer.from(record)))
        envelopes.forEach(({ digest, bytes }, position) => {
          insertEnvelope.run(height, position, digest, bytes)
        })
        extensions.forEach((bytes, position) => {
          insertExtension.run(height, position, bytes)
        })
        const first = Number(firstEntry) // a row's id as a number costs a third of what it costs as a bigint
        entries.forEach((entry, offset) => {
          insertEntry.run(first + offset, entry)
        })
        for (const { level, index, offset, hashes } of tiles) {
          const size = appendTile.get(level, index, hashes)?.size
          if (size !== HASH_SIZE_BYTES * offset + hashes.length) {
            throw new StoreDamagedError({ record: `tile ${level}/${index}`, reason: `it has ${size} bytes` })
          }
        }
        putState.run(height, state, checksum(state), parent, checksum(parent))
        if (anchor && state.length <= SNAPSHOT_SIZE_MAX_BYTES) {
          insertSnapshot.run(height, state, checksum(state))
          dropSnapshots.run(SNAPSHOTS_KEPT)
        }
        db.exec('DELETE FROM wal')
        db.prepare('UPDATE wal_base SET id = ?, chain = ?').run(tail.id, tail.chain)
      })
    },

    readRecord: (height: bigint): string | undefined => selectDecision.get(height)?.record as string | undefined,
    readNewestAnchor: (): string | undefined => selectNewestAnchor.get()?.record as string | undefined,
    readBatch: (height: bigint): Uint8Array[] => selectBatch.all(height).map((row) => bytesOf(row.bytes)),
    /** The vote extensions that the proposal of a height carried. */
    readExtensions: (height: bigint): Uint8Array[] => selectExtensions.all(height).map((row) => bytesOf(row.bytes)),
    /** Where an envelope was decided. */
    findEnvelope(digest: Hex): { height: bigint; position: number } | undefined {
      const row = selectPlace.get(digest)
      return row === undefined ? undefined : { height: BigInt(row.height as number), position: Number(row.position) }
    },
    /** Entries `start` up to, not including, `end`. */
    readEntries: ({ start, end }: { start: bigint; end: bigint }): Uint8Array[] =>
      selectEntries.all(start, end).map((row) => bytesOf(row.bytes)),
    /** The hashes of a tile, as many as there are. */
    readTile(level: number, index: bigint): Uint8Array | undefined {
      const row = selectTile.get(level, index)
      return row === undefined ? undefined : bytesOf(row.hashes)
    },
    /** @throws {StoreDamagedError} its checksum is wrong. */
    readState: (): Uint8Array | undefined => readChecked(selectState.get(), 'the state'),
    /** What the next height builds on, beside the state. @throws {StoreDamagedError} its checksum is wrong. */
    readParent: (): Uint8Array | undefined => readChecked(selectParent.get(), 'the newest vote extensions'),
    /** The state at `height`, where it is kept for peers. @throws {StoreDamagedError} its checksum is wrong. */
    readSnapshot: (height: bigint): Uint8Array | undefined =>
      readChecked(selectSnapshot.get(height), `the snapshot of height ${height}`),
    /** Height of the newest snapshot that is kept for peers; undefined where there is none. */
    findNewestSnapshot(): bigint | undefined {
      const row = selectNewestSnapshot.get()
      return row === undefined ? undefined : BigInt(row.height as number)
    },
    /** The height that it began at, whose envelopes it does not have; 0 where it has all heights (spec §5.5). */
    baseHeight: (): bigint => BigInt(selectMeta.get()?.base as number),
    /** Gives it another beginning. */
    replaceBase: () => createBaseWriter(db, wal.walTail()),
    /**
     * Remembers the parameters that it is for: what it decided follows from them.
     *
     * @throws {StoreError} it is for others.
     */
    bindParameters(parameters: Uint8Array): void {
      const bound = selectMeta.get()?.parameters
      if (bound === null) {
        transaction(() => {
          db.prepare('UPDATE meta SET parameters = ?').run(checksum(parameters))
        })
      } else if (!isEqualBytes(bytesOf(bound), checksum(parameters))) {
        throw new StoreError({
          reason: 'it was made for other parameters of its component than the config has',
          fix: 'Run it with the config that it was made for: changed parameters are another component’s, with stores of its own.',
        })
      }
    },
    /**
     * Hashes every entry, envelope and vote extension again and compares them with tiles, log and commits: what this member serves
     * and proves from. Takes some seconds for a log of a million entries.
     *
     * @throws {StoreDamagedError} the first thing that differs, by name.
     */
    verifyLog(log: CompactRange): void {
      try {
        verifyEntries(db, log)
        verifyBatches(db)
      } catch (error) {
        throw toStoreError(error)
      }
    },
    /** Keeps two messages of one member that contradict each other. */
    keepEvidence(a: Uint8Array, b: Uint8Array): void {
      transaction(() => {
        db.prepare('INSERT OR IGNORE INTO evidence VALUES (?, ?)').run(a, b)
      })
    },
    countEvidence: (): number => Number(db.prepare('SELECT count(*) AS count FROM evidence').get()?.count),
    /** Ends this store for good: it is never opened again. */
    halt(reason: string): void {
      transaction(() => {
        db.prepare('UPDATE meta SET halted = ?').run(reason)
      })
    },
    close(): void {
      if (db.isOpen) db.close()
    },
  }
}

function openDatabase(path: string): DatabaseSync {
  const db = new DatabaseSync(path)
  // FULL makes every commit an fsync: in WAL mode NORMAL would lose acknowledged votes with the power (spec §5.4).
  db.exec(
    'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 0',
  )
  return db
}

/**
 * Makes durable what was read. A member that was killed leaves behind what it had written and not synced: SQLite reads it like
 * all else, and a vote would be sent again that the next loss of power takes back (spec §5.4). To sync the journal is not
 * enough, because a kernel that failed to once takes its pages for written; so all of it is written again, into the database.
 */
function settleJournal(db: DatabaseSync, { path, dir }: { path: string; dir: string }): void {
  const result = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()
  if (result?.busy !== 0) throw new Error('the journal of a store that is held alone is in use')
  sync(`${path}-wal`)
  // SQLite makes the journal's name durable, too, and does not say so when it cannot.
  sync(dir)
}

const SQLITE_BUSY = 5

function openExclusively(path: string): DatabaseSync {
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

function assertIdentity(db: DatabaseSync, { component, signer }: StoreIdentity): void {
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

function assertSynced(db: DatabaseSync): void {
  if (db.prepare('SELECT syncing FROM meta').get()?.syncing === 0) return
  throw new StoreError({
    reason: 'its sync did not end, and it holds nothing yet',
    fix: 'Run `sync` again: it begins anew, and `run` takes the store when it has ended.',
  })
}

function readChecked(row: Record<string, unknown> | undefined, record: string): Uint8Array | undefined {
  if (row === undefined) return undefined
  const bytes = bytesOf(row.bytes)
  if (isEqualBytes(checksum(bytes), bytesOf(row.checksum))) return bytes
  throw new StoreDamagedError({ record, reason: 'its checksum is wrong' })
}

function verifyDatabase(db: DatabaseSync): void {
  // Not the quick one: that does not compare indexes with their tables.
  const rows = db.prepare('PRAGMA integrity_check').all()
  const first = rows[0]?.integrity_check
  if (first !== 'ok') throw new StoreDamagedError({ record: 'the database file', reason: String(first) })
}

/** Of the tables and indexes, not of their pages: a bit of it may change what a column means. */
function readSchema(db: DatabaseSync): string {
  return JSON.stringify(db.prepare('SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name').all())
}

function verifySchema(db: DatabaseSync): void {
  const fresh = new DatabaseSync(':memory:')
  fresh.exec(SCHEMA)
  const expected = readSchema(fresh)
  fresh.close()
  if (readSchema(db) !== expected) {
    throw new StoreDamagedError({ record: 'the database file', reason: 'its tables are not those of a store' })
  }
}

function verifyWal(db: DatabaseSync): WalTail {
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

function verifyDecisions(db: DatabaseSync): void {
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

function verifyEntries(db: DatabaseSync, log: CompactRange): void {
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

function verifyBatches(db: DatabaseSync): void {
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

const bytesOf = (value: unknown): Uint8Array => value as Uint8Array
