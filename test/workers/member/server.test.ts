import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogReader, InvalidLogUrlError, LogUnreachableError, NotInLogError } from '../../../client/logReader.ts'
import { fromHex } from '../../../protocol/bytes.ts'
import { hashLeaf } from '../../../protocol/log/treeHash.ts'
import { verifyConsistency } from '../../../protocol/log/verifyConsistency.ts'
import { verifyInclusion } from '../../../protocol/log/verifyInclusion.ts'
import { verifyCertificate } from '../../../protocol/wire/certificate.ts'
import { encodeEnvelope } from '../../../protocol/wire/envelope.ts'
import { decodeOperatorStatement } from '../../../protocol/wire/operatorStatement.ts'
import { PortTakenError } from '../../../workers/runtime/httpServer.ts'
import { createEnvelope, signers, startCommittee, submitter } from './chronicle-of-tests.ts'
import { serve } from './serve.ts'

/** A committee that decided 300 entries in three heights: more than a tile's width. */
async function startLog() {
  const { running, stop } = await startCommittee()
  const member = running[0]!
  for (let sequence = 1n; sequence <= 3n; sequence++) {
    const texts = Array.from({ length: 100 }, (_, index) => `{"n":"${sequence}.${index}"}`)
    await member.driver.submit(encodeEnvelope(createEnvelope(sequence, texts)))
  }
  const server = await serve(member)
  const close = async () => {
    await server.close()
    stop()
  }
  return { member, server, log: createLogReader({ url: server.url }), close }
}

test('a member’s log verifies from its tiles, bundles and commits alone', async () => {
  const { log, close } = await startLog()
  const { commit, certificate } = await log.readCommit(3n)
  verifyCertificate({ commit, certificate, signers })
  const size = commit.logSize
  assert.equal(size, 300n)
  for (const index of [0n, 99n, 100n, 255n, 256n, 299n]) {
    const [entry, proof] = await Promise.all([log.readEntry({ index, size }), log.proveInclusion({ index, size })])
    verifyInclusion({ index, size, root: fromHex(commit.logRoot), leafHash: hashLeaf(entry), proof })
    const text = new TextDecoder().decode(decodeOperatorStatement(entry)!.statement)
    assert.equal(text, `{"n":"${index / 100n + 1n}.${index % 100n}"}`)
  }
  for (const height of [1n, 2n]) {
    const earlier = (await log.readCommit(height)).commit
    const proof = await log.proveConsistency({ size1: earlier.logSize, size2: size })
    const [root1, root2] = [fromHex(earlier.logRoot), fromHex(commit.logRoot)]
    verifyConsistency({ size1: earlier.logSize, root1, size2: size, root2, proof })
  }
  assert.equal(await log.readSequence(submitter.signer), 3n)
  await close()
})

test('what a log does not have, or a stranger makes up, is 404 or 405 and harms nothing', async () => {
  const { log, server, close } = await startLog()
  const paths = [
    ...[
      '',
      'tile',
      'tile/0',
      'tile/0/002',
      'tile/0/000.p/0',
      'tile/0/000.p/999',
      'tile/0/1',
      'tile/-1/000',
      'tile/64/000',
    ],
    ...['tile/entries/002', 'tile/entries/001.p/45', 'tile/1/000', 'tile/0/x999/x999/x999/x999/x999/x999/999'],
    ...['commit', 'commit/0', 'commit/4', 'commit/-1', 'commit/1e3', 'commit/99999999999999999999', 'commit/anchor'],
    ...['extensions', 'extensions/0', 'extensions/1', 'extensions/4', 'extensions/99999999999999999999'],
    ...['snapshot', 'snapshot/', 'snapshot/0', 'snapshot/1', 'snapshot/9999999999999999999', 'snapshot/anchor'],
    ...[
      'submitter/0x',
      `submitter/${submitter.signer.toUpperCase()}`,
      '../../etc/passwd',
      '%2e%2e/%2e%2e',
      '?',
      'checkpoint/x',
    ],
  ]
  for (const path of paths) assert.equal((await fetch(`${server.url}/${path}`)).status, 404, path)
  assert.equal((await fetch(`${server.url}/checkpoint`, { method: 'POST' })).status, 405)
  await assert.rejects(log.readCommit(4n), NotInLogError)
  await assert.rejects(log.readNewestAnchor(), NotInLogError)
  assert.equal((await log.readCommit(3n)).commit.height, 3n)
  await close()
})

