import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { createQuotePool } from '../client/quotePool.ts'
import { decodeCollateralFile } from '../protocol/attestation/collateralFile.ts'
import { fromHex, type Hex } from '../protocol/bytes.ts'
import { deriveSignerAddress } from '../protocol/wire/signature.ts'
import { startRedis } from '../scripts/services.ts'
import { derivePolicyDigest } from '../workers/attestation/policyDigest.ts'
import { createAttestationProcessor } from '../workers/attestation/processor.ts'
import { startAttestationWorker } from '../workers/attestation/worker.ts'
import { createLogger } from '../workers/runtime/logger.ts'
import type { Figure } from './measure.ts'

const NAME = 'v4-b0c06f-uptodate'
const COMPONENT: Hex = `0x${'c0'.repeat(32)}`
const SECRET_KEY = fromHex(`0x${'07'.repeat(32)}`)
const SIGNER = deriveSignerAddress(SECRET_KEY)
const QUOTES_PER_JOB = 32
/** Enough that a worker never waits for the producer. */
const JOBS_IN_FLIGHT = 12
const JOBS = 150
const MEMORY_QUOTES = 100_000

const read = (file: string): Buffer => readFileSync(new URL(`../test/vectors/tdx/${NAME}/${file}`, import.meta.url))
const { verifyAtUnix } = JSON.parse(read('expected.json').toString()) as { verifyAtUnix: number }
const clock = { nowMs: () => verifyAtUnix * 1_000 }

/** Nothing kept but collateral and PCK chains: each quote is verified. */
function createProcessor() {
  const collateral = decodeCollateralFile(JSON.parse(read('collateral.json').toString()))
  return createAttestationProcessor(
    { collaterals: { fetch: async () => collateral }, clock, secretKey: SECRET_KEY },
    { component: COMPONENT, policy: {}, verdictsMax: 0 },
  )
}

/** Verdicts a second of the pool, saturated, with 1 and 2 workers; and how memory grows over 100,000 quotes. */
export async function benchAttestation(): Promise<Figure[]> {
  const redis = await startRedis()
  try {
    return [
      { name: 'verdicts, 1 worker', value: await measurePool(redis.url, 1), unit: '1/s' },
      { name: 'verdicts, 2 workers', value: await measurePool(redis.url, 2), unit: '1/s' },
      ...(await measureMemory()),
    ]
  } finally {
    await redis.stop()
  }
}

async function measurePool(redisUrl: string, workerCount: number): Promise<number> {
  const workers = await Promise.all(Array.from({ length: workerCount }, () => startWorker(redisUrl)))
  const pool = createQuotePool(
    { clock: { nowMs: uniqueMs } },
    { redisUrl, component: COMPONENT, signer: SIGNER, policyDigest: derivePolicyDigest({}) },
  )
  const quote = read('quote.bin')
  const quotes = Array.from({ length: QUOTES_PER_JOB }, () => quote)
  const runJobs = async (count: number): Promise<void> => {
    let left = count
    const drain = async (): Promise<void> => {
      while (left-- > 0) await pool.verify(quotes)
    }
    await Promise.all(Array.from({ length: JOBS_IN_FLIGHT }, drain))
  }
  await runJobs(30)
  const startMs = performance.now()
  await runJobs(JOBS)
  const seconds = (performance.now() - startMs) / 1_000
  await pool.close()
  for (const worker of workers) worker.kill('SIGTERM')
  return (JOBS * QUOTES_PER_JOB) / seconds
}

let lastMs = 0
/** A job's id is made of quotes and time; the same quotes over and over need times that differ. */
function uniqueMs(): number {
  lastMs = Math.max(lastMs + 1, Date.now())
  return lastMs
}

/** Resident memory after a tenth of the quotes and after all of them. */
async function measureMemory(): Promise<Figure[]> {
  const judge = createProcessor()
  const quote = read('quote.bin')
  const residentMb = (): number => process.memoryUsage().rss / 1_048_576
  let earlyMb = 0
  for (let done = 0; done < MEMORY_QUOTES; done += QUOTES_PER_JOB) {
    if (done >= MEMORY_QUOTES / 10 && earlyMb === 0) earlyMb = residentMb()
    await judge(Array.from({ length: QUOTES_PER_JOB }, () => Uint8Array.from(quote)))
  }
  return [
    { name: 'resident memory after 10,000 quotes', value: earlyMb, unit: 'MB' },
    { name: 'resident memory after 100,000 quotes', value: residentMb(), unit: 'MB' },
  ]
}

async function startWorker(redisUrl: string): Promise<ChildProcess> {
  const child = fork(new URL(import.meta.url), ['--worker', redisUrl], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  await new Promise((resolve) => child.once('message', resolve))
  return child
}

async function runWorkerProcess(redisUrl: string): Promise<void> {
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: null })
  const logger = createLogger({ name: 'bench', level: 'warn' })
  const worker = startAttestationWorker(
    { redis, process: createProcessor(), logger },
    { component: COMPONENT, signer: SIGNER },
  )
  process.once('SIGTERM', () => void worker.close().then(() => process.exit()))
  process.send?.('ready')
}

if (process.argv[2] === '--worker') await runWorkerProcess(process.argv[3]!)
