import { parentPort, workerData } from 'node:worker_threads'
import type { SearchPage, SearchQuery } from '../../client/searchPage.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { type IndexedSlice, type IndexedUpTo, openSearchIndex } from './searchIndex.ts'

/** What the member tells its index's thread. */
export type ToSearchThread =
  | { kind: 'reset'; from: IndexedUpTo }
  | { kind: 'add'; slice: IndexedSlice }
  | { kind: 'find'; id: number; query: SearchQuery }
  | { kind: 'close' }

/** What the thread tells the member; after each `reset` and `add` how far it has come. */
export type FromSearchThread =
  | { kind: 'position'; position: IndexedUpTo & { first: bigint } }
  | { kind: 'found'; id: number; page: SearchPage }

/** The index lives on a thread of its own: SQLite holds up whoever calls it, and that must not be who votes. */
const index = openSearchIndex(workerData as { path: string; component: Hex })
const tell = (message: FromSearchThread): void => parentPort!.postMessage(message)

parentPort!.on('message', (message: ToSearchThread) => {
  switch (message.kind) {
    case 'reset':
      index.reset(message.from)
      tell({ kind: 'position', position: index.position() })
      return
    case 'add':
      index.add(message.slice)
      tell({ kind: 'position', position: index.position() })
      return
    case 'find':
      tell({ kind: 'found', id: message.id, page: index.find(message.query) })
      return
    case 'close':
      index.close()
      parentPort!.close()
  }
})
tell({ kind: 'position', position: index.position() })
