import { z } from 'zod'
import { QUOTE_SIZE_MAX_BYTES } from '../protocol/attestation/quote.ts'
import { type Hex, isHex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { ENVELOPE_SIZE_MAX_BYTES } from '../protocol/wire/envelope.ts'
import type { SignedVerdicts } from '../protocol/wire/quoteVerdict.ts'

/**
 * The one door to the workers: queue names, job types and their codecs. Importing it has no side effect.
 * Redis is a post office, not a witness (spec §5.3): whoever takes a job out decodes it, and never casts.
 */

export class MalformedJobError extends CoalitionError {
  constructor({ queue }: { queue: string }) {
    super('MALFORMED_JOB', `A job of the queue ${queue} is not of its type.`, {
      fix: 'Enqueue through workers/queues.ts of the same release.',
      kind: 'refused',
    })
  }
}

export class RedisUnreachableError extends CoalitionError {
  constructor({ url, cause }: { url: string; cause?: unknown }) {
    super('REDIS_UNREACHABLE', `No Redis answers at ${redactUrl(url)}.`, {
      fix: 'Start one (redis-server), or set REDIS_URL to the one that the members use.',
      isRetryable: true,
      cause,
    })
  }
}

/** Does not repeat what was given: it may hold a password. */
export class InvalidRedisUrlError extends CoalitionError {
  constructor() {
    super('INVALID_REDIS_URL', 'What is given as Redis is not a redis:// or rediss:// URL.', {
      fix: 'Give redis://HOST:PORT, or rediss://HOST:PORT where it speaks TLS.',
    })
  }
}

export function isRedisUrl(url: string): boolean {
  const parsed = URL.parse(url)
  return parsed !== null && /^rediss?:$/.test(parsed.protocol) && parsed.hostname !== ''
}

/** @throws {InvalidRedisUrlError} */
export function assertRedisUrl(url: string): void {
  if (!isRedisUrl(url)) throw new InvalidRedisUrlError()
}

/** `url` without its password, for errors and logs. */
function redactUrl(url: string): string {
  try {
    const parsed = new URL(url)
    if (parsed.password !== '') parsed.password = '***'
    return parsed.toString()
  } catch {
    return '(not a URL)'
  }
}

/** Where one member of a component takes signed command envelopes from. */
export const commandQueueName = ({ component, signer }: { component: Hex; signer: Hex }): string =>
  `coalition-commands-${component.slice(2)}-${signer.slice(2)}`

/** Where the anchorers of a component take their cadence ticks from. */
export const anchorQueueName = ({ component }: { component: Hex }): string => `coalition-anchor-${component.slice(2)}`

/** Where the atlas-sync workers of an Atlas take their jobs from. */
export const atlasSyncQueueName = ({ component }: { component: Hex }): string =>
  `coalition-atlas-sync-${component.slice(2)}`

/**
 * A job of an atlas-sync queue: to see what is to be done (a turn of the cadence), to look for a citizen's card where it
 * publishes it, or to bring the config's citizens. Where that is, the worker knows: Redis is not to send it anywhere.
 */
export type AtlasSyncJob = { kind: 'turn' } | { kind: 'card'; citizen: Hex } | { kind: 'list' }

/** The same thing done in the same turn of the cadence is one job, however many workers ask for it. */
export const atlasSyncJobId = (job: Exclude<AtlasSyncJob, { kind: 'turn' }>, { turn }: { turn: number }): string =>
  job.kind === 'list' ? `list-${turn}` : `card-${job.citizen.slice(2)}-${turn}`

/** The stream on which the members of a component talk. */
export const protocolStreamName = ({ component }: { component: Hex }): string =>
  `coalition:protocol:${component.slice(2)}`

/** The stream on which they show each other what they sign of their log. */
export const checkpointStreamName = ({ component }: { component: Hex }): string =>
  `coalition:checkpoints:${component.slice(2)}`

/** A job of a command queue: one encoded SignedEnvelope, in base64: two thirds of what hex would be. */
export type CommandJob = { envelope: string }

export const encodeCommandJob = (envelope: Uint8Array): CommandJob => ({
  envelope: Buffer.from(envelope.buffer, envelope.byteOffset, envelope.length).toString('base64'),
})

/** A job's id is made of its facts, so that the same envelope is one job however often it is enqueued. */
export const commandJobId = ({ envelopeDigest }: { envelopeDigest: Hex }): string =>
  `envelope-${envelopeDigest.slice(2)}`

const base64Of = (sizeMaxBytes: number) =>
  z
    .string()
    .max(Math.ceil(sizeMaxBytes / 3) * 4)
    .regex(/^[A-Za-z0-9+/]*={0,2}$/)
const COMMAND_JOB = z.object({ envelope: base64Of(ENVELOPE_SIZE_MAX_BYTES) })

/**
 * @returns the bytes that it carries, whatever they are: at most as many as base64 of the largest envelope has.
 * @throws {MalformedJobError}
 */
export function decodeCommandJob(data: unknown): Uint8Array {
  const parsed = COMMAND_JOB.safeParse(data)
  if (!parsed.success) throw new MalformedJobError({ queue: 'commands' })
  return new Uint8Array(Buffer.from(parsed.data.envelope, 'base64'))
}

/** Where the attestation workers of one member take quotes from: each member trusts its own workers alone. */
export const quoteQueueName = ({ component, signer }: { component: Hex; signer: Hex }): string =>
  `coalition-quotes-${component.slice(2)}-${signer.slice(2)}`

/** Quotes that one job may carry; a batch shares one signature and one trip through Redis. */
export const QUOTES_PER_JOB_MAX = 64

/** A job of a quote queue: raw quotes in base64. */
export type QuoteJob = { quotes: string[] }

/** The same quotes, asked for at the same time, are one job. */
export const quoteJobId = ({ quotesDigest, askedAtMs }: { quotesDigest: Hex; askedAtMs: number }): string =>
  `quotes-${quotesDigest.slice(2)}-${askedAtMs}`

const QUOTE_JOB = z.object({ quotes: z.array(base64Of(QUOTE_SIZE_MAX_BYTES)).min(1).max(QUOTES_PER_JOB_MAX) })

/** @throws {MalformedJobError} */
export function decodeQuoteJob(data: unknown): Uint8Array[] {
  const parsed = QUOTE_JOB.safeParse(data)
  if (!parsed.success) throw new MalformedJobError({ queue: 'quotes' })
  return parsed.data.quotes.map((quote) => Buffer.from(quote, 'base64'))
}

const hexOf = (sizeBytes: number) => z.custom<Hex>((value) => isHex(value, sizeBytes))
const ATLAS_SYNC_JOB = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('turn') }),
  z.object({ kind: z.literal('card'), citizen: hexOf(32) }),
  z.object({ kind: z.literal('list') }),
])

