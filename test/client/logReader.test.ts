import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import {
  createLogReader,
  type LogOwner,
  LogUnreachableError,
  NotInLogError,
  OtherComponentError,
} from '../../client/logReader.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { encodeLogOrigin } from '../../protocol/log/logOrigin.ts'
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

const own: Hex = `0x${'c0'.repeat(32)}`
const other: Hex = `0x${'a7'.repeat(32)}`

/** A server that answers to these paths alone, and what it was asked for. */
async function startPaths(answers: Record<string, string>) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url!)
    const body = answers[request.url!]
    response.statusCode = body === undefined ? 404 : 200
    response.end(body)
  })
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url, asked, answers, close }
}

const SUBMITTER = `0x${'11'.repeat(20)}`

test('createLogReader: refuses a log whose checkpoint names another component, whatever is read, until it is put right', async () => {
  const path = `/submitter/${SUBMITTER}`
  const { url, answers, close } = await startPaths({ '/checkpoint': `${encodeLogOrigin(other)}\n`, [path]: '7' })
  const of: LogOwner = { component: own, kind: 'chronicle' }
  const log = createLogReader({ url, of })
  for (const read of [
    () => log.readSequence(SUBMITTER),
    () => log.readCommit(1n),
    () => log.readNewestAnchor(),
    () => log.waitForCommit(1n, { timeoutMs: 0 }),
    () => log.readSearch({}),
    () => log.readEntry({ index: 0n, size: 1n }),
    () => log.assertOwner(),
  ])
    await assert.rejects(read(), new OtherComponentError({ url, found: other, of }))
  // Whoever does not say whose log it is to be reads anybody's.
  assert.equal(await createLogReader({ url }).readSequence(SUBMITTER), 7n)
  answers['/checkpoint'] = `${encodeLogOrigin(own)}\n`
  assert.equal(await log.readSequence(SUBMITTER), 7n)
  close()
})

test('createLogReader: asks for the checkpoint only where nothing that is read names the component', async () => {
  const member = await startTestMember({
    index: 0,
    dir: createTestDir(),
    transport: createMemoryNetwork().connect(0),
    committee: signers.slice(0, 1),
  })
  const envelope = createEnvelope(1n, ['{}'])
  await member.driver.submit(encodeEnvelope(envelope))
  const server = await serve(member)
  const record = await (await fetch(`${server.url}/commit/1`)).text()
  const { url, asked, close } = await startPaths({ '/commit/anchor': record, [`/submitter/${SUBMITTER}`]: '7' })
  const log = createLogReader({ url, of: { component: envelope.component, kind: 'chronicle' } })
  await assert.rejects(log.readEpochEnd(0n), NotInLogError)
  await log.readNewestAnchor()
  assert.equal(await log.readSequence(SUBMITTER), 7n)
  assert.deepEqual(asked, ['/commit/epoch/0', '/commit/anchor', `/submitter/${SUBMITTER}`])

  const of: LogOwner = { component: other, kind: 'tickets' }
  await assert.rejects(
    createLogReader({ url, of }).readNewestAnchor(),
    (error) =>
      error instanceof OtherComponentError &&
      error.code === 'OTHER_COMPONENT' &&
      error.kind === 'input' &&
      error.message ===
        `The log at ${url} is of component ${envelope.component}; the config’s ticket issuer is ${other}.` &&
      error.fix.startsWith('Give the URL of one of its members: coalition status says which is which.'),
  )
  await assert.rejects(createLogReader({ url: server.url, of }).readStatus(), OtherComponentError)
  close()
  await server.close()
  member.kill()
})

test('createLogReader: a log without a checkpoint is asked for it once, and read all the same', async () => {
  const { url, asked, close } = await startPaths({ [`/submitter/${SUBMITTER}`]: '7' })
  const log = createLogReader({ url, of: { component: own, kind: 'chronicle' } })
  for (let times = 0; times < 3; times++) assert.equal(await log.readSequence(SUBMITTER), 7n)
  assert.equal(asked.filter((path) => path === '/checkpoint').length, 1)
  close()
})
