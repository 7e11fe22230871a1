import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { createPublicClient, http } from 'viem'
import { KeystoreError } from '../../../client/keystore.ts'
import { describeError } from '../../../workers/runtime/logger.ts'

const url = 'http://user:hidden-a@127.0.0.1:1/v3/hidden-b?key=hidden-c'

/** What viem throws where nothing listens: its message, its stack and its causes name the URL. */
async function failToConnect(): Promise<Error> {
  try {
    await createPublicClient({ transport: http(url, { retryCount: 0 }) }).getChainId()
  } catch (error) {
    return error as Error
  }
  throw new assert.AssertionError({ message: 'something answers at port 1' })
}

test('describeError: leaves nothing of a URL but scheme, host and port', async () => {
  const error = await failToConnect()
  assert.match(error.message, /hidden-b/)
  const logged = describeError(error) as { type: string; message: string; stack: string }
  assert.deepEqual(Object.keys(logged), ['type', 'message', 'stack'])
  assert.equal(logged.type, error.name)
  assert.match(logged.message, /http:\/\/127\.0\.0\.1:1\s/)
  assert.match(logged.stack, /at .+file:\/\/\/.+\.js:\d+/)
  assert.doesNotMatch(JSON.stringify(logged), /hidden/)
})

test('describeError: hides the whole of a URL that cannot be read', () => {
  assert.equal(describeError('no redis://:hidden@host:port/hidden here'), 'no redis://… here')
  assert.equal(describeError('no redis://:hidden@host:1/hidden here'), 'no redis://host:1 here')
})

test('describeError: tells an error of ours as data, without its cause', async () => {
  const error = new KeystoreError({ reason: 'so', fix: 'Do.', cause: await failToConnect() })
  assert.deepEqual(describeError(error), error.toJSON())
})

test('createLogger: logs an error without its cause, on standard error', () => {
  const script = `
    import { createLogger } from './workers/runtime/logger.ts'
    const cause = new Error('hidden-cause')
    createLogger({ name: 'tests', level: 'info' }).warn({ err: new Error('at ${url}', { cause }) }, 'a tick failed')`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: new URL('../../..', import.meta.url),
    encoding: 'utf8',
  })
  const { name, msg, err } = JSON.parse(stderr)
  assert.deepEqual([stdout, name, msg, err.message], ['', 'tests', 'a tick failed', 'at http://127.0.0.1:1'])
  assert.doesNotMatch(stderr, /hidden/)
})
