import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { endWithUs, ROOT } from './services.ts'

/**
 * Fuzzes the registry's invariants in many runs (docs/testing.md): `npm run fuzz -- --runs 10000 --depth 128 [--seed S]
 * [--from K] [--chunk N] [--jobs J] [--minutes M]`. Runs are made in chunks, each with a seed of its own that follows from
 * S and the chunk's first run; where it ends early it says from which run to go on. Ends with 1 where an invariant broke,
 * and says how to replay it, with 3 where time was up.
 */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '1000' },
    depth: { type: 'string', default: '128' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    from: { type: 'string', default: '0' },
    chunk: { type: 'string', default: '100' },
    jobs: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    minutes: { type: 'string', default: '600' },
  },
})
const RUNS_MAX = 10_000_000
const [runs, depth, seed, from, chunk, jobs] = [
  Number(values.runs),
  Number(values.depth),
  Number(values.seed),
  Number(values.from),
  Number(values.chunk),
  Number(values.jobs),
]
const minutes = Number(values.minutes)
const isWithin = (count: number, min: number, max: number): boolean =>
  Number.isSafeInteger(count) && count >= min && count <= max
const areUsable =
  isWithin(runs, 1, RUNS_MAX) &&
  isWithin(depth, 1, 10_000) &&
  isWithin(seed, 0, 2 ** 32 - 1) &&
  isWithin(from, 0, runs - 1) &&
  isWithin(chunk, 1, RUNS_MAX) &&
  isWithin(jobs, 1, 64) &&
  minutes > 0
if (!areUsable) {
  process.stderr.write(
    'fuzz: --runs 1 to 10000000, --depth 1 to 10000, --seed S, --from below --runs, --jobs 1 to 64\n',
  )
  process.exit(2)
}

/** The command behind every chunk; what it runs is in its environment, so that a chunk can be replayed by hand. */
const COMMAND = ['--config', 'test/fuzz/hardhat.config.ts', 'test', 'solidity']
const CAMPAIGN = 'test/fuzz/ComponentRegistryCampaign.t.sol'

type Chunk = { first: number; count: number }
const envOf = ({ first, count }: Chunk): Record<string, string> => ({
  FUZZ_RUNS: String(count),
  FUZZ_DEPTH: String(depth),
  // Thirty-two bits each: no two chunks of any two campaigns share a seed.
  FUZZ_SEED: `0x${((BigInt(seed) << 32n) | BigInt(first)).toString(16)}`,
})

/** @returns what the chunk printed, where it failed. */
async function runChunk(made: Chunk): Promise<string | undefined> {
  const child = spawn('hardhat', [...COMMAND, '--no-compile', CAMPAIGN], {
    cwd: ROOT,
    env: { ...process.env, ...envOf(made) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  endWithUs(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const status = await new Promise((resolve) => child.once('close', resolve))
  const isPassed = status === 0 && output.includes(`invariant_all() (runs: ${made.count})`)
  return isPassed ? undefined : output
}

/** Everything, with no file named: a test finds the registry by its artifact and imports only its interface. */
async function compile(): Promise<void> {
  const child = spawn('hardhat', [...COMMAND, '--grep', 'none'], { cwd: ROOT, stdio: ['ignore', 'ignore', 2] })
  endWithUs(child)
  const status = await new Promise((resolve) => child.once('close', resolve))
  if (status !== 0) process.exit(1)
}

await compile()
const startedMs = performance.now()
const endsMs = startedMs + minutes * 60_000
/** First runs of the chunks that are being made. */
const open = new Set<number>()
let next = from
let done = 0

const goOn = (): string => `--seed ${seed} --from ${Math.min(next, ...open)}`
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    process.stdout.write(`interrupted after ${done} runs; go on with ${goOn()}\n`)
    process.exit(130)
  })
}

async function work(): Promise<void> {
  while (next < runs && performance.now() < endsMs) {
    const made = { first: next, count: Math.min(chunk, runs - next) }
    next += made.count
    open.add(made.first)
    const failure = await runChunk(made)
    if (failure !== undefined) {
      const env = Object.entries(envOf(made)).map(([name, value]) => `${name}=${value}`)
      const replay = [...env, 'scripts/run hardhat', ...COMMAND, CAMPAIGN].join(' ')
      process.stdout.write(`${failure}\nruns ${made.first} to ${made.first + made.count} broke; replay: ${replay}\n`)
      process.exit(1)
    }
    open.delete(made.first)
    done += made.count
    const rate = done / ((performance.now() - startedMs) / 1_000)
    process.stderr.write(`fuzz: ${from + done} of ${runs} runs, ${rate.toFixed(1)} runs/s, seed ${seed}\n`)
  }
}

await Promise.all(Array.from({ length: jobs }, work))
if (next < runs) {
  process.stdout.write(`time is up: runs ${from} to ${next} held; go on with ${goOn()}\n`)
  process.exit(3)
}
const seconds = Math.round((performance.now() - startedMs) / 1_000)
process.stdout.write(
  `${runs - from} runs of depth ${depth}, seed ${seed}, from run ${from}: every invariant held; ${seconds} s\n`,
)
