import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { chronicle } from '../../modules/chronicle/machine.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { Member } from '../../protocol/wire/committee.ts'
import { openReplica } from '../../workers/member/replica.ts'
import { openStore } from '../../workers/member/store.ts'
import { StoreDamagedError, StoreError } from '../../workers/member/storeErrors.ts'

/** What a member's folder holds: the database, and what SQLite has not moved into it yet. */
export const DATABASE = 'member.sqlite'
export const JOURNAL = 'member.sqlite-wal'

export type StoreUnderTest = {
  /** A folder with the files of a store as they stood when it was killed. */
  dir: string
  component: Hex
  signer: Hex
  parameters: Uint8Array
  members: readonly Member[]
}

/** All that a store answers for: what a member proves from, signs on, and remembers having signed. */
const TABLES = {
  meta: 'SELECT version, component, signer, halted FROM meta',
  evidence: 'SELECT hex(a) AS a, hex(b) AS b FROM evidence ORDER BY a, b',
  wal: 'SELECT id, hex(record) AS record FROM wal ORDER BY id',
  decisions: 'SELECT height, record, anchor FROM decisions ORDER BY height',
  envelopes: 'SELECT height, position, digest, hex(bytes) AS bytes FROM envelopes ORDER BY height, position',
  extensions: 'SELECT height, position, hex(bytes) AS bytes FROM extensions ORDER BY height, position',
  entries: 'SELECT position, hex(bytes) AS bytes FROM entries ORDER BY position',
} as const

export type Outcome =
  /** Opened with exactly what was there. */
  | 'whole'
  /** Opened as it stood at an earlier commit of the database: a lost tail (spec §5.4). */
  | 'earlier'
  /** Refused by a typed error that names what is wrong. */
  | 'refused'
  /** Opened with something that never was there, or failed in another way: never acceptable. */
  | 'altered'

export type Trial = { outcome: Outcome; reason: string }

/** Every state that the database has been in, by replaying its journal frame by frame, and the newest one. */
export type History = { states: ReadonlySet<string>; newest: string }

/** Opens the store under `dir` as `run` would, and closes it. @throws what opening throws. */
function openAsMember(test: StoreUnderTest, dir: string): void {
  const { component, signer, parameters, members } = test
  const store = openStore({ dir, component, signer })
  try {
    openReplica({ machine: chronicle, store }, { component, parameters, members })
    store.readWal()
  } finally {
    store.close()
  }
}

function readContent(dir: string): string {
  const db = new DatabaseSync(join(dir, DATABASE))
  try {
    return JSON.stringify(Object.entries(TABLES).map(([name, query]) => [name, db.prepare(query).all()]))
  } finally {
    db.close()
  }
}

/** A copy of the store's files, with the journal cut to `journalSizeBytes` where that is given. */
function copyStore({ dir }: StoreUnderTest, scratch: string, journalSizeBytes?: number): void {
  rmSync(scratch, { recursive: true, force: true })
  mkdirSync(scratch, { recursive: true })
  for (const name of [DATABASE, JOURNAL]) {
    if (existsSync(join(dir, name))) copyFileSync(join(dir, name), join(scratch, name))
  }
  if (journalSizeBytes !== undefined) truncateSync(join(scratch, JOURNAL), journalSizeBytes)
}

const WAL_HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24

/** Cuts the journal after every frame, which gives each state in which the database was committed; without one there is one. */
export function readHistory(test: StoreUnderTest, scratch: string): History {
  const states = new Set<string>()
  if (!existsSync(join(test.dir, JOURNAL))) {
    copyStore(test, scratch)
    const newest = readContent(scratch)
    return { states: new Set([newest]), newest }
  }
  const journal = readFileSync(join(test.dir, JOURNAL))
  const frameBytes = FRAME_HEADER_BYTES + journal.readUInt32BE(8)
  let newest = ''
  for (let size = WAL_HEADER_BYTES; size <= journal.length; size += frameBytes) {
    // A frame whose header has a page count ends a transaction; the others change nothing that a reader sees.
    const isCommit = size === WAL_HEADER_BYTES || journal.readUInt32BE(size - frameBytes + 4) !== 0
    if (!isCommit) continue
    copyStore(test, scratch, size)
    newest = readContent(scratch)
    states.add(newest)
  }
  return { states, newest }
}

export type Damage = { kind: 'truncate'; file: string; sizeBytes: number } | { kind: 'flip'; file: string; bit: number }

/** Damages a copy of the store, opens it as a member would, and judges what it then holds. */
export function tryDamage(test: StoreUnderTest, damage: Damage, options: { scratch: string; history: History }): Trial {
  const { scratch, history } = options
  copyStore(test, scratch)
  const path = join(scratch, damage.file)
  if (damage.kind === 'truncate') truncateSync(path, damage.sizeBytes)
  else {
    const bytes = readFileSync(path)
    bytes[damage.bit >> 3]! ^= 1 << (damage.bit & 7)
    writeFileSync(path, bytes)
  }
  try {
    openAsMember(test, scratch)
  } catch (error) {
    const isTyped = error instanceof StoreDamagedError || error instanceof StoreError
    if (isTyped) return { outcome: 'refused', reason: error.message }
    const reason = error instanceof CoalitionError ? `${error.code}: ${error.message}` : String(error)
    return { outcome: 'altered', reason: `not the store's own error: ${reason}` }
  }
  const content = readContent(scratch)
  if (content === history.newest) return { outcome: 'whole', reason: '' }
  if (history.states.has(content)) return { outcome: 'earlier', reason: '' }
  return { outcome: 'altered', reason: 'it holds what it never held' }
}

export const sizeOf = ({ dir }: StoreUnderTest, file: string): number => statSync(join(dir, file)).size
