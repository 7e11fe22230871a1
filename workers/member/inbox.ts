import { type Job, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Hex } from '../../protocol/bytes.ts'
import { encodeAcknowledgement } from '../../protocol/wire/acknowledgement.ts'
import { commandQueueName, decodeCommandJob, KEEP_FINISHED_JOBS } from '../queues.ts'
import { toJobError } from '../runtime/jobError.ts'
import type { Logger } from '../runtime/logger.ts'
import { createWatchedWorker } from '../runtime/watchedWorker.ts'
import type { Driver } from './driver.ts'
import { dropReasonOf } from './vitals.ts'

/** Envelopes that wait for their decision at once. */
const CONCURRENCY = 128
/** A job whose member died is given to its successor after about this long. */
const LOCK_DURATION_MS = 10_000
const STALLED_INTERVAL_MS = 5_000

/**
 * Takes this member's command jobs. A job lasts until its envelope is decided, and its result is the acknowledgement:
 * run twice, it gives the same one.
 */
export function createInbox(
  { redis, driver, logger }: { redis: Redis; driver: Driver; logger: Logger },
  { component, signer }: { component: Hex; signer: Hex },
): { restarts(): number; close(): Promise<void> } {
  const name = commandQueueName({ component, signer })
  const make = () =>
    new Worker(
      name,
      async (job: Job<unknown>): Promise<string> => {
        try {
          return encodeAcknowledgement(await driver.submit(decodeCommandJob(job.data)))
        } catch (error) {
          const dropped = dropReasonOf(error)
          if (dropped !== undefined) driver.vitals.drop(dropped)
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
  return {
    restarts: worker.restarts,
    // Envelopes that are not decided yet go back to the queue: forced, because their jobs would wait for ever.
    close: () => worker.close(true),
  }
}
