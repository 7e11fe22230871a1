import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { CHECKS, runCheck } from './check.ts'
import { ROOT, startRedis } from './services.ts'

/**
 * The whole suite: `npm test`. With words behind it, only the test files whose path contains one of them:
 * `npm test -- committee`. Ends with the plain line `N passed, N failed`.
 */
const TEST_TIMEOUT_MS = 180_000
const SUITE_TIMEOUT_MS = 40 * 60_000

/** Begun first, in this order: where the longest files end last, a core has nothing to do meanwhile. */
const LONGEST = ['test/contracts/solidityInvariants', 'test/integration/', 'test/cli/', 'test/scripts/']
const rankOf = (file: string): number => {
  const rank = LONGEST.findIndex((start) => file.startsWith(start))
  return rank < 0 ? LONGEST.length : rank
}

const words = process.argv.slice(2)
const files = globSync('test/**/*.test.ts', { cwd: ROOT })
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .sort((a, b) => rankOf(a) - rankOf(b) || (a < b ? -1 : 1))
  .map((file) => join(ROOT, file))

let passed = 0
let failed = 0
const count = (isPassed: boolean): void => {
  if (isPassed) passed += 1
  else failed += 1
}

const build = spawnSync(process.execPath, ['scripts/build.ts'], { cwd: ROOT, stdio: ['ignore', 2, 'inherit'] })
if (build.status !== 0) {
  process.stdout.write('the contracts do not build\n0 passed, 1 failed\n')
  process.exit(1)
}
if (words.length === 0) for (const check of CHECKS) count(runCheck(check))
if (files.length === 0) {
  process.stdout.write('no test file matches\n0 passed, 1 failed\n')
  process.exit(1)
}

const redis = await startRedis()
process.env.REDIS_URL = redis.url
// A test that hangs fails, a file that hangs is ended, and the suite never outlives its limit.
const stream = run({
  files,
  concurrency: 2,
  timeout: TEST_TIMEOUT_MS,
  execArgv: ['--import', new URL('../test/fileDeadline.ts', import.meta.url).href],
})
setTimeout(() => {
  process.stdout.write(
    `the suite ran for more than ${SUITE_TIMEOUT_MS / 60_000} minutes\n${passed} passed, ${failed + 1} failed\n`,
  )
  process.exit(1)
}, SUITE_TIMEOUT_MS).unref()
// A file is an event of its own, too; only what stands in a file is a test.
stream.on('test:pass', ({ nesting, name, details, skip }) => {
  if (isTest({ nesting, name, type: details.type }) && skip === undefined) count(true)
})
stream.on('test:fail', ({ details }) => {
  if (details.type !== 'suite') count(false)
})
stream.compose(new spec()).pipe(process.stdout, { end: false })
await new Promise((resolve) => stream.once('end', resolve))
await redis.stop()
await new Promise((resolve) => setTimeout(resolve, 100))
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exit(failed === 0 ? 0 : 1)

function isTest({ name, type }: { nesting: number; name: string; type: string | undefined }): boolean {
  return type !== 'suite' && !files.includes(name)
}
