import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { createLogReader, LogUnreachableError, NotInLogError } from '../../client/logReader.ts'
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
  await assert.rejects(log.readNewestAnchor(), {
    code: 'NOT_IN_LOG',
    message: 'The log has no commit for the chain yet.',
    fix: 'Wait: members mark one at the cadence of the component’s parameters, once something was written to it.',
  })
  await member.driver.submit(encodeEnvelope(createEnvelope(1n, ['{}'])))
  assert.equal((await waiting).commit.height, 1n)
  await assert.rejects(log.waitForCommit(2n, { timeoutMs: 0 }), NotInLogError)
  await server.close()
  member.kill()
})

const JSON_RPC_REFUSAL = '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}'

for (const { name, type, body, reason } of [
  { name: 'a JSON-RPC server', type: 'application/json', body: JSON_RPC_REFUSAL, reason: /as a JSON-RPC server/ },
  { name: 'a server that answers with nothing', type: 'text/plain', body: '', reason: /with nothing/ },
  { name: 'a web page', type: 'text/html; charset=utf-8', body: '<!doctype html>', reason: /a web page is there/ },
])
  test(`createLogReader: says of ${name} that it is no log, whatever is read`, async () => {
    const server = createServer((_request, response) => response.setHeader('content-type', type).end(body))
    await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
    const log = createLogReader({ url })
    const reads = [
      () => log.readCheckpoint(),
      () => log.readStatus(),
      () => log.readCommit(1n),
      () => log.readTile({ level: 0, index: 0n, width: 1 }),
      () => log.readEntry({ index: 0n, size: 1n }),
    ]
    for (const read of reads)
      await assert.rejects(
        read(),
        (error) =>
          error instanceof LogUnreachableError &&
          error.code === 'LOG_UNREACHABLE' &&
          error.kind === 'input' &&
          error.message.startsWith(`The log at ${url} cannot be read: `) &&
          reason.test(error.message) &&
          error.fix.startsWith('Give the URL as the member prints it'),
      )
    server.closeAllConnections()
    server.close()
  })

test('createLogReader: takes bytes for a tile that look like the beginning of something else', async () => {
  const tile = Buffer.from('{"jsonrpc":'.padEnd(32, '0'))
  const server = createServer((_request, response) => response.end(tile))
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  const log = createLogReader({ url: `http://127.0.0.1:${(server.address() as { port: number }).port}` })
  assert.deepEqual(Buffer.from(await log.readTile({ level: 0, index: 0n, width: 1 })), tile)
  server.closeAllConnections()
  server.close()
})
