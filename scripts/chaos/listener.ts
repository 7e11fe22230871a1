import { createHash } from 'node:crypto'
import { Redis } from 'ioredis'
import { decodeMessage } from '../../committee/codec.ts'
import { deriveMessageDigest } from '../../committee/digest.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { recoverSigner } from '../../protocol/wire/signature.ts'
import { decodeFrame } from '../../workers/member/frame.ts'
import { protocolStreamName } from '../../workers/queues.ts'

export type Listener = {
  /** Every consensus message that was seen, in its encoding, once; forged ones too. */
  observed(): readonly Uint8Array[]
  /** Frames that were seen lately, for whoever plays them again. */
  recent: readonly Uint8Array[]
  /** Resolves when `signer` was heard to sign something for a height above `height`; with the time of it. */
  waitForVote(options: { signer: Hex; height: bigint; timeoutMs: number }): Promise<number | undefined>
  close(): void
}

const RECENT_MAX = 512
const RETRY_MS = 20
const READ_BLOCK_MS = 500

type StreamRead = [stream: Buffer, frames: [id: Buffer, fields: Buffer[]][]][] | null

/** Reads the members' stream all along, beside them. */
export function startListener({ redisUrl, component }: { redisUrl: string; component: Hex }): Listener {
  const stream = protocolStreamName({ component })
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: 0, retryStrategy: () => RETRY_MS })
  redis.on('error', () => {})
  const observed = new Map<string, Uint8Array>()
  const recent: Uint8Array[] = []
  const waiting = new Set<(bytes: Uint8Array) => void>()
  let isClosed = false
  let position = '0'

  async function readForever(): Promise<void> {
    while (!isClosed) {
      try {
        const read: StreamRead = await redis.xreadBuffer(
          'COUNT',
          64,
          'BLOCK',
          READ_BLOCK_MS,
          'STREAMS',
          stream,
          position,
        )
        // A quiet stream may be a new one, whose ids are smaller.
        if (read === null) position = (await redis.xrevrange(stream, '+', '-', 'COUNT', 1))[0]?.[0] ?? '0'
        for (const [id, fields] of read?.[0]?.[1] ?? []) {
          position = id.toString()
          if (fields[1] !== undefined) note(new Uint8Array(fields[1]))
        }
      } catch {
        position = '0'
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
  }

  function note(bytes: Uint8Array): void {
    if (recent.push(bytes) > RECENT_MAX) recent.shift()
    const frame = decodeFrame(bytes)
    if (typeof frame === 'string' || frame.kind !== 'consensus') return
    const name = createHash('sha256').update(frame.bytes).digest('base64')
    if (observed.has(name)) return
    observed.set(name, frame.bytes)
    for (const each of waiting) each(frame.bytes)
  }

  void readForever()
  return {
    observed: () => [...observed.values()],
    recent,
    waitForVote({ signer, height, timeoutMs }) {
      return new Promise((resolve) => {
        const look = (bytes: Uint8Array): void => {
          if (isVote(bytes, { signer, height })) end(Date.now())
        }
        const end = (atMs: number | undefined): void => {
          clearTimeout(timer)
          waiting.delete(look)
          resolve(atMs)
        }
        const timer = setTimeout(() => end(undefined), timeoutMs)
        waiting.add(look)
      })
    },
    close() {
      isClosed = true
      redis.disconnect()
    },
  }
}

function isVote(bytes: Uint8Array, { signer, height }: { signer: Hex; height: bigint }): boolean {
  try {
    const message = decodeMessage(bytes)
    if (message.signer !== signer || message.height <= height) return false
    return recoverSigner(deriveMessageDigest(message), message.signature) === signer
  } catch (error) {
    if (error instanceof CoalitionError) return false
    throw error
  }
}