/** @throws {MalformedJobError} */
export function decodeAtlasSyncJob(data: unknown): AtlasSyncJob {
  const parsed = ATLAS_SYNC_JOB.safeParse(data)
  if (!parsed.success) throw new MalformedJobError({ queue: 'atlas-sync' })
  return parsed.data
}

const SIGNED_VERDICTS = z.object({
  component: hexOf(32),
  policyDigest: hexOf(32),
  judgedAtMs: z.int().min(0),
  verdicts: z
    .array(
      z.object({
        quoteDigest: hexOf(32),
        collateralDigest: hexOf(32),
        reportDigest: hexOf(32),
        code: z.string().max(64),
        message: z.string().max(4_096),
        reportData: hexOf(64),
        expiresAtMs: z.int().min(0),
      }),
    )
    .max(QUOTES_PER_JOB_MAX),
  signature: hexOf(64),
})

/** A job's result is only a hint until its signature is checked (spec §5.3). @throws {MalformedJobError} */
export function decodeSignedVerdicts(data: unknown): SignedVerdicts {
  const parsed = SIGNED_VERDICTS.safeParse(data)
  if (!parsed.success) throw new MalformedJobError({ queue: 'quotes' })
  return parsed.data
}

/**
 * How long a finished job is kept, for clients that come for its result: some seconds' worth, because each has its data
 * with it, and whoever comes later asks again and gets the same.
 */
export const KEEP_FINISHED_JOBS = { age: 3600, count: 256 } as const
