import type { Frame } from './frame.ts'
import type { Store } from './store.ts'

/**
 * What a member is about to say. Nothing leaves before all records that came before it are durable (spec §5.4), and what
 * comes together becomes durable together: one fsync for all that the frames of one read led to.
 */
export type Outbox = {
  /** To be durable before whatever is said after it. */
  persist(record: Uint8Array): void
  say(frame: Frame): void
  /** Makes everything durable and says it, now; left alone, it happens as soon as what runs now has ended. */
  flush(): void
  /** Drops what was not said yet, and takes no more. */
  close(): void
}

/** @param options.onFail - told when records could not be made durable: then nothing was said, and nothing will be. */
export function createOutbox({
  store,
  send,
  onFail,
}: {
  store: Pick<Store, 'append'>
  send(frame: Frame): void
  onFail(error: unknown): void
}): Outbox {
  let records: Uint8Array[] = []
  let frames: Frame[] = []
  let isClosed = false
  let isAwaited = false

  function flush(): void {
    if (isClosed) return
    const durable = records
    const said = frames
    records = []
    frames = []
    if (durable.length > 0) store.append(durable)
    for (const frame of said) send(frame)
  }

  function flushSoon(): void {
    if (isAwaited) return
    isAwaited = true
    queueMicrotask(() => {
      isAwaited = false
      try {
        flush()
      } catch (error) {
        onFail(error)
      }
    })
  }

  return {
    persist(record) {
      records.push(record)
      flushSoon()
    },
    say(frame) {
      frames.push(frame)
      flushSoon()
    },
    flush,
    close() {
      isClosed = true
      records = []
      frames = []
    },
  }
}
