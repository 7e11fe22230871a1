import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'

/** The Solidity tests of test/fuzz/, in the size that a run of everything has time for; `npm run fuzz` makes more. */
const OPTIONS = { timeout: 300_000 }
const ROOT = join(import.meta.dirname, '../..')
const INVARIANTS = 8
const PROPERTIES = 13

test('ComponentRegistry: its invariants and properties hold over random honest and forged calls', OPTIONS, () => {
  const words = ['--config', 'test/fuzz/hardhat.config.ts', 'test', 'solidity', '--grep-exclude', 'invariant_all']
  const seed = process.env.FUZZ_SEED ?? `0x${randomBytes(8).toString('hex')}`
  const env = { ...process.env, FUZZ_SEED: seed }
  const { status, stdout, stderr } = spawnSync('hardhat', words, { cwd: ROOT, encoding: 'utf8', env })
  const context = `${stdout}${stderr}\nreplay with FUZZ_SEED=${seed}`
  assert.equal(status, 0, context)
  assert.match(stdout, new RegExp(`${INVARIANTS + PROPERTIES} passing`), context)
})
