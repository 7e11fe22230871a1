import { EventEmitter } from 'node:events'
import type { Job, Queue, QueueEvents } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError, countOf } from '../protocol/errors.ts'
import { type Acknowledgement, decodeAcknowledgement, verifyAcknowledgement } from '../protocol/wire/acknowledgement.ts'
import type { VerifiedCommit } from '../protocol/wire/certificate.ts'
import { quorumOf } from '../protocol/wire/committee.ts'
import { deriveEnvelopeDigest, encodeEnvelope, type SignedEnvelope } from '../protocol/wire/envelope.ts'
import { ComponentRetiredError } from '../protocol/wire/next.ts'
import {
  assertRedisUrl,
  type CommandJob,
  commandJobId,
  commandQueueName,
  encodeCommandJob,
  KEEP_FINISHED_JOBS,
  RedisUnreachableError,
} from '../workers/queues.ts'
import { committeeFor, currentCommittee, type Epochs } from './epochs.ts'
import { followEpochs } from './followEpochs.ts'
import type { LogReader } from './logReader.ts'

const LOOK_AGAIN_MS = 1_000
/** A member that cannot decide yet lets go of the job, and BullMQ hands it back. */
const TRY_AGAIN = { attempts: 100, backoff: { type: 'fixed', delay: 500 } } as const
const CLOSE_MAX_MS = 1_000
/** How long Redis may take to say that it is ready. */
const CONNECT_MAX_MS = 5_000
const ENDED: ReadonlySet<string> = new Set(['completed', 'failed'])
/** After so long without an acknowledgement, or after twice what the last one took, every member is asked. */
const HEDGE_MIN_MS = 250
const HEDGE_FIRST_MS = 750
const HEDGE_MAX_MS = 10_000
/** So long a member that did not bring an acknowledgement in that time is not the first to be asked. */
const SLOW_MS = 10_000
/** How often it is looked for members that came by a rotation: beyond the hedge, so that a busy committee is left alone. */
const LOOK_FOR_OTHERS_MS = 15_000

/** A member failed the job: its message is the reason. Never leaves this file. */
class RefusedByMemberError extends Error {}

/** A proven acknowledgement; only `submit` makes one. */
export type Submitted = { envelope: SignedEnvelope; acknowledgement: Acknowledgement; verified: VerifiedCommit }

