import { type Job, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Hex } from '../../protocol/bytes.ts'
import { decodeQuoteJob, quoteQueueName } from '../queues.ts'
import { toJobError } from '../runtime/jobError.ts'
import type { Logger } from '../runtime/logger.ts'
import { createWatchedWorker } from '../runtime/watchedWorker.ts'
import type { AttestationProcessor } from './processor.ts'

/** Jobs at once: one is judged while the next ones wait for Redis or for collateral. A job of 64 quotes blocks for some 30 ms. */
const CONCURRENCY = 4
/** A job whose worker died is given to another after about this long. */
const LOCK_DURATION_MS = 10_000
const STALLED_INTERVAL_MS = 5_000
/** Results are for who waits for them; a quote is cheap to judge again. */
const KEEP_FINISHED_JOBS = { age: 60, count: 256 } as const

/** Takes one member's quote jobs; start as many processes as there are cores to spare. */
export function startAttestationWorker(
  { redis, process, logger }: { redis: Redis; process: AttestationProcessor; logger: Logger },
  { component, signer }: { component: Hex; signer: Hex },
): { close(): Promise<void> } {
  const name = quoteQueueName({ component, signer })
  const make = () =>
    new Worker(
      name,
      async (job: Job<unknown>) => {
        try {
          return await process(decodeQuoteJob(job.data))
        } catch (error) {
          logger.warn({ err: error }, 'quotes could not be judged')
          throw toJobError(error)
        }
      },
      {
        connection: redis,
        concurrency: CONCURRENCY,
        lockDuration: LOCK_DURATION_MS,
        stalledInterval: STALLED_INTERVAL_MS,
        removeOnComplete: KEEP_FINISHED_JOBS,
        removeOnFail: KEEP_FINISHED_JOBS,
      },
    )
  const worker = createWatchedWorker({ redis, logger, make }, { name })
  return { close: () => worker.close() }
}
