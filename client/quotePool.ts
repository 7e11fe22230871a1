import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { Queue, QueueEvents } from 'bullmq'
import { Redis } from 'ioredis'
import { type Hex, toHex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { type QuoteVerdict, recoverVerdictsSigner } from '../protocol/wire/quoteVerdict.ts'
import { decodeSignedVerdicts, QUOTES_PER_JOB_MAX, quoteJobId, quoteQueueName } from '../workers/queues.ts'

/** How long an orderly end may take while Redis does not answer. */
const CLOSE_TIMEOUT_MS = 2_000

export class QuotePoolFullError extends CoalitionError {
  constructor({ waitingMax }: { waitingMax: number }) {
    super('QUOTE_POOL_FULL', `${waitingMax} jobs of quotes wait already.`, {
      fix: 'Ask again in a moment, or start more attestation workers.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

export class QuotePoolFailedError extends CoalitionError {
  constructor({ reason, cause }: { reason: string; cause?: unknown }) {
    super('QUOTE_POOL_FAILED', `The attestation workers gave no verdict: ${reason}.`, {
      fix: 'See whether attestation workers run and what they log; they need collateral for the platform.',
      isRetryable: true,
      cause,
    })
  }
}

export class VerdictUntrustedError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('VERDICT_UNTRUSTED', `A verdict on quotes cannot be used: ${reason}.`, {
      fix: 'Check who may write to this Redis: a verdict that its member did not sign came from someone else.',
      kind: 'refused',
    })
  }
}

export type QuotePoolOptions = {
  redisUrl: string
  /** Component key. */
  component: Hex
  /** The member whose workers judge, and whose signature a verdict must bear. */
  signer: Hex
  /** Rules that the verdicts must be by. */
  policyDigest: Hex
  /** Jobs that may wait; beyond that, `verify` refuses at once. Default 256. */
  waitingMax?: number
  /** How long to wait for a verdict. Default 30 s. */
  timeoutMs?: number
}

export type QuotePool = {
  /**
   * Has up to 64 quotes judged; the verdicts come in their order.
   *
   * @throws {QuotePoolFullError} too many wait already. @throws {QuotePoolFailedError} no verdict in time, or no collateral.
   * @throws {VerdictUntrustedError} a verdict that the member has not signed, or about something else.
   */
  verify(quotes: readonly Uint8Array[]): Promise<readonly QuoteVerdict[]>
  /** Ends within two seconds, whether or not Redis answers. */
  close(): Promise<void>
}

/** Connects to one member's pool of attestation workers (spec §8.1). */
export function createQuotePool({ clock }: { clock: { nowMs(): number } }, options: QuotePoolOptions): QuotePool {
  const { redisUrl, component, signer, policyDigest, waitingMax = 256, timeoutMs = 30_000 } = options
  const name = quoteQueueName({ component, signer })
  const producer = new Redis(redisUrl, { maxRetriesPerRequest: 1, enableOfflineQueue: true })
  const listener = new Redis(redisUrl, { maxRetriesPerRequest: null })
  const queue = new Queue(name, { connection: producer })
  const events = new QueueEvents(name, { connection: listener })
  // Every job that is waited for listens for the end of its queue.
  queue.setMaxListeners(waitingMax + 16)
  // Each failure also reaches the call that it fails; without a listener it would end the process.
  const ignore = (): void => {}
  for (const connection of [producer, listener]) connection.on('error', ignore)
  queue.on('error', ignore)
  events.on('error', ignore)
  /** Jobs of our own that have not reached Redis yet: without them, a burst would slip past the count there. */
  let enteringCount = 0

  return {
    async verify(quotes) {
      if (quotes.length === 0 || quotes.length > QUOTES_PER_JOB_MAX)
        throw new RangeError(`1 to ${QUOTES_PER_JOB_MAX} quotes`)
      const digests = quotes.map((quote) => createHash('sha256').update(quote).digest())
      const quotesDigest = toHex(createHash('sha256').update(Buffer.concat(digests)).digest())
      enteringCount++
      let job: Awaited<ReturnType<typeof queue.add>>
      try {
        if ((await queue.getWaitingCount()) + enteringCount > waitingMax) throw new QuotePoolFullError({ waitingMax })
        await events.waitUntilReady()
        job = await queue.add(
          'quotes',
          { quotes: quotes.map((quote) => Buffer.from(quote).toString('base64')) },
          {
            jobId: quoteJobId({ quotesDigest, askedAtMs: clock.nowMs() }),
            attempts: 3,
            backoff: { type: 'exponential', delay: 500 },
          },
        )
      } catch (cause) {
        if (cause instanceof CoalitionError) throw cause
        throw new QuotePoolFailedError({ reason: 'Redis does not answer', cause })
      } finally {
        enteringCount--
      }
      let result: unknown
      try {
        result = await job.waitUntilFinished(events, timeoutMs)
      } catch (cause) {
        throw new QuotePoolFailedError({ reason: cause instanceof Error ? cause.message : 'unknown', cause })
      }
      const signed = decodeSignedVerdicts(result)
      if (signed.component !== component || signed.policyDigest !== policyDigest) {
        throw new VerdictUntrustedError({ reason: 'it is of another component or by other rules' })
      }
      if (recoverVerdictsSigner(signed) !== signer) throw new VerdictUntrustedError({ reason: 'another key signed it' })
      const isAboutOurs =
        signed.verdicts.length === digests.length &&
        signed.verdicts.every(({ quoteDigest }, i) => quoteDigest === toHex(digests[i]!))
      if (!isAboutOurs) throw new VerdictUntrustedError({ reason: 'it is about other quotes' })
      return signed.verdicts
    },
    async close() {
      // Without Redis BullMQ waits for it for ever; the connections are ours to end.
      const closed = Promise.allSettled([events.close(), queue.close()])
      await Promise.race([closed, setTimeout(CLOSE_TIMEOUT_MS, undefined, { ref: false })])
      listener.disconnect()
      producer.disconnect()
    },
  }
}
