import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type DamageReport, runDamages } from './faults/runDamages.ts'
import { type InjectionReport, runInjections } from './faults/runInjections.ts'
import { whyNotTraced } from './faults/tracedRun.ts'
import { planTrials } from './faults/trial.ts'

/**
 * Damages a member's store and opens it again, and makes the writes and syncs of a running member fail (docs/testing.md).
 * Ends with 1 where either brought to light what must not be. Usage: npm run faults -- [--flips N] [--step BYTES]
 * [--seed S] [--injections N] [--from K] [--only damages|injections] [--keep] [--json]
 */
const { values } = parseArgs({
  options: {
    flips: { type: 'string', default: '5000' },
    step: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    injections: { type: 'string', default: '3' },
    from: { type: 'string', default: '1' },
    only: { type: 'string' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const flipCount = Number(values.flips)
const step = Number(values.step)
const seed = Number(values.seed)
const count = Number(values.injections)
const from = Number(values.from)
const isWhole = (value: number, least: number, most: number): boolean =>
  Number.isInteger(value) && value >= least && value <= most
const isUsable =
  isWhole(flipCount, 0, 10_000_000) &&
  isWhole(step, 1, 1_000_000) &&
  Number.isInteger(seed) &&
  isWhole(count, 0, 10_000) &&
  isWhole(from, 1, 100_000) &&
  [undefined, 'damages', 'injections'].includes(values.only)
if (!isUsable) {
  console.error('Usage: npm run faults -- [--flips N] [--step BYTES] [--seed S] [--injections N] [--from K]')
  console.error('       [--only damages|injections] [--keep] [--json]')
  process.exit(2)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const COMMITTEES = [1, 4]
const dir = mkdtempSync(join(tmpdir(), 'coalition-faults-'))
const say = (line: string): void => console.error(line)
let damages: DamageReport | undefined
const injections: InjectionReport[] = []
let notTried: string | undefined

if (values.only !== 'injections') {
  damages = await runDamages({ dir: join(dir, 'damages'), flipCount, step, seed, say })
}
if (values.only !== 'damages' && count > 0) {
  notTried = whyNotTraced()
  if (notTried !== undefined) say(`${notTried}: writes and syncs that fail are not tried`)
  for (const memberCount of notTried === undefined ? COMMITTEES : []) {
    say(`${memberCount} member(s):`)
    const folder = join(dir, `of-${memberCount}`)
    mkdirSync(folder)
    injections.push(await runInjections({ dir: folder, memberCount, trials: planTrials({ count, from }), say }))
  }
}

const findings = [damages, ...injections].flatMap((report): unknown[] => report?.findings ?? [])
for (const finding of findings) say(`found: ${typeof finding === 'string' ? finding : JSON.stringify(finding)}`)
if (values.keep || findings.length > 0) say(`stores and logs are kept in ${dir}`)
else rmSync(dir, { recursive: true, force: true })
const result = { passed: findings.length === 0, seed, ...damages, injections, notTried: notTried ?? null, findings }
console.log(values.json ? JSON.stringify(result) : JSON.stringify(result, null, 2))
process.exit(result.passed ? 0 : 1)