export class NoQuorumError extends CoalitionError {
  constructor({ timeoutMs, count, sequence }: { timeoutMs: number; count: number; sequence: bigint }) {
    super(
      'NO_QUORUM',
      `No proven acknowledgement within ${timeoutMs} ms: fewer than ${quorumOf(count)} of the ${countOf(count, 'member')} seem to be at work.`,
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
  /** Who decides, as far as the caller knows. */
  epochs: Epochs
  /** Logs of members, from which rotations are learnt on the way: without any the committee known stays the one that counts. */
  logs?: readonly LogReader[]
}

export type Submitter = {
  /**
   * Hands an envelope to one member, which passes it on, to all others too where that does not bring an acknowledgement
   * soon, and waits until one is proven. Where the committee changes meanwhile, the members that
   * came are asked as well.
   *
   * @throws {NoQuorumError} none within `timeoutMs`.
   * @throws {ComponentRetiredError} members refuse it, and a log shows that the component is retired.
   * @throws {SubmissionRefusedError} more members than can be faulty refuse it, or answer what proves nothing.
   * @throws {RedisUnreachableError} Redis went away.
   */
  submit(envelope: SignedEnvelope, options: { timeoutMs: number }): Promise<Submitted>
  /** Who decides, as far as it is known by now. */
  epochs(): Epochs
  close(): Promise<void>
}

/** What leads to one member: its command queue, and the news of it. */
type Lane = {
  queue: Queue
  events: QueueEvents
  listener: Redis
  /** Emits a job's id, and its result or null, when the job ends. */
  finished: EventEmitter
}

/**
 * Connects to the members' queues. Fails fast: a producer that waits for Redis hides an outage from its user.
 *
 * @throws {InvalidRedisUrlError | RedisUnreachableError}
 */
export async function createSubmitter(parameters: CreateSubmitterParameters): Promise<Submitter> {
  const { redisUrl, logs = [] } = parameters
  assertRedisUrl(redisUrl)
  let { epochs } = parameters
  const { component } = epochs
  // Loaded only here: most of what the command line is asked for is to read.
  const [bullmq, ioredis] = await Promise.all([import('bullmq'), import('ioredis')])
  const connection = new ioredis.Redis(redisUrl, {
    lazyConnect: true,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    retryStrategy: () => null,
  })
  let failure: unknown
  connection.on('error', (error) => (failure = error))
  // One that accepts the connection and says nothing would be waited for without end.
  const giveUp = setTimeout(() => connection.disconnect(), CONNECT_MAX_MS)
  try {
    await connection.connect()
  } catch (cause) {
    connection.disconnect()
    throw new RedisUnreachableError({ url: redisUrl, cause: failure ?? cause })
  } finally {
    clearTimeout(giveUp)
  }
  const lanes = new Map<Hex, Lane>()
  let isClosed = false
  let hedgeMs = HEDGE_FIRST_MS
  /** Until when a member counts as slow. */
  const slow = new Map<Hex, number>()
  let following: Promise<void> | undefined
  await openLanes()

  async function openLanes(): Promise<void> {
    const missing = currentCommittee(epochs).signers.filter((signer) => !lanes.has(signer))
    for (const signer of missing) lanes.set(signer, openLane(signer))
    await Promise.all(missing.map((signer) => lanes.get(signer)!.events.waitUntilReady()))
  }

  function openLane(signer: Hex): Lane {
    const name = commandQueueName({ component, signer })
    const queue = new bullmq.Queue(name, { connection })
    // Listening blocks, so each listener has a connection of its own, and unlike a producer's it may wait for Redis.
    const listener = new ioredis.Redis(redisUrl, { maxRetriesPerRequest: null })
    const events = new bullmq.QueueEvents(name, { connection: listener })
    // Connection errors end in a timeout of the submission; without a listener they would end the process.
    queue.on('error', () => {})
    listener.on('error', () => {})
    events.on('error', () => {})
    const finished = new EventEmitter().setMaxListeners(0)
    events.on('completed', ({ jobId, returnvalue }) => finished.emit(jobId, returnvalue))
    events.on('failed', ({ jobId }) => finished.emit(jobId, null))
    return { queue, events, listener, finished }
  }

  /** Learns of rotations, once for all who ask at the same time. A log that cannot be read now can be read later. */
  function follow(): Promise<void> {
    following ??= (async () => {
      try {
        epochs = await followEpochs({ logs }, epochs)
        // A job whose news cannot be heard is looked at every second.
        if (!isClosed) await openLanes().catch(() => {})
      } catch (error) {
        if (!(error instanceof CoalitionError)) throw error
      } finally {
        following = undefined
      }
    })()
    return following
  }

  type Waiting = { deadline: number; isOver(): boolean }
  /** An envelope as its job carries it: encoded and named once, however many members it is handed to. */
  type Prepared = { envelope: SignedEnvelope; jobId: string; data: CommandJob }

  async function submitTo(lane: Lane, prepared: Prepared, waiting: Waiting): Promise<Submitted> {
    const { envelope, jobId } = prepared
    const { queue } = lane
    const heard = listen(lane, jobId)
    try {
      // Sent together: a job that is there already stays as it is, and its state says so.
      const [stateBefore] = await Promise.all([queue.getJobState(jobId), add(queue, prepared)])
      if (ENDED.has(stateBefore)) {
        // A job that ended without a proof stands in the way of its repeat: same facts, same id.
        const earlier = await queue.getJob(jobId)
        const proven = await prove(earlier?.returnvalue, envelope)
        if (proven !== undefined) return proven
        await earlier?.remove()
        await add(queue, prepared)
      }
      return await waitForProof(lane, { prepared, heard, waiting })
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

  /** The proof that a result is, where it is one. */
  async function prove(result: unknown, envelope: SignedEnvelope): Promise<Submitted | undefined> {
    try {
      const acknowledgement = decodeAcknowledgement(result)
      if (isAhead(acknowledgement)) await follow()
      return assertProof(acknowledgement, envelope)
    } catch (error) {
      if (error instanceof CoalitionError) return undefined
      throw error
    }
  }

  /** It is of an epoch that is not known yet, or that somebody made up. */
  const isAhead = ({ record }: Acknowledgement): boolean =>
    logs.length > 0 && record.commit.epoch > currentCommittee(epochs).epoch

  /** An acknowledgement holds where the committee of its own epoch certified it. */
  function assertProof(acknowledgement: Acknowledgement, envelope: SignedEnvelope): Submitted {
    const { signers } = committeeFor(epochs, acknowledgement.record.commit)
    return { envelope, acknowledgement, verified: verifyAcknowledgement({ acknowledgement, envelope, signers }) }
  }

  type Heard = { next(timeoutMs: number): Promise<unknown>; end(): void }

  /** What the queue's events say of one job, from now on. */
  function listen({ finished: jobs }: Lane, jobId: string): Heard {
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
    { queue }: Lane,
    { prepared, heard, waiting }: { prepared: Prepared; heard: Heard; waiting: Waiting },
  ): Promise<Submitted> {
    const { envelope, jobId } = prepared
    const { deadline, isOver } = waiting
    while (!isClosed && !isOver() && performance.now() < deadline) {
      const result = await heard.next(Math.max(0, Math.min(LOOK_AGAIN_MS, deadline - performance.now())))
      if (isOver()) break
      const proven = result === undefined ? undefined : await prove(result, envelope)
      if (proven !== undefined) return proven
      if (!ENDED.has(await queue.getJobState(jobId))) continue
      const job = await queue.getJob(jobId)
      if (job === undefined) continue
      // A job that was tried again keeps the reason of its first try when it is done: only a result says how it ended.
      if (typeof job.returnvalue !== 'string') throw new RefusedByMemberError(job.failedReason ?? 'no result')
      const acknowledgement = decodeAcknowledgement(job.returnvalue)
      if (isAhead(acknowledgement)) await follow()
      // The member may be a moment ahead of the log.
      if (isAhead(acknowledgement)) continue
      return assertProof(acknowledgement, envelope)
    }
    throw new Error(`job ${jobId} did not end in time`)
  }

  return {
    submit(envelope, { timeoutMs }) {
      const jobId = commandJobId({ envelopeDigest: deriveEnvelopeDigest(envelope) })
      const prepared: Prepared = { envelope, jobId, data: encodeCommandJob(encodeEnvelope(envelope)) }
      const deadline = performance.now() + timeoutMs
      return new Promise<Submitted>((resolve, reject) => {
        const handed = new Set<Hex>()
        const refusals = new Map<Hex, string>()
        const lost = new Set<Hex>()
        let isOver = false
        const finish = (end: () => void): void => {
          isOver = true
          clearTimeout(timeout)
          clearTimeout(hedge)
          clearInterval(lookout)
          end()
        }
        const hand = (signer: Hex): void => {
          handed.add(signer)
          submitTo(lanes.get(signer)!, prepared, { deadline, isOver: () => isOver }).then(
            (submitted) => {
              // A committee that is busy is not one that lost something: asking all of it again would keep it busy.
              const tookMs = performance.now() - startedMs
              hedgeMs = Math.min(Math.max(HEDGE_MIN_MS, 2 * tookMs), HEDGE_MAX_MS)
              slow.delete(signer)
              finish(() => resolve(submitted))
            },
            (error: unknown) => {
              if (isOver || performance.now() >= deadline) return
              if (error instanceof RefusedByMemberError || error instanceof CoalitionError) {
                refusals.set(signer, error.message)
              } else lost.add(signer)
              weigh(error)
            },
          )
        }
        const weigh = (error: unknown): void => {
          const { signers } = currentCommittee(epochs)
          const refusing = signers.filter((signer) => refusals.has(signer))
          // One honest member among so many says so, too.
          if (refusing.length > faultyMaxOf(signers)) void refuse(refusals.get(refusing[0]!)!)
          else if (signers.every((signer) => lost.has(signer))) {
            finish(() => reject(new RedisUnreachableError({ url: redisUrl, cause: error })))
          } else handToRest()
        }
        const refuse = async (reason: string): Promise<void> => {
          await follow()
          const { retirement } = epochs
          const refused =
            retirement === null ? new SubmissionRefusedError({ reason }) : new ComponentRetiredError(retirement)
          finish(() => reject(refused))
        }
        const handToRest = (): void => {
          if (isOver) return
          for (const signer of currentCommittee(epochs).signers) {
            if (lanes.has(signer) && !handed.has(signer)) hand(signer)
          }
        }
        /** Where the members that were asked are gone for good, those that came in their place are asked. */
        const lookForOthers = (): void => {
          handToRest()
          if (logs.length > 0) void follow().then(handToRest)
        }
        const startedMs = performance.now()
        const hedge = setTimeout(() => {
          for (const signer of handed) slow.set(signer, performance.now() + SLOW_MS)
          lookForOthers()
        }, hedgeMs)
        const lookout = setInterval(lookForOthers, LOOK_FOR_OTHERS_MS)
        const timeout = setTimeout(() => {
          const count = currentCommittee(epochs).signers.length
          finish(() => reject(new NoQuorumError({ timeoutMs, count, sequence: envelope.sequence })))
        }, timeoutMs)
        const { signers } = currentCommittee(epochs)
        // A start that changes with the sequence spreads the work over the members.
        const first = Number(envelope.sequence % BigInt(signers.length))
        const order = [...signers.slice(first), ...signers.slice(0, first)].filter((signer) => lanes.has(signer))
        const isSlow = (signer: Hex): boolean => (slow.get(signer) ?? 0) > performance.now()
        const asked = order.find((signer) => !isSlow(signer)) ?? order[0]
        if (asked !== undefined) hand(asked)
      })
    },
    epochs: () => epochs,
    async close() {
      isClosed = true
      // Closing in peace takes a Redis that answers.
      const open = [...lanes.values()]
      const closing = Promise.allSettled(open.flatMap(({ events, queue }) => [events.close(), queue.close()]))
      await Promise.race([closing, new Promise((resolve) => setTimeout(resolve, CLOSE_MAX_MS).unref())])
      for (const each of [connection, ...open.map(({ listener }) => listener)]) each.disconnect()
    },
  }
}

const faultyMaxOf = ({ length }: readonly Hex[]): number => length - quorumOf(length)
