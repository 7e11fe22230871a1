import { Queue, type Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Logger } from './logger.ts'

/** How often a queue is looked at, and how long it may have work and no progress; longer than any job waits for nothing. */
const LOOK_MS = 5_000
const STALLED_MS = 30_000
/** So many times longer where jobs run: one whose lock was lost ends without a word, and must not hide a hang for ever. */
const BUSY_FACTOR = 20

export type WatchedWorker = {
  /** How often the worker was given up and made anew. */
  restarts(): number
  /** @param force leaves jobs that run to whoever takes them over, instead of waiting for them. */
  close(force?: boolean): Promise<void>
}

/**
 * Keeps a BullMQ worker at work: one whose queue has jobs ready, and which neither runs nor ends any for a while although
 * Redis answers, is closed and made anew. A blocking connection can hang for good while every ping looks healthy, so
 * progress is what is watched.
 */
export function createWatchedWorker(
  { redis, logger, make }: { redis: Redis; logger: Logger; make(): Worker },
  { name, lookMs = LOOK_MS, stalledMs = STALLED_MS }: { name: string; lookMs?: number; stalledMs?: number },
): WatchedWorker {
  const queue = new Queue(name, { connection: redis })
  queue.on('error', () => {}) // the worker reports it
  let restarts = 0
  let running = 0
  let progressAtMs = performance.now()
  let isLooking = false
  let isClosed = false
  let worker = start()

  function start(): Worker {
    const started = make()
    running = 0
    const note = (change: number) => () => {
      if (started !== worker) return
      // A job that stalled elsewhere fails here without having run here.
      running = Math.max(0, running + change)
      progressAtMs = performance.now()
    }
    started.on('error', (error) => logger.warn({ queue: name, reason: error.message }, 'a queue reported an error'))
    started.on('active', note(1))
    started.on('completed', note(-1))
    started.on('failed', note(-1))
    return started
  }

  async function look(): Promise<void> {
    if (isLooking || isClosed) return
    isLooking = true
    try {
      const limitMs = running > 0 ? BUSY_FACTOR * stalledMs : stalledMs
      if (!(await hasReadyJobs())) progressAtMs = performance.now()
      else if (performance.now() - progressAtMs >= limitMs && !isClosed) {
        restarts += 1
        logger.error({ queue: name, restarts }, 'a queue has jobs and makes no progress: its worker is made anew')
        const stuck = worker
        worker = start()
        progressAtMs = performance.now()
        await stuck.close(true)
      }
    } catch (error) {
      // Without an answer from Redis nothing can be said of the worker.
      progressAtMs = performance.now()
      logger.warn({ queue: name, reason: (error as Error).message }, 'a queue could not be looked at')
    } finally {
      isLooking = false
    }
  }

  /** Ready to be taken, or due for so long that a worker should have taken them. */
  async function hasReadyJobs(): Promise<boolean> {
    if ((await queue.getWaitingCount()) > 0) return true
    const [next] = await queue.getDelayed(0, 0)
    return next !== undefined && next.timestamp + next.delay + stalledMs < Date.now()
  }

  const looking = setInterval(() => void look(), lookMs)
  return {
    restarts: () => restarts,
    async close(force = false) {
      isClosed = true
      clearInterval(looking)
      await worker.close(force)
      await queue.close()
    },
  }
}
