import { parseArgs } from 'node:util'
import { simulate } from '../test/simulation/simulate.ts'
import type { SeedReport } from '../test/simulation/thread.ts'

/**
 * Runs committees through seeded trouble (spec §5.6): `npm run simulate -- --seeds N [--from S] [--threads T] [--json]`.
 * `--seed S` or `SEED=S` runs one seed again and tells what happened in it. Ends with 1 where a promise was broken.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    threads: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
})

const FAILURES_SHOWN_MAX = 10
const seed = values.seed ?? process.env.SEED

if (seed !== undefined) {
  const reports: SeedReport[] = []
  await simulate({
    from: toCount(seed, 'seed'),
    count: 1,
    threadCount: 1,
    options: { isTold: true },
    onReports: (done) => reports.push(...done) < 0,
  })
  const [report] = reports
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
  else process.stdout.write(`${report!.transcript.join('\n')}\nseed ${seed}: ${tell(report!)}\n`)
  process.exitCode = report!.violation === null ? 0 : 1
} else {
  const count = toCount(values.seeds, 'seeds')
  const from = toCount(values.from, 'from')
  const threadCount = toCount(values.threads, 'threads')
  const totals = {
    seeds: 0,
    heights: 0,
    deliveries: 0,
    kills: 0,
    restored: 0,
    stopped: 0,
    rotations: 0,
    retirements: 0,
  }
  const startedMs = performance.now()
  const seedsPerSecond = (): number => Math.round((10_000 * totals.seeds) / (performance.now() - startedMs)) / 10
  let toldMs = startedMs
  const onReports = (reports: readonly SeedReport[]): boolean => {
    for (const report of reports) {
      totals.seeds += 1
      totals.heights += report.heightCount
      totals.deliveries += report.deliveryCount
      totals.kills += report.killCount
      totals.restored += report.restoreCount
      totals.stopped += report.haltCount
      totals.rotations += report.epochCount - 1
      totals.retirements += report.isRetired ? 1 : 0
      if (report.violation !== null) process.stderr.write(`seed ${report.seed}: ${tell(report)}\n`)
    }
    if (performance.now() - toldMs > 5_000) {
      toldMs = performance.now()
      process.stderr.write(`${totals.seeds} of ${count} seeds, ${seedsPerSecond()} a second\n`)
    }
    return false
  }
  const failures = await simulate({ from, count, threadCount, onReports })
  const figures = { ...totals, violations: failures.length, seedsPerSecond: seedsPerSecond() }
  if (values.json) {
    const shown = failures.map(({ seed, violation }) => ({ seed, ...violation }))
    process.stdout.write(`${JSON.stringify({ ...figures, failures: shown })}\n`)
  } else {
    for (const failure of failures.slice(0, FAILURES_SHOWN_MAX)) {
      process.stdout.write(`SEED=${failure.seed} npm run simulate   # ${failure.violation!.invariant}\n`)
    }
    const words = Object.entries(figures).map(([name, figure]) => `${figure} ${name}`)
    process.stdout.write(`${words.join(', ')}\n`)
  }
  process.exitCode = failures.length === 0 ? 0 : 1
}

function tell({ violation }: SeedReport): string {
  return violation === null ? 'every promise kept' : `VIOLATION of ${violation.message}`
}

function toCount(text: string, name: string): number {
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 0) throw new RangeError(`--${name} takes a whole number, not ${text}`)
  return count
}
