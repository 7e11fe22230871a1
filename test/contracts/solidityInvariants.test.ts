import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

/** The Solidity tests of test/fuzz/, in the size that a run of everything has time for; `npm run fuzz` makes more. */
const OPTIONS = { timeout: 300_000 }
const ROOT = join(import.meta.dirname, '../..')

test('ComponentRegistry: its invariants hold over random sequences of honest and forged calls', OPTIONS, () => {
  const words = ['--config', 'test/fuzz/hardhat.config.ts', 'test', 'solidity']
  const { status, stdout, stderr } = spawnSync('hardhat', words, { cwd: ROOT, encoding: 'utf8' })
  assert.equal(status, 0, `${stdout}${stderr}`)
  assert.match(stdout, /8 passing/)
})
