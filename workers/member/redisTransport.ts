import type { Redis } from 'ioredis'
import type { Hex } from '../../protocol/bytes.ts'
import { protocolStreamName } from '../queues.ts'
import type { Logger } from '../runtime/logger.ts'
import { FRAME_SIZE_MAX_BYTES, type Transport } from './transport.ts'

/** Redis drops frames that are older; whoever was away longer catches up from its peers instead. */
const FRAME_AGE_MAX_MS = 30_000n
const READ_FRAMES_MAX = 8
const READ_BLOCK_MS = 1000
const RETRY_DELAY_MS = 250

export type RedisTransport = Transport & {
  /** Milliseconds since Redis answered last. While it does, it answers each second, whether or not anybody says anything. */
  silentMs(): number
}

type StreamRead = [stream: Buffer, frames: [id: Buffer, fields: Buffer[]][]][] | null

/**
 * One broadcast stream a component: every member reads all of it from its own position, which is the fastest of the
 * ways to carry a round through Redis, and keeps no state there that could be lost.
 */
export function createRedisTransport(
  { redis, logger }: { redis: Redis; logger: Logger },
  { component, stream = protocolStreamName({ component }) }: { component: Hex; stream?: string },
): RedisTransport {
  // A blocking read holds its connection, so it has one of its own.
  const reader = redis.duplicate()
  reader.on('error', () => {}) // the shared connection logs it
  // What cannot be sent now is not sent later: members say again what still matters, and a queue here would only grow.
  const writer = redis.duplicate({
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    enableAutoPipelining: true, // what is said at once leaves at once
    maxRetriesPerRequest: 0,
  })
  writer.on('error', () => {})
  // Of the newest id, which Redis' clock gives: by its own, a member that is ahead would remove what nobody has read yet.
  let redisMs = 0n
  let answeredAtMs = performance.now()
  let isClosed = false
  let reading = Promise.resolve()

  /** Redis counts ids from anew when it lost its data: whoever starts, or starts again, starts behind the newest. */
  async function readNewestId(): Promise<string> {
    const [newest] = await redis.xrevrange(stream, '+', '-', 'COUNT', 1)
    return newest?.[0] ?? '0'
  }

  async function readForever(receive: (frame: Uint8Array) => void, from: string): Promise<void> {
    let position: string | undefined = from
    while (!isClosed) {
      try {
        position ??= await readNewestId()
        const read: StreamRead = await reader.xreadBuffer(
          'COUNT',
          READ_FRAMES_MAX,
          'BLOCK',
          READ_BLOCK_MS,
          'STREAMS',
          stream,
          position,
        )
        answeredAtMs = performance.now()
        // A stream that begins anew may count from below what was read: waiting there would be waiting for ever.
        if (read === null && isBefore(await readNewestId(), position)) position = undefined
        for (const [id, fields] of read?.[0]?.[1] ?? []) {
          position = id.toString()
          const frame = fields[1]
          if (frame !== undefined) hand(receive, frame)
        }
      } catch (error) {
        if (isClosed) return
        logger.warn({ reason: (error as Error).message }, 'reading the protocol stream failed')
        position = undefined
        await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS))
      }
    }
  }

  function hand(receive: (frame: Uint8Array) => void, frame: Buffer): void {
    try {
      // What is too large is for the receiver to count and drop by its length alone: it is not worth a copy.
      receive(frame.length > FRAME_SIZE_MAX_BYTES ? frame : new Uint8Array(frame))
    } catch (error) {
      logger.error({ err: error }, 'a frame could not be handled')
    }
  }

  return {
    async broadcast(frame) {
      const oldestMs = redisMs > FRAME_AGE_MAX_MS ? redisMs - FRAME_AGE_MAX_MS : 0n
      const id = await writer.xadd(stream, 'MINID', '~', oldestMs.toString(), '*', 'f', Buffer.from(frame))
      redisMs = BigInt(id!.split('-')[0]!)
    },
    async listen(receive) {
      // What is made from a lazy connection is lazy, too, and has no queue whose first command would connect it.
      if (writer.status === 'wait') writer.connect().catch(() => {}) // it tries again by itself
      if (writer.status !== 'ready') await new Promise((resolve) => writer.once('ready', resolve))
      reading = readForever(receive, await readNewestId())
    },
    silentMs: () => Math.round(performance.now() - answeredAtMs),
    async close() {
      isClosed = true
      reader.disconnect()
      writer.disconnect()
      await reading
    },
  }
}

/** Whether one id of a stream, `MILLISECONDS-SEQUENCE`, comes before another. */
function isBefore(id: string, other: string): boolean {
  const [time = '0', sequence = '0'] = id.split('-')
  const [otherTime = '0', otherSequence = '0'] = other.split('-')
  return time === otherTime ? BigInt(sequence) < BigInt(otherSequence) : BigInt(time) < BigInt(otherTime)
}
