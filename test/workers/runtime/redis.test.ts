import assert from 'node:assert/strict'
import { createServer, type Server, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import { createEpochs } from '../../../client/epochs.ts'
import { createSubmitter } from '../../../client/submit.ts'
import { RedisUnreachableError } from '../../../workers/queues.ts'
import { connectRedis } from '../../../workers/runtime/redis.ts'
import { component, members } from '../member/chronicle-of-tests.ts'

/** Accepts every connection and never says a word, as a process does that was stopped. */
let mute: Server
let url: string
const sockets: Socket[] = []
before(async () => {
  mute = createServer((socket) => void sockets.push(socket))
  await new Promise<void>((resolve) => mute.listen({ host: '127.0.0.1', port: 0 }, resolve))
  url = `redis://127.0.0.1:${(mute.address() as { port: number }).port}`
})
after(() => {
  for (const socket of sockets) socket.destroy()
  mute.close()
})

test('a Redis that accepts connections and says nothing is given up, by clients and by workers', async () => {
  const epochs = createEpochs({ component, members: members.map(({ signer }) => ({ signer })) })
  const refusals = await Promise.all([
    assert.rejects(createSubmitter({ redisUrl: url, epochs }), RedisUnreachableError),
    assert.rejects(connectRedis({ url, logger: pino({ level: 'silent' }) }), RedisUnreachableError),
  ])
  assert.equal(refusals.length, 2)
})
