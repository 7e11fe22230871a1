import type { ServerResponse } from 'node:http'
import type { Store } from './store.ts'

/** Snapshots that are sent at the same time: what slow readers keep in memory is as many states at the most. */
const SENT_AT_ONCE_MAX = 8
/** How long a reader may take for one: after it, another reader has its place. */
const SEND_TIMEOUT_MS = 60_000

/** The states that a store keeps for peers, as they are served: the largest answers of all (spec §5.5). */
export type SnapshotShelf = {
  /** Whether a snapshot may be sent with this response now. Where it may, the place is free again when the response ends. */
  admit(response: ServerResponse): boolean
  read(height: bigint): Uint8Array | undefined
  readNewest(): Uint8Array | undefined
}

export function createSnapshotShelf(
  store: Pick<Store, 'readSnapshot' | 'findNewestSnapshot'>,
  { sendTimeoutMs = SEND_TIMEOUT_MS }: { sendTimeoutMs?: number } = {},
): SnapshotShelf {
  let sendingCount = 0
  // Reading one hashes all of it; whoever asks for it again and again is not to cost that each time.
  let last: { height: bigint; bytes: Uint8Array } | undefined

  function read(height: bigint): Uint8Array | undefined {
    if (last?.height === height) return last.bytes
    const bytes = store.readSnapshot(height)
    if (bytes !== undefined) last = { height, bytes }
    return bytes
  }

  return {
    admit(response) {
      if (sendingCount >= SENT_AT_ONCE_MAX) return false
      sendingCount += 1
      const timer = setTimeout(() => response.destroy(), sendTimeoutMs)
      response.once('close', () => {
        clearTimeout(timer)
        sendingCount -= 1
      })
      return true
    },
    // What is above the newest need not be a number that the store can look for.
    read: (height) => (height > (store.findNewestSnapshot() ?? 0n) ? undefined : read(height)),
    readNewest() {
      const height = store.findNewestSnapshot()
      return height === undefined ? undefined : read(height)
    },
  }
}
