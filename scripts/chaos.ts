import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runChaos } from './chaos/runChaos.ts'

/**
 * Real processes in trouble: `npm run chaos -- --minutes M [--seed S] [--keep] [--json]` (docs/testing.md). The seed gives
 * the same faults in the same order; when each falls is the machine's. Ends with 1 where a promise was broken.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const minutes = Number(values.minutes)
const seed = values.seed === undefined ? randomInt(2 ** 32) : Number(values.seed)
if (!(minutes > 0 && minutes <= 24 * 60) || !Number.isSafeInteger(seed) || seed < 0) {
  process.stderr.write('Usage: npm run chaos -- [--minutes M] [--seed S] [--keep] [--json]\n')
  process.exit(2)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const dir = mkdtempSync(join(tmpdir(), 'coalition-chaos-'))
const startedAtMs = Date.now()
const say = (line: string): void => {
  process.stderr.write(`${((Date.now() - startedAtMs) / 1000).toFixed(1).padStart(6)} s  ${line}\n`)
}
say(`seed ${seed}, ${minutes} minutes; again: npm run chaos -- --minutes ${minutes} --seed ${seed}`)
const report = await runChaos({ dir, seed, durationMs: minutes * 60_000, say })
for (const finding of report.findings) say(`${finding.kind}: ${finding.what}`)
if (values.keep || !report.passed) say(`stores and logs are kept in ${dir}`)
else rmSync(dir, { recursive: true, force: true })
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
else process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
process.exit(report.passed ? 0 : 1)
