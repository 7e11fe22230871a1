import { writeSync } from 'node:fs'
import { relative } from 'node:path'
import { run } from 'node:test'

/**
 * Runs test files in this one process, in order, and says on standard output how it went: `PASSED n`, or `FAILED file ›
 * test` for the first that failed, at which it ends unless RUN_ALL is set.
 */
const files = process.argv.slice(2)
const isBailing = process.env.RUN_ALL === undefined
let passed = 0
let failed = 0

const stream = run({ files, isolation: 'none' })
stream.on('test:pass', () => {
  passed += 1
})
stream.on('test:fail', ({ name, file }) => {
  failed += 1
  if (failed === 1) writeSync(1, `FAILED ${file === undefined ? '' : `${relative(process.cwd(), file)} › `}${name}\n`)
  if (isBailing) process.exit(1)
})
stream.resume()
await new Promise((resolve) => stream.once('end', resolve))
if (failed === 0 && passed > 0) writeSync(1, `PASSED ${passed}\n`)
process.exit(failed === 0 && passed > 0 ? 0 : 1)
