import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../..')

function run(script: string, ...words: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`scripts/${script}.ts`, ...words], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

for (const script of ['local-chain', 'verify-sources', 'deploy']) {
  test(`readOptions: ${script} --help says what it takes, and an option that it does not take is USAGE`, () => {
    const { stdout, ...helped } = run(script, '--help')
    assert.match(stdout, /^Usage: /)
    assert.deepEqual(helped, { status: 0, stderr: '' })
    const { stderr, ...refused } = run(script, '--nonsense')
    assert.match(stderr, /^coalition: USAGE: Unknown option '--nonsense'/)
    assert.doesNotMatch(stderr, /^ +at /m)
    assert.deepEqual(refused, { status: 2, stdout: '' })
  })
}

for (const words of [
  ['--port', 'http'],
  ['--port', '65536'],
  ['--chain-id', '0'],
]) {
  test(`readOptions: local-chain refuses ${words.join(' ')} by the option's name`, () => {
    const { status, stderr } = run('local-chain', ...words)
    assert.ok(stderr.startsWith(`coalition: USAGE: ${words[0]} takes a whole number from `), stderr)
    assert.equal(status, 2)
  })
}