test('below /witnessed/ stand the newest checkpoint that a witness cosigned, and the tiles, and nothing else', async () => {
  const { member, server, close } = await startLog()
  const note = new TextEncoder().encode('a note that was cosigned')
  const witnessed = await serve(member, undefined, undefined, () => note)
  const read = async (url: string, path: string) => {
    const response = await fetch(`${url}/${path}`)
    return { status: response.status, body: Buffer.from(await response.arrayBuffer()).toString('hex') }
  }
  assert.deepEqual(await read(witnessed.url, 'witnessed/checkpoint'), {
    status: 200,
    body: Buffer.from(note).toString('hex'),
  })
  for (const path of ['tile/0/000', 'tile/0/001.p/44', 'tile/entries/000', 'tile/entries/001.p/7']) {
    assert.deepEqual(await read(witnessed.url, `witnessed/${path}`), await read(server.url, path), path)
  }
  for (const path of ['', 'commit/1', 'tile/0/002', 'tile', 'status', 'witnessed/checkpoint', 'checkpoint/']) {
    assert.equal((await read(witnessed.url, `witnessed/${path}`)).status, 404, path)
  }
  assert.equal((await read(server.url, 'witnessed/checkpoint')).status, 404)
  await witnessed.close()
  await close()
})

test('an old partial tile and bundle are served for as long as the log lives', async () => {
  const { server, close } = await startLog()
  const full = new Uint8Array(await (await fetch(`${server.url}/tile/0/000`)).arrayBuffer())
  const partial = new Uint8Array(await (await fetch(`${server.url}/tile/0/000.p/100`)).arrayBuffer())
  assert.equal(full.length, 256 * 32)
  assert.equal(Buffer.compare(partial, full.subarray(0, 100 * 32)), 0)
  await close()
})

test('what a kind of component takes is its own to answer, and what it leaves is the log’s', async () => {
  const { running, stop } = await startCommittee()
  const server = await serve(running[0]!, undefined, (request, response) => {
    if (request.url === '/broken') throw new Error('a fault of ours')
    if (request.url !== '/greeting') return false
    response.end(`${request.method} is heard`)
    return true
  })
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`${server.url}${path}`, { method })
    return [response.status, await response.text()]
  }
  assert.deepEqual(await ask('/greeting', 'POST'), [200, 'POST is heard'])
  assert.deepEqual(await ask('/health'), [200, '{"height":"0","size":"0"}'])
  assert.deepEqual(await ask('/other', 'POST'), [405, 'read-only: GET or HEAD\n'])
  assert.deepEqual(await ask('/other'), [404, 'not in this log\n'])
  assert.deepEqual(await ask('/broken'), [500, 'internal error\n'])
  assert.deepEqual(await ask('/greeting'), [200, 'GET is heard'])
  await server.close()
  stop()
})

test('startServer: refuses a port that is taken', async () => {
  const { member, server, close } = await startLog()
  const { port } = new URL(server.url)
  const { startServer } = await import('../../../workers/member/server.ts')
  const view = {
    store: member.store,
    checkpoint: () => new Uint8Array(0),
    witnessed: () => undefined,
    size: () => 0n,
    height: () => 0n,
    extensionsFor: () => [],
    sequence: () => 0n,
    status: () => assert.fail('nobody asks'),
  }
  const { pino } = await import('pino')
  const start = startServer({ view, logger: pino({ level: 'silent' }) }, { host: '127.0.0.1', port: Number(port) })
  await assert.rejects(start, PortTakenError)
  await close()
})

test('createLogReader: refuses an unreachable log, a redirect, and an answer larger than anything a log serves', async () => {
  await assert.rejects(createLogReader({ url: 'http://127.0.0.1:1' }).readCheckpoint(), LogUnreachableError)
  assert.throws(() => createLogReader({ url: 'file:///etc/passwd' }), InvalidLogUrlError)
  assert.throws(
    () => createLogReader({ url: 'http://name:secret@127.0.0.1:1' }),
    (error) => error instanceof InvalidLogUrlError && !error.message.includes('secret'),
  )
  const { createServer } = await import('node:http')
  const server = createServer((request, response) => {
    if (request.url === '/checkpoint') response.writeHead(302, { location: '/elsewhere' }).end()
    else response.end(Buffer.alloc(request.url === '/commit/1' ? (1 << 17) + 1 : 17 << 20))
  })
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  const log = createLogReader({ url: `http://127.0.0.1:${(server.address() as { port: number }).port}` })
  await assert.rejects(log.readCheckpoint(), LogUnreachableError)
  for (const tooLarge of [log.readCommit(1n), log.readSnapshot('anchor')])
    await assert.rejects(
      tooLarge,
      (error: Error) => error instanceof LogUnreachableError && /larger/.test(error.message),
    )
  server.closeAllConnections()
  server.close()
})
