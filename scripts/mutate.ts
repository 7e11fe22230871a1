import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { enumerateMutants } from './mutate/enumerateMutants.ts'
import { openJournal } from './mutate/journal.ts'
import { orderMutants } from './mutate/orderMutants.ts'
import { runMutants } from './mutate/runMutants.ts'
import { ROOT } from './services.ts'
import { parse, readSolidityBuild } from './solidity/compiler.ts'

/**
 * Changes the contracts in small ways, one at a time, and asks whether their tests notice (docs/testing.md):
 * `npm run mutate -- --mutants N --seed S [--only FILE] [--journal FILE] [--minutes M] [--fuzz] [--json]`.
 * With a journal, a run goes on where the last one ended; --minutes ends it in time; --fuzz shows to the Solidity
 * invariants what all else let live. Ends with 1 where fewer than nine in ten die, with 3 where time was up.
 */
const { values } = parseArgs({
  options: {
    mutants: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    journal: { type: 'string' },
    minutes: { type: 'string', default: '60' },
    slots: { type: 'string', default: '2' },
    fuzz: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const KILLED_RATIO_MIN = 0.9
const MUTANTS_MAX = 10_000
const countMax = Number(values.mutants)
const seed = Number(values.seed)
const minutes = Number(values.minutes)
const slotCount = Number(values.slots)
const isWithin = (count: number, max: number): boolean => Number.isSafeInteger(count) && count >= 1 && count <= max
if (!isWithin(countMax, MUTANTS_MAX) || !isWithin(seed, 2 ** 32 - 1) || !isWithin(slotCount, 16) || !(minutes > 0)) {
  process.stderr.write('Usage: npm run mutate -- [--mutants 1 to 10000] [--seed S] [--minutes M] [--slots 1 to 16] …\n')
  process.exit(2)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const startedMs = performance.now()
const { status } = spawnSync(process.execPath, ['scripts/build.ts'], { cwd: ROOT, stdio: ['ignore', 2, 2] })
if (status !== 0) process.exit(1)
const build = readSolidityBuild()
const all = enumerateMutants(build, { trees: parse(build) }).filter(({ source }) => source.includes(values.only))
if (all.length === 0) {
  process.stderr.write(`mutate: nothing in contracts/ that a mutation applies to has ${values.only} in its path\n`)
  process.exit(2)
}
const tests = digest(globSync('test/{contracts,chain,fuzz}/**/*.{ts,sol,json}', { cwd: ROOT }).sort())
const sources = digest([...build.sources.keys(), ...globSync('scripts/mutate/*.ts', { cwd: ROOT }).sort()])
const population = `seed ${seed}, ${values.only}, ${sources}`
const sandboxesDir = mkdtempSync(join(tmpdir(), 'coalition-mutate-'))
process.once('exit', () => rmSync(sandboxesDir, { recursive: true, force: true }))
const { counted, isWhole } = await runMutants({
  mutants: orderMutants(all, { seed }),
  countMax,
  seed,
  withFuzz: values.fuzz,
  sandboxesDir,
  journal: openJournal(values.journal, { population, tests }),
  tests,
  slotCount,
  deadlineMs: startedMs + minutes * 60_000,
  say: (line) => process.stderr.write(`${line}\n`),
})

const survivors = counted.filter(({ status }) => status === 'survived')
const killed = counted.length - survivors.length
const report = {
  seed,
  possibleMutants: all.length,
  mutants: counted.length,
  killed,
  killedByTimeout: counted.filter(({ reason }) => reason === 'timed out').length,
  killedByGasAlone: counted.filter(({ reason }) => /^test\/contracts\/(gas|worstCaseGas)\./.test(reason)).length,
  killedRatio: Math.round((1_000 * killed) / Math.max(counted.length, 1)) / 1_000,
  secondsOfMutants: Math.round(counted.reduce((sum, { tookMs }) => sum + tookMs, 0) / 1_000),
  secondsOfThisRun: Math.round((performance.now() - startedMs) / 1_000),
  isWhole,
  survivors: survivors.map(({ mutant }) => mutant),
}
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
else {
  const { mutants, killedByGasAlone, killedRatio, survivors } = report
  process.stdout.write(`${survivors.map((mutant) => `survived: ${mutant}\n`).join('')}`)
  process.stdout.write(`${killed} of ${mutants} killed (${killedRatio}), ${killedByGasAlone} of them by gas alone\n`)
  if (!isWhole) process.stdout.write('time was up: run it again with the same --journal\n')
}
process.exitCode = !isWhole ? 3 : killed >= KILLED_RATIO_MIN * counted.length ? 0 : 1

function digest(files: readonly string[]): string {
  const hash = createHash('sha256')
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(ROOT, file)))
      .update('\0')
  return hash.digest('hex').slice(0, 16)
}
