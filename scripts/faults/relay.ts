import { pino } from 'pino'
import type { UnlockedKey } from '../../client/keystore.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { encodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import { encodeEnvelope, signEnvelope } from '../../protocol/wire/envelope.ts'
import { encodeFrame } from '../../workers/member/frame.ts'
import { createRedisTransport } from '../../workers/member/redisTransport.ts'
import { connectRedis } from '../../workers/runtime/redis.ts'

const EVERY_MS = 60
const ASK_MAX_MS = 500

/**
 * Hands members envelopes as they hand them to each other. A job whose member died goes to nobody else for some seconds; with
 * this there is something to decide at once.
 */
export async function startRelay(options: {
  redisUrl: string
  component: Hex
  key: UnlockedKey
  /** Of every member. */
  urls: readonly string[]
}): Promise<{ stop(): Promise<void> }> {
  const { redisUrl, component, key, urls } = options
  const logger = pino({ level: 'silent' })
  const redis = await connectRedis({ url: redisUrl, logger })
  const transport = createRedisTransport({ redis, logger }, { component })
  await transport.listen(() => {})
  let isStopped = false

  async function readLast(): Promise<bigint | undefined> {
    const answers = await Promise.allSettled(
      urls.map(async (url) => {
        const response = await fetch(`${url}/submitter/${key.signer}`, { signal: AbortSignal.timeout(ASK_MAX_MS) })
        return BigInt(await response.text())
      }),
    )
    const said = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    return said.sort((a, b) => (a < b ? -1 : 1)).at(-1)
  }

  async function run(): Promise<void> {
    for (; !isStopped; await new Promise((resolve) => setTimeout(resolve, EVERY_MS))) {
      const last = await readLast()
      if (last === undefined) continue
      const statement = new TextEncoder().encode(`{"sequence":${last + 1n}}`)
      const commands = [encodeChronicleCommand({ kind: 'recordStatement', statement })]
      const envelope = { component, submitter: key.signer, sequence: last + 1n, commands }
      await transport.broadcast(
        encodeFrame({ kind: 'envelope', bytes: encodeEnvelope(signEnvelope(envelope, key.secretKey)) }),
      )
    }
  }

  const running = run()
  running.catch(() => {})
  return {
    async stop() {
      isStopped = true
      try {
        await running
      } finally {
        await transport.close()
        redis.disconnect()
      }
    },
  }
}
