import { rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { SEARCH_HITS_MAX, type SearchPage, type SearchQuery } from '../../client/searchPage.ts'
import { fromHex, type Hex } from '../../protocol/bytes.ts'
import { classifyEntry, ENTRY_KINDS } from '../../protocol/wire/chronicleEntry.ts'
import { transact } from './transact.ts'

/** Changes when what is indexed, or how, changes: an index of another version is made anew. */
const INDEX_VERSION = 1n

const SCHEMA = `
  CREATE TABLE meta (version INTEGER NOT NULL, component TEXT NOT NULL, first INTEGER NOT NULL, size INTEGER NOT NULL, height INTEGER NOT NULL, digest TEXT NOT NULL) STRICT;
  CREATE TABLE heights (height INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL) STRICT;
  CREATE INDEX by_time ON heights (timestamp, height);
  CREATE TABLE topics (position INTEGER PRIMARY KEY, kind INTEGER NOT NULL, citizen BLOB, height INTEGER NOT NULL) STRICT;
  CREATE INDEX by_kind ON topics (kind, position);
  CREATE INDEX by_citizen ON topics (citizen, position) WHERE citizen IS NOT NULL;
  CREATE INDEX by_height ON topics (height, position);
`

/** Where an index begins, or how far it has come: after a commit, whose entries are all in it. */
export type IndexedUpTo = { height: bigint; digest: Hex; size: bigint }

/** Part of the entries of one commit. */
export type IndexedSlice = {
  height: bigint
  timestampMs: bigint
  /** Index of the first of `heads`. */
  first: bigint
  /** The beginning of each entry, `ENTRY_HEAD_SIZE_BYTES` of it, in order. */
  heads: readonly Uint8Array[]
  /** The commit's digest, where the slice is its last. */
  digest?: Hex | undefined
}

/** As much of an entry as `classifyEntry` looks at. */
export const ENTRY_HEAD_SIZE_BYTES = 96

export type SearchIndex = ReturnType<typeof openSearchIndex>

/**
 * Opens a Chronicle's search index, or makes an empty one where there is none that can be used. All that it holds follows from
 * the log: it may be deleted at any time, and is made again.
 */
export function openSearchIndex({ path, component }: { path: string; component: Hex }) {
  const db = openUsable(path, { component }) ?? create(path, { component })
  return createHandle(db)
}

/** Undefined where there is none, or another one, or what is there is damaged. */
function openUsable(path: string, { component }: { component: Hex }): DatabaseSync | undefined {
  let db: DatabaseSync | undefined
  try {
    db = open(path)
    const meta = db.prepare('SELECT version, component FROM meta').get()
    const isUsable =
      meta?.version === INDEX_VERSION &&
      meta.component === component &&
      db.prepare('PRAGMA quick_check(1)').get()?.quick_check === 'ok'
    if (isUsable) return db
  } catch {
    // Whatever SQLite has against it, the log has all of it.
  }
  db?.close()
  return undefined
}

function open(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { readBigInts: true })
  try {
    // NORMAL: what the loss of power takes is indexed again.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function create(path: string, { component }: { component: Hex }): DatabaseSync {
  for (const each of [path, `${path}-wal`, `${path}-shm`]) rmSync(each, { force: true })
  const db = open(path)
  db.exec(SCHEMA)
  db.prepare("INSERT INTO meta VALUES (?, ?, 0, 0, 0, '')").run(INDEX_VERSION, component)
  return db
}

function createHandle(db: DatabaseSync) {
  const selectMeta = db.prepare('SELECT first, size, height, digest FROM meta')
  const insertHeight = db.prepare('INSERT OR IGNORE INTO heights VALUES (?, ?)')
  const insertTopic = db.prepare('INSERT INTO topics VALUES (?, ?, ?, ?)')
  const setSize = db.prepare('UPDATE meta SET size = ?')
  const setHeight = db.prepare('UPDATE meta SET height = ?, digest = ?')

  const read = (): IndexedUpTo & { first: bigint } => selectMeta.get() as unknown as IndexedUpTo & { first: bigint }

  return {
    /** The last commit that is wholly indexed, and how many entries are; more of them where the next is in parts. */
    position: read,

    /** Forgets everything, and begins after a commit; at the log's own beginning where its height is 0. */
    reset({ height, digest, size }: IndexedUpTo): void {
      transact(db, () => {
        db.exec('DELETE FROM topics; DELETE FROM heights')
        db.prepare('UPDATE meta SET first = ?, size = ?, height = ?, digest = ?').run(size, size, height, digest)
      })
    },

    /** Adds what follows what is there: a slice that does not is a fault of the caller's. */
    add({ height, timestampMs, first, heads, digest }: IndexedSlice): void {
      const at = read()
      if (first !== at.size || height !== at.height + 1n) throw new RangeError(`entry ${first} is not the next`)
      transact(db, () => {
        insertHeight.run(height, timestampMs)
        heads.forEach((head, offset) => {
          const topic = classifyEntry(head)
          if (topic === undefined) return
          const citizen = topic.citizen === null ? null : fromHex(topic.citizen)
          insertTopic.run(first + BigInt(offset), ENTRY_KINDS.indexOf(topic.kind), citizen, height)
        })
        setSize.run(first + BigInt(heads.length))
        if (digest !== undefined) setHeight.run(height, digest)
      })
    },

    find(query: SearchQuery): SearchPage {
      const { first: firstIndex, size } = read()
      const { from, values } = toSource(query, db)
      const rows = db
        .prepare(
          `SELECT position, kind, height, (SELECT timestamp FROM heights WHERE heights.height = topics.height) AS timestamp ${from} ORDER BY position LIMIT ${SEARCH_HITS_MAX + 1}`,
        )
        .all(...values) as { position: bigint; kind: bigint; height: bigint; timestamp: bigint }[]
      const hits = rows.slice(0, SEARCH_HITS_MAX).map(({ position, kind, height, timestamp }) => ({
        index: position,
        kind: ENTRY_KINDS[Number(kind)]!,
        height,
        timestampMs: timestamp,
      }))
      return { firstIndex, size, hits, isComplete: rows.length <= SEARCH_HITS_MAX }
    },

    close: (): void => db.close(),
  }
}

/**
 * Times and heights grow with the index, so that a span of time is a span of positions: whatever is asked, few rows are looked
 * at that are not hits.
 */
function toSource(query: SearchQuery, db: DatabaseSync): { from: string; values: (bigint | number | Uint8Array)[] } {
  const { citizen, kind, fromMs, toMs, after } = query
  const conditions: string[] = []
  const values: (bigint | number | Uint8Array)[] = []
  const require = (condition: string, ...of: (bigint | number | Uint8Array)[]): void => {
    conditions.push(condition)
    values.push(...of)
  }
  if (citizen !== undefined) {
    const prefix = fromHex(citizen)
    const [low, high] = [new Uint8Array(32), new Uint8Array(32).fill(0xff)]
    low.set(prefix)
    high.set(prefix)
    if (prefix.length === 32) require('citizen = ?', prefix)
    else require('citizen >= ? AND citizen <= ?', low, high)
  }
  if (kind !== undefined) require('kind = ?', ENTRY_KINDS.indexOf(kind))
  if (after !== undefined) require('position > ?', after)
  if (fromMs !== undefined) {
    const from = findFirstPosition(db, fromMs)
    require(from === undefined ? 'FALSE' : 'position >= ?', ...(from === undefined ? [] : [from]))
  }
  if (toMs !== undefined) {
    const to = findFirstPosition(db, toMs)
    if (to !== undefined) require('position < ?', to)
  }
  // Named, because SQLite, which has no statistics here, may prefer to walk through all entries of a kind.
  const index = citizen !== undefined ? 'INDEXED BY by_citizen' : kind !== undefined ? 'INDEXED BY by_kind' : ''
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  return { from: `FROM topics ${index} ${where}`, values }
}

/** Of the first entry that was decided at `timestampMs` or later; undefined where there is none. */
function findFirstPosition(db: DatabaseSync, timestampMs: bigint): bigint | undefined {
  const height = db
    .prepare('SELECT height FROM heights WHERE timestamp >= ? ORDER BY timestamp LIMIT 1')
    .get(timestampMs)
  if (height === undefined) return undefined
  const row = db
    .prepare('SELECT position FROM topics WHERE height >= ? ORDER BY height, position LIMIT 1')
    .get(height.height as bigint)
  return row?.position as bigint | undefined
}
