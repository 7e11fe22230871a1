import { createKey } from '../client/keystore.ts'
import { auditStores } from './committee/audit.ts'
import { type MeasuredLoad, type RunningCommittee, startCommittee } from './committee/run.ts'
import { readUsage } from './committee/usage.ts'
import { type Figure, quantile } from './measure.ts'

const DEPTH_1_MS = 10_000
const SATURATED_MS = 15_000
/** Submitters of the saturating load, and the unacknowledged envelopes of each: about two full batches together. */
const SUBMITTERS = 4
const DEPTH = 24
const COMMANDS_PER_ENVELOPE = 256
const MEBIBYTE = 1 << 20

/**
 * Committees of real processes: what one command waits for its proven acknowledgement, and how many commands a second are
 * decided at saturation, counted afterwards from the stores. `minutes` of saturation instead of 15 s show the memory.
 */
export async function benchCommittee({ minutes = 0 }: { minutes?: number } = {}): Promise<Figure[]> {
  const sizes = [4, 7]
  const figures: Figure[] = []
  for (const memberCount of sizes) figures.push(...(await benchSize({ memberCount, minutes })))
  return figures
}

async function benchSize({ memberCount, minutes }: { memberCount: number; minutes: number }): Promise<Figure[]> {
  const [single, ...many] = Array.from({ length: 1 + SUBMITTERS }, createKey)
  const committee = await startCommittee({ memberCount, submitters: [single!, ...many] })
  try {
    const depth1 = await committee.load({
      submitters: [single!],
      depth: 1,
      commandsPerEnvelope: 1,
      durationMs: DEPTH_1_MS,
      signedBefore: 4_000,
    })
    const memory = watchMemory(committee)
    const saturated = await committee.load({
      submitters: many,
      depth: DEPTH,
      commandsPerEnvelope: COMMANDS_PER_ENVELOPE,
      durationMs: minutes > 0 ? minutes * 60_000 : SATURATED_MS,
      signedBefore: 400,
      onRunning: memory.start,
    })
    const memoryFigures = memory.end()
    await committee.settle()
    const audit = auditStores(committee.members.map(({ store }) => store))
    const figures = [
      ...describeDepth1(depth1),
      {
        name: 'commands saturated',
        value: rateOf(audit.countCommands(many.map(({ signer }) => signer)), saturated),
        unit: '1/s',
      },
      ...describeSaturated(saturated),
      // A record or a decision is one transaction, and with synchronous=FULL one fsync; those written together share it.
      {
        name: 'fsyncs a commit and member, at most',
        value: Math.max(...audit.walRecords) / audit.heights + 1,
        unit: '',
      },
      ...memoryFigures,
    ]
    return figures.map((figure) => ({ ...figure, name: `n=${memberCount} ${figure.name}` }))
  } finally {
    await committee.close()
  }
}

function describeDepth1({ report, commits, used }: MeasuredLoad): Figure[] {
  const { latenciesMs, elapsedMs } = report
  return [
    { name: 'p50 depth 1', value: quantile(latenciesMs, 0.5), unit: 'ms' },
    { name: 'p99 depth 1', value: quantile(latenciesMs, 0.99), unit: 'ms' },
    { name: 'commits depth 1', value: (1000 * commits) / elapsedMs, unit: '1/s' },
    { name: 'members’ CPU a commit depth 1', value: sumCpuMs(used) / commits, unit: 'ms' },
    { name: 'Redis’ CPU a commit depth 1', value: used.redis.cpuMs / commits, unit: 'ms' },
    { name: 'client’s CPU a commit depth 1', value: used.client.cpuMs / commits, unit: 'ms' },
  ]
}

function describeSaturated({ report, commits, used }: MeasuredLoad): Figure[] {
  const { latenciesMs, elapsedMs } = report
  const share = (cpuMs: number): number => (100 * cpuMs) / elapsedMs
  return [
    { name: 'submissions that failed saturated', value: report.failures.length, unit: '' },
    { name: 'p50 saturated', value: quantile(latenciesMs, 0.5), unit: 'ms' },
    { name: 'p99 saturated', value: quantile(latenciesMs, 0.99), unit: 'ms' },
    { name: 'commits saturated', value: (1000 * commits) / elapsedMs, unit: '1/s' },
    { name: 'members’ CPU a commit saturated', value: sumCpuMs(used) / commits, unit: 'ms' },
    { name: 'members’ CPU saturated', value: share(sumCpuMs(used)), unit: '% of a core' },
    { name: 'Redis’ CPU saturated', value: share(used.redis.cpuMs), unit: '% of a core' },
    { name: 'client’s CPU saturated', value: share(used.client.cpuMs), unit: '% of a core' },
  ]
}

/** Samples every member's resident memory; the slope is that of the second half, when caches are full. */
function watchMemory({ members }: RunningCommittee) {
  const samples: { atMs: number; mebibytes: number[] }[] = []
  const sample = (): void => {
    samples.push({ atMs: performance.now(), mebibytes: members.map(({ pid }) => readUsage(pid).rssBytes / MEBIBYTE) })
  }
  let timer: NodeJS.Timeout | undefined
  return {
    start() {
      sample()
      timer = setInterval(sample, 1_000)
    },
    end(): Figure[] {
      clearInterval(timer)
      sample()
      const half = samples.slice(Math.floor(samples.length / 2))
      const slopes = members.map((_, index) =>
        slopeOf(half.map(({ atMs, mebibytes }) => ({ x: atMs / 60_000, y: mebibytes[index]! }))),
      )
      return [
        { name: 'memory at the start, largest member', value: Math.max(...samples[0]!.mebibytes), unit: 'MiB' },
        { name: 'memory at half time, largest member', value: Math.max(...half[0]!.mebibytes), unit: 'MiB' },
        { name: 'memory at the end, largest member', value: Math.max(...samples.at(-1)!.mebibytes), unit: 'MiB' },
        { name: 'memory slope of the second half, largest', value: Math.max(...slopes), unit: 'MiB/min' },
      ]
    },
  }
}

/** Least squares. */
function slopeOf(points: readonly { x: number; y: number }[]): number {
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const x = mean(points.map((point) => point.x))
  const y = mean(points.map((point) => point.y))
  const spread = points.reduce((sum, point) => sum + (point.x - x) ** 2, 0)
  return spread === 0 ? 0 : points.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0) / spread
}

const rateOf = (count: number, { report }: MeasuredLoad): number => (1000 * count) / report.elapsedMs
const sumCpuMs = ({ members }: MeasuredLoad['used']): number => members.reduce((sum, { cpuMs }) => sum + cpuMs, 0)
