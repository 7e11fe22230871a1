import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { SearchPage, SearchQuery } from '../../client/searchPage.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { type Commit, deriveCommitDigest } from '../../protocol/wire/commit.ts'
import { decodeCommitRecord } from '../../protocol/wire/commitRecord.ts'
import type { Logger } from '../runtime/logger.ts'
import { ENTRY_HEAD_SIZE_BYTES, type IndexedSlice, type IndexedUpTo } from './searchIndex.ts'
import type { FromSearchThread, ToSearchThread } from './searchThread.ts'
import type { Store } from './store.ts'

const FILE_NAME = 'search.sqlite'
/** Entries that the member reads for its index in one go, as it reads a bundle for whoever asks. */
const SLICE_COUNT = 256
/** Between two such reads: so the index takes a small part of the member's time, however far it is behind. */
const PAUSE_MS = 10
/** How often a member that decided nothing looks again. */
const IDLE_MS = 200
/** After this a thread that ended is started again. */
const RESTART_MS = 5_000
/** Searches that wait at once. */
const WAITING_MAX = 64

export class SearchUnavailableError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('SEARCH_UNAVAILABLE', `The member cannot search now: ${reason}.`, {
      fix: 'Ask again in some seconds, or ask another member.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

export type Search = {
  /** @throws {SearchUnavailableError} too many wait, or the index is being opened. */
  find(query: SearchQuery): Promise<SearchPage>
  close(): Promise<void>
}

export type SearchDependencies = {
  store: Pick<Store, 'readRecord' | 'readEntries' | 'baseHeight'>
  /** Last decided height. */
  height(): bigint
  logger: Logger
}

type Waiting = { resolve(page: SearchPage): void; reject(error: SearchUnavailableError): void }

/**
 * Keeps a Chronicle's search index beside its store, and asks it. The index follows the log by reading it, as any reader does:
 * nothing in deciding knows of it, and a member whose index is slow, damaged or gone votes as ever.
 *
 * @param options.dir the store's folder.
 */
export function createSearch(
  { store, height, logger }: SearchDependencies,
  { dir, component }: { dir: string; component: Hex },
): Search {
  const waiting = new Map<number, Waiting>()
  let nextId = 0
  let worker: Worker | undefined
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  const later = (run: () => void, delayMs: number): void => {
    timer = setTimeout(run, delayMs)
    timer.unref()
  }

  function start(): void {
    const path = join(dir, FILE_NAME)
    const thread = new Worker(new URL('./searchThread.ts', import.meta.url), { workerData: { path, component } })
    worker = thread
    let isChecked = false
    thread.unref()
    thread.on('message', (message: FromSearchThread) => {
      if (worker !== thread || isClosed) return
      if (message.kind === 'found') {
        waiting.get(message.id)?.resolve(message.page)
        waiting.delete(message.id)
        return
      }
      const { position } = message
      const base = readBase()
      if (!isChecked && !isOfStore(position, base)) {
        logger.info({ height: base.height }, 'the search index is made anew, from this height on')
        post(thread, { kind: 'reset', from: base })
      } else {
        later(() => feed(thread, position), PAUSE_MS)
      }
      isChecked = true
    })
    thread.on('error', (error) => logger.error({ err: error }, 'the search index failed: it is opened again'))
    thread.on('exit', () => {
      if (worker !== thread) return
      worker = undefined
      refuseWaiting()
      if (!isClosed) later(start, RESTART_MS)
    })
  }

  const post = (thread: Worker, message: ToSearchThread): void => thread.postMessage(message)

  function refuseWaiting(): void {
    for (const { reject } of waiting.values())
      reject(new SearchUnavailableError({ reason: 'its index is being opened' }))
    waiting.clear()
  }

  const readCommit = (of: bigint): Commit | undefined => {
    const record = store.readRecord(of)
    return record === undefined ? undefined : decodeCommitRecord(record).commit
  }

  /** After which commit the heights of all entries are known here. */
  function readBase(): IndexedUpTo {
    const base = store.baseHeight()
    const commit = base === 0n ? undefined : readCommit(base)
    if (commit === undefined) return { height: 0n, digest: '0x', size: 0n }
    return { height: base, digest: deriveCommitDigest(commit), size: commit.logSize }
  }

  /** Whether what is indexed is the log that the store holds, from where the store knows it on. */
  function isOfStore({ first, height, digest }: IndexedUpTo & { first: bigint }, base: IndexedUpTo): boolean {
    if (first !== base.size || height < base.height) return false
    if (height === 0n) return true
    const commit = readCommit(height)
    return commit !== undefined && deriveCommitDigest(commit) === digest
  }

  /** Gives the thread the next entries, or looks again later. */
  function feed(thread: Worker, position: IndexedUpTo): void {
    if (isClosed || worker !== thread) return
    let slice: IndexedSlice | undefined
    try {
      slice = readSlice(position)
    } catch (error) {
      logger.error({ err: error, height: position.height + 1n }, 'the log cannot be read for the search index')
    }
    if (slice === undefined) later(() => feed(thread, position), IDLE_MS)
    else post(thread, { kind: 'add', slice })
  }

  /** What follows `position`; undefined where nothing does yet. */
  function readSlice({ height: last, size: first }: IndexedUpTo): IndexedSlice | undefined {
    const commit = last < height() ? readCommit(last + 1n) : undefined
    if (commit === undefined) return undefined
    const { height: at, timestampMs, logSize } = commit
    const isWhole = logSize - first <= BigInt(SLICE_COUNT)
    const end = isWhole ? logSize : first + BigInt(SLICE_COUNT)
    const entries = first === end ? [] : store.readEntries({ start: first, end })
    // Copies: a view of an entry would take all of it along.
    const heads = entries.map((entry) => Uint8Array.from(entry.subarray(0, ENTRY_HEAD_SIZE_BYTES)))
    return { height: at, timestampMs, first, heads, digest: isWhole ? deriveCommitDigest(commit) : undefined }
  }

  start()
  return {
    find(query) {
      const thread = worker
      if (thread === undefined || isClosed) {
        return Promise.reject(new SearchUnavailableError({ reason: 'its index is being opened' }))
      }
      if (waiting.size >= WAITING_MAX) {
        return Promise.reject(new SearchUnavailableError({ reason: `${WAITING_MAX} searches wait already` }))
      }
      const id = nextId++
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject })
        post(thread, { kind: 'find', id, query })
      })
    },
    async close() {
      if (isClosed) return
      isClosed = true
      clearTimeout(timer)
      refuseWaiting()
      const thread = worker
      if (thread === undefined) return
      thread.ref()
      const ended = new Promise((resolve) => thread.once('exit', resolve))
      post(thread, { kind: 'close' })
      await ended
    },
  }
}
