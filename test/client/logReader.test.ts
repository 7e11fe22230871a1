import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogReader, NotInLogError } from '../../client/logReader.ts'
import { encodeEnvelope } from '../../protocol/wire/envelope.ts'
import { createEnvelope, createTestDir, signers, startTestMember } from '../workers/member/chronicle-of-tests.ts'
import { createMemoryNetwork } from '../workers/member/memoryTransport.ts'
import { serve } from '../workers/member/serve.ts'

test('waitForCommit: waits for as long as it was told, though the clock jumps an hour', async (t) => {
  const transport = createMemoryNetwork().connect(0)
  const committee = signers.slice(0, 1)
  const member = await startTestMember({ index: 0, dir: createTestDir(), transport, committee })
  const server = await serve(member)
  const log = createLogReader({ url: server.url })
  const waiting = log.waitForCommit(1n, { timeoutMs: 60_000 })
  const settled = waiting.catch(() => 'refused')
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 3_600_000 })
  // The first answer, that there is no such commit yet, comes after the jump.
  assert.equal(await Promise.race([settled, log.readCommit(1n).catch((error) => error.code)]), 'NOT_IN_LOG')
  await member.driver.submit(encodeEnvelope(createEnvelope(1n, ['{}'])))
  assert.equal((await waiting).commit.height, 1n)
  await assert.rejects(log.waitForCommit(2n, { timeoutMs: 0 }), NotInLogError)
  await server.close()
  member.kill()
})
