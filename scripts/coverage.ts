import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT } from './services.ts'
import { compile, DEPLOYED_SOURCES, readSolidityBuild } from './solidity/compiler.ts'
import { instrument } from './solidity/instrument.ts'
import { planSuite } from './solidity/planSuite.ts'
import { createSandbox } from './solidity/sandbox.ts'
import { sumCoverage, summariseCoverage } from './solidity/summariseCoverage.ts'

/**
 * Which lines and statements of contracts/ their tests reach: `npm run coverage -- [--json]` (docs/testing.md). Ends with 1
 * where they are too few. Only behaviour is asked: marked code costs more gas, so the tests of gas are left out.
 */
const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
const REACHED_RATIO_MIN = 0.98
const TIMEOUT_MS = 180_000

const { status } = spawnSync(process.execPath, ['scripts/build.ts'], { cwd: ROOT, stdio: ['ignore', 2, 2] })
if (status !== 0) process.exit(1)
const dir = mkdtempSync(join(tmpdir(), 'coalition-coverage-'))
process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const build = readSolidityBuild()
const { statements, ...marked } = instrument(build)
const compiled = compile(build, { sources: DEPLOYED_SOURCES, ...marked })
if (compiled === undefined) throw new Error('the contracts do not compile with marks in them')
const sandbox = createSandbox({ under: dir })
sandbox.install(compiled)
const marksPath = join(dir, 'marks')
writeFileSync(marksPath, '')
for (const files of planSuite({ source: '', withFuzz: false, withGas: false })) {
  const { outcome, failedTest } = await sandbox.runTests({
    files,
    timeoutMs: TIMEOUT_MS,
    env: { COVERAGE_FILE: marksPath },
  })
  if (outcome !== 'passed') {
    process.stderr.write(`coverage: a test does not pass with marks in the contracts: ${failedTest ?? outcome}\n`)
    process.exit(1)
  }
}

const files = summariseCoverage(statements, { reached: new Set(readFileSync(marksPath, 'utf8').split('\n')) })
const all = sumCoverage(files)
if (values.json) process.stdout.write(`${JSON.stringify({ ...all, files })}\n`)
else {
  for (const { source, missed, ...counts } of files) {
    process.stdout.write(`${source}: ${tell(counts)}\n${missed.map((each) => `  not reached: ${each}\n`).join('')}`)
  }
  process.stdout.write(`contracts/: ${tell(all)}\n`)
}
const isEnough = (reached: number, count: number): boolean => count > 0 && reached >= REACHED_RATIO_MIN * count
process.exitCode = isEnough(all.reachedStatements, all.statements) && isEnough(all.reachedLines, all.lines) ? 0 : 1

function tell(counts: ReturnType<typeof sumCoverage>): string {
  const { reachedLines, lines, reachedStatements, statements } = counts
  return `${reachedLines} of ${lines} lines, ${reachedStatements} of ${statements} statements`
}
