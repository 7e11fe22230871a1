import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { createLogReader, NotInLogError } from '../../../client/logReader.ts'
import { encodeSnapshot } from '../../../committee/snapshot.ts'
import { chronicle } from '../../../modules/chronicle/machine.ts'
import { toHex } from '../../../protocol/bytes.ts'
import { encodeEnvelope } from '../../../protocol/wire/envelope.ts'
import { createSnapshotShelf } from '../../../workers/member/snapshotShelf.ts'
import { createEnvelope, startCommittee } from './chronicle-of-tests.ts'
import { serve } from './serve.ts'

/** A committee of which every height is marked for the chain, and the snapshots it had after each of three heights. */
async function startLog() {
  const { running, stop } = await startCommittee([0, 1, 2, 3], { anchorEveryCommits: 1 })
  const member = running[0]!
  const snapshots: string[] = []
  for (let sequence = 1n; sequence <= 3n; sequence++) {
    await member.driver.submit(encodeEnvelope(createEnvelope(sequence, [`{"n":"${sequence}"}`])))
    snapshots.push(toHex(encodeSnapshot(chronicle, member.replica.state())))
  }
  const server = await serve(member)
  const close = async () => {
    await server.close()
    stop()
  }
  return { snapshots, server, log: createLogReader({ url: server.url }), close }
}

test('/snapshot: serves the newest two states that are marked for the chain, byte for byte, and no other', async () => {
  const { snapshots, log, server, close } = await startLog()
  assert.equal(toHex(await log.readSnapshot('anchor')), snapshots[2])
  assert.equal(toHex(await log.readSnapshot(3n)), snapshots[2])
  assert.equal(toHex(await log.readSnapshot(2n)), snapshots[1])
  await assert.rejects(log.readSnapshot(1n), NotInLogError)
  await assert.rejects(log.readSnapshot(4n), NotInLogError)
  const caching = async (path: string) => (await fetch(`${server.url}/${path}`)).headers.get('cache-control')
  assert.match((await caching('snapshot/3'))!, /immutable/)
  assert.equal(await caching('snapshot/anchor'), 'no-cache')
  const head = await fetch(`${server.url}/snapshot/anchor`, { method: 'HEAD' })
  assert.deepEqual([head.status, (await head.arrayBuffer()).byteLength], [200, 0])
  await close()
})

/** A server whose only resource is one snapshot, too large for a connection to take it while nobody reads. */
async function startShelf(options: { sendTimeoutMs?: number } = {}) {
  const bytes = Buffer.alloc(16 << 20, 7)
  let readCount = 0
  const store = {
    findNewestSnapshot: () => 5n,
    readSnapshot: () => {
      readCount += 1
      return bytes
    },
  }
  const shelf = createSnapshotShelf(store, options)
  const server = createServer((_request, response) => {
    if (shelf.admit(response)) response.end(shelf.readNewest())
    else response.writeHead(503).end()
  })
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  const { port } = server.address() as { port: number }
  const sockets: Socket[] = []

  return {
    readCount: () => readCount,
    /** Asks for the snapshot and reads nothing of the answer but its beginning. */
    async askSlowly() {
      const socket = connect({ host: '127.0.0.1', port })
      sockets.push(socket)
      socket.on('error', () => undefined)
      socket.write('GET / HTTP/1.1\r\nhost: log\r\n\r\n')
      const status = await new Promise<string>((resolve) =>
        socket.once('data', (data: Buffer) => {
          socket.pause()
          resolve(data.toString('latin1').slice(9, 12))
        }),
      )
      return { socket, status }
    },
    async read() {
      const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })
      return { status: response.status, sizeBytes: (await response.arrayBuffer()).byteLength }
    },
    close() {
      for (const socket of sockets) socket.destroy()
      server.closeAllConnections()
      server.close()
    },
  }
}

test('/snapshot: eight are sent at once, more are told to come later, and a place that is left is free again', async () => {
  const { askSlowly, read, readCount, close } = await startShelf()
  const slow = await Promise.all(Array.from({ length: 8 }, () => askSlowly()))
  assert.deepEqual(new Set(slow.map(({ status }) => status)), new Set(['200']))
  assert.equal((await read()).status, 503)
  slow[0]!.socket.destroy()
  let answer = await read()
  while (answer.status === 503) answer = await read()
  assert.deepEqual(answer, { status: 200, sizeBytes: 16 << 20 })
  assert.equal(readCount(), 1)
  close()
})

test('/snapshot: who takes it too slowly loses its place', async () => {
  const { askSlowly, read, close } = await startShelf({ sendTimeoutMs: 300 })
  const slow = await Promise.all(Array.from({ length: 8 }, () => askSlowly()))
  assert.deepEqual(new Set(slow.map(({ status }) => status)), new Set(['200']))
  assert.equal((await read()).status, 503)
  let answer = await read()
  while (answer.status === 503) answer = await read()
  assert.deepEqual(answer, { status: 200, sizeBytes: 16 << 20 })
  close()
})
