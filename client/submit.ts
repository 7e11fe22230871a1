import { EventEmitter } from 'node:events'
import { type Job, Queue, QueueEvents } from 'bullmq'
import { Redis } from 'ioredis'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { type Acknowledgement, decodeAcknowledgement, verifyAcknowledgement } from '../protocol/wire/acknowledgement.ts'
import { quorumOf } from '../protocol/wire/committee.ts'
import { deriveEnvelopeDigest, encodeEnvelope, type SignedEnvelope } from '../protocol/wire/envelope.ts'
import {
  type CommandJob,
  commandJobId,
  commandQueueName,
  encodeCommandJob,
  KEEP_FINISHED_JOBS,
  RedisUnreachableError,
} from '../workers/queues.ts'

const LOOK_AGAIN_MS = 1_000
/** A member that cannot decide yet lets go of the job, and BullMQ hands it back. */
const TRY_AGAIN = { attempts: 100, backoff: { type: 'fixed', delay: 500 } } as const
const CLOSE_MAX_MS = 1_000
const ENDED: ReadonlySet<string> = new Set(['completed', 'failed'])
/** After so long without an acknowledgement, or after twice what the last one took, every member is asked. */
const HEDGE_MIN_MS = 750
const HEDGE_MAX_MS = 10_000

/** A member failed the job: its message is the reason. Never leaves this file. */
class RefusedByMemberError extends Error {}

/** A proven acknowledgement; only `submit` makes one. */
export type Submitted = { envelope: SignedEnvelope; acknowledgement: Acknowledgement }

export class NoQuorumError extends CoalitionError {
  constructor({ timeoutMs, count, sequence }: { timeoutMs: number; count: number; sequence: bigint }) {
    super(
      'NO_QUORUM',
      `No proven acknowledgement within ${timeoutMs} ms: fewer than ${quorumOf(count)} of the ${count} members seem to be at work.`,
      {
        fix: `Start members until a quorum runs. What was sent may still be decided: send it again with --sequence ${sequence}, and it counts once.`,
        kind: 'refused',
        isRetryable: true,
      },
    )
  }
}

