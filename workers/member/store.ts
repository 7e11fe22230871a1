import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { type Hex, isEqualBytes } from '../../protocol/bytes.ts'
import type { TileAppend } from '../../protocol/log/appendToTiles.ts'
import type { CompactRange } from '../../protocol/log/compactRange.ts'
import { HASH_SIZE_BYTES } from '../../protocol/log/treeHash.ts'
import { createBaseWriter } from './storeBase.ts'
import {
  assertIdentity,
  assertSynced,
  bytesOf,
  openDatabase,
  openExclusively,
  SCHEMA,
  STORE_VERSION,
  type StoreIdentity,
  settleJournal,
  verifySchema,
} from './storeDatabase.ts'
import { chainHash, checksum } from './storeDigest.ts'
import { refuseDisk, StoreDamagedError, StoreError, toStoreError } from './storeErrors.ts'
import { isDiskFailure, sync } from './storeFiles.ts'
import {
  readChecked,
  verifyBatches,
  verifyDatabase,
  verifyDecisions,
  verifyEntries,
  verifyWal,
  type WalTail,
} from './storeIntegrity.ts'
import { transact } from './transact.ts'

const FILE_NAME = 'member.sqlite'
/** Snapshots that are kept for peers, each of a height marked for the chain: the newest ones, as anchors may overtake a reader. */
const SNAPSHOTS_KEPT = 2
/** A state with more bytes is not kept for peers: a log's readers take no more in one answer. */
const SNAPSHOT_SIZE_MAX_BYTES = 16 << 20

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
    try {
      transact(db, write)
    } catch (error) {
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