export class SubmissionRefusedError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('SUBMISSION_REFUSED', `So many members say that they refuse the envelope that one is honest: ${reason}`, {
      fix: 'Correct what they say. Their word came through Redis unproven: where you do not trust it, send the very same again.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

export type CreateSubmitterParameters = {
  redisUrl: string
  /** Component key. */
  component: Hex
  /** The committee, strictly ascending. */
  signers: readonly Hex[]
}

export type Submitter = {
  /**
   * Hands an envelope to f + 1 members, of whom one is honest and passes it on, to the others too where that does not
   * bring an acknowledgement soon, and waits until one is proven.
   *
   * @throws {NoQuorumError} none within `timeoutMs`.
   * @throws {SubmissionRefusedError} more members than can be faulty refuse it, or answer what proves nothing.
   * @throws {RedisUnreachableError} Redis went away.
   */
  submit(envelope: SignedEnvelope, options: { timeoutMs: number }): Promise<Submitted>
  close(): Promise<void>
}

/**
 * Connects to the members' queues. Fails fast: a producer that waits for Redis hides an outage from its user.
 *
 * @throws {RedisUnreachableError}
 */
export async function createSubmitter(parameters: CreateSubmitterParameters): Promise<Submitter> {
  const { redisUrl, component, signers } = parameters
  const connection = new Redis(redisUrl, {
    lazyConnect: true,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    retryStrategy: () => null,
  })
  let failure: unknown
  connection.on('error', (error) => (failure = error))
  try {
    await connection.connect()
  } catch (cause) {
    connection.disconnect()
    throw new RedisUnreachableError({ url: redisUrl, cause: failure ?? cause })
  }
  const queues = signers.map((signer) => new Queue(commandQueueName({ component, signer }), { connection }))
  // Listening blocks, so each listener has a connection of its own, and unlike a producer's it may wait for Redis.
  const listeners = signers.map(() => new Redis(redisUrl, { maxRetriesPerRequest: null }))
  for (const listener of listeners) listener.on('error', () => {})
  const events = signers.map(
    (signer, index) => new QueueEvents(commandQueueName({ component, signer }), { connection: listeners[index]! }),
  )
  // Connection errors end in a timeout of the submission; without a listener they would end the process.
  for (const queue of queues) queue.on('error', () => {})
  for (const each of events) each.on('error', () => {})
  let isClosed = false
  let hedgeMs = HEDGE_MIN_MS
  const finished = events.map((each) => {
    const jobs = new EventEmitter().setMaxListeners(0)
    each.on('completed', ({ jobId, returnvalue }) => jobs.emit(jobId, returnvalue))
    each.on('failed', ({ jobId }) => jobs.emit(jobId, null))
    return jobs
  })
  await Promise.all(events.map((each) => each.waitUntilReady()))

  type Waiting = { deadline: number; isOver(): boolean }
  /** An envelope as its job carries it: encoded and named once, however many members it is handed to. */
  type Prepared = { envelope: SignedEnvelope; jobId: string; data: CommandJob }

  async function submitTo(index: number, prepared: Prepared, waiting: Waiting): Promise<Submitted> {
    const { envelope, jobId } = prepared
    const queue = queues[index]!
    const heard = listen(index, jobId)
    try {
      // Sent together: a job that is there already stays as it is, and its state says so.
      const stateBefore = queue.getJobState(jobId)
      await add(queue, prepared)
      if (ENDED.has(await stateBefore)) {
        // A job that ended without a proof stands in the way of its repeat: same facts, same id.
        const earlier = await queue.getJob(jobId)
        const proven = prove(earlier?.returnvalue, envelope)
        if (proven !== undefined) return proven
        await earlier?.remove()
        await add(queue, prepared)
      }
      return await waitForProof(index, { prepared, heard, waiting })
    } finally {
      heard.end()
    }
  }

  const add = (queue: Queue, { jobId, data }: Prepared): Promise<Job> =>
    queue.add('command', data, {
      jobId,
      removeOnComplete: KEEP_FINISHED_JOBS,
      removeOnFail: KEEP_FINISHED_JOBS,
      ...TRY_AGAIN,
    })

  function prove(result: unknown, envelope: SignedEnvelope): Submitted | undefined {
    try {
      return assertProof(result, envelope)
    } catch (error) {
      if (error instanceof CoalitionError) return undefined
      throw error
    }
  }

  function assertProof(result: unknown, envelope: SignedEnvelope): Submitted {
    const acknowledgement = decodeAcknowledgement(result)
    verifyAcknowledgement({ acknowledgement, envelope, signers })
    return { envelope, acknowledgement }
  }

  type Heard = { next(timeoutMs: number): Promise<unknown>; end(): void }

  /** What the queue's events say of one job, from now on. */
  function listen(index: number, jobId: string): Heard {
    const jobs = finished[index]!
    let result: unknown
    let wake = (): void => {}
    const onEnd = (returned: unknown): void => {
      result = returned
      wake()
    }
    jobs.on(jobId, onEnd)
    return {
      async next(timeoutMs) {
        if (result === undefined) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, timeoutMs)
            wake = () => {
              clearTimeout(timer)
              resolve()
            }
          })
        }
        const returned = result
        result = undefined
        return returned
      },
      end: () => void jobs.off(jobId, onEnd),
    }
  }

  /** An event carries the result, and a proof is a proof. One may be lost or forged, so the job itself is looked at, too. */
  async function waitForProof(
    index: number,
    { prepared, heard, waiting }: { prepared: Prepared; heard: Heard; waiting: Waiting },
  ): Promise<Submitted> {
    const { envelope, jobId } = prepared
    const { deadline, isOver } = waiting
    while (!isClosed && !isOver() && Date.now() < deadline) {
      const result = await heard.next(Math.max(0, Math.min(LOOK_AGAIN_MS, deadline - Date.now())))
      if (isOver()) break
      const proven = result === undefined ? undefined : prove(result, envelope)
      if (proven !== undefined) return proven
      if (!ENDED.has(await queues[index]!.getJobState(jobId))) continue
      const job = await queues[index]!.getJob(jobId)
      if (job === undefined) continue
      // A job that was tried again keeps the reason of its first try when it is done: only a result says how it ended.
      if (typeof job.returnvalue !== 'string') throw new RefusedByMemberError(job.failedReason ?? 'no result')
      return assertProof(job.returnvalue, envelope)
    }
    throw new Error(`job ${jobId} did not end in time`)
  }

  return {
    submit(envelope, { timeoutMs }) {
      const jobId = commandJobId({ envelopeDigest: deriveEnvelopeDigest(envelope) })
      const prepared: Prepared = { envelope, jobId, data: encodeCommandJob(encodeEnvelope(envelope)) }
      const count = signers.length
      const faultyMax = count - quorumOf(count)
      const deadline = Date.now() + timeoutMs
      // A start that changes with the sequence spreads the work over the members.
      const order = signers.map((_signer, offset) => Number((envelope.sequence + BigInt(offset)) % BigInt(count)))
      return new Promise<Submitted>((resolve, reject) => {
        const refusals: string[] = []
        let lostCount = 0
        let isOver = false
        const finish = (end: () => void): void => {
          isOver = true
          clearTimeout(timeout)
          clearTimeout(hedge)
          end()
        }
        const hand = (index: number): void => {
          submitTo(index, prepared, { deadline, isOver: () => isOver }).then(
            (submitted) => {
              // A committee that is busy is not one that lost something: asking all of it again would keep it busy.
              const tookMs = performance.now() - startedMs
              hedgeMs = Math.min(Math.max(HEDGE_MIN_MS, 2 * tookMs), HEDGE_MAX_MS)
              finish(() => resolve(submitted))
            },
            (error: unknown) => {
              if (isOver || Date.now() >= deadline) return
              if (error instanceof RefusedByMemberError || error instanceof CoalitionError) refusals.push(error.message)
              else lostCount += 1
              // One honest member among so many says so, too.
              if (refusals.length > faultyMax) {
                finish(() => reject(new SubmissionRefusedError({ reason: refusals[0]! })))
              } else if (lostCount === count) {
                finish(() => reject(new RedisUnreachableError({ url: redisUrl, cause: error })))
              } else handToRest()
            },
          )
        }
        const rest = order.slice(faultyMax + 1)
        const handToRest = (): void => rest.splice(0).forEach(hand)
        const startedMs = performance.now()
        const hedge = setTimeout(handToRest, hedgeMs)
        const timeout = setTimeout(
          () => finish(() => reject(new NoQuorumError({ timeoutMs, count, sequence: envelope.sequence }))),
          timeoutMs,
        )
        order.slice(0, faultyMax + 1).forEach(hand)
      })
    },
    async close() {
      isClosed = true
      // Closing in peace takes a Redis that answers.
      const closing = Promise.allSettled([...events, ...queues].map((each) => each.close()))
      await Promise.race([closing, new Promise((resolve) => setTimeout(resolve, CLOSE_MAX_MS).unref())])
      for (const each of [connection, ...listeners]) each.disconnect()
    },
  }
}
