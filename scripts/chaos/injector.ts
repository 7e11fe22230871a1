import { randomBytes } from 'node:crypto'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { createKey } from '../../client/keystore.ts'
import { decodeMessage, encodeMessage } from '../../committee/codec.ts'
import { deriveMessageDigest } from '../../committee/digest.ts'
import { signMessage } from '../../committee/sign.ts'
import type { Prevote, SignedMessage } from '../../committee/types.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { encodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import { deriveEnvelopeDigest, encodeEnvelope } from '../../protocol/wire/envelope.ts'
import { signDigest } from '../../protocol/wire/signature.ts'
import { createRandom } from '../../test/simulation/random.ts'
import { decodeFrame, encodeFrame } from '../../workers/member/frame.ts'
import { FRAME_SIZE_MAX_BYTES } from '../../workers/member/transport.ts'
import { commandJobId, commandQueueName, encodeCommandJob, protocolStreamName } from '../../workers/queues.ts'

/** What whoever can write to Redis puts into it while the committee works. */
export const INJECTIONS = [
  'replayedFrame',
  'flippedBit',
  'strangersMessage',
  'otherComponent',
  'otherEpoch',
  'forgedCatchUp',
  'randomBytes',
  'foreignFields',
  'oversizedFrame',
  'garbageJob',
  'strangersJob',
  'replayedJob',
  'forgedResult',
] as const
export type Injection = (typeof INJECTIONS)[number]

export type Injector = {
  counts: Readonly<Record<Injection, number>>
  stop(): Promise<void>
}

type InjectorOptions = {
  seed: number
  redisUrl: string
  component: Hex
  members: readonly { signer: Hex; secretKey: Uint8Array }[]
  /** Frames that were seen lately; they are read here only. */
  recent: readonly Uint8Array[]
}

const PAUSE_MAX_MS = 120
const RETRY_MS = 50
const COMMAND_MAX_MS = 1_000
const RANDOM_MAX_BYTES = 4_096
/** One in so many: six megabytes each would make this a test of the machine's memory. */
const OVERSIZED_RARITY = 12

export function startInjector({ seed, redisUrl, component, members, recent }: InjectorOptions): Injector {
  const random = createRandom(seed)
  const stranger = createKey()
  const stream = protocolStreamName({ component })
  const redis = new Redis(redisUrl, {
    maxRetriesPerRequest: 0,
    retryStrategy: () => RETRY_MS,
    commandTimeout: COMMAND_MAX_MS,
  })
  redis.on('error', () => {})
  const queues = members.map(({ signer }) => {
    const queue = new Queue(commandQueueName({ component, signer }), { connection: redis, skipMetasUpdate: true })
    queue.on('error', () => {})
    return queue
  })
  const counts = Object.fromEntries(INJECTIONS.map((kind) => [kind, 0])) as Record<Injection, number>
  let isStopped = false

  const add = async (frame: Uint8Array): Promise<boolean> =>
    (await redis.xadd(stream, '*', 'f', Buffer.from(frame))) !== null
  const addMessage = (message: SignedMessage): Promise<boolean> =>
    add(encodeFrame({ kind: 'consensus', bytes: encodeMessage(message) }))

  function pickMessage(): SignedMessage | undefined {
    for (let tries = 0; tries < 20 && recent.length > 0; tries++) {
      const frame = decodeFrame(random.pick(recent))
      if (typeof frame === 'string' || frame.kind !== 'consensus') continue
      try {
        return decodeMessage(frame.bytes)
      } catch {
        // One that was forged here.
      }
    }
    return undefined
  }

  /** A prevote that a true member signs elsewhere: for another component, or an epoch that is not. */
  function signElsewhere(place: Partial<Prevote>): Promise<boolean> | boolean {
    const heard = pickMessage()
    const member = members.find(({ signer }) => signer === heard?.signer)
    if (heard === undefined || member === undefined) return false
    const { epoch, height, round, signer } = heard
    const vote = { kind: 'prevote', component, epoch, height, round, signer, commitDigest: null, ...place } as const
    return addMessage(signMessage(vote, (digest) => signDigest(digest, member.secretKey)))
  }

  const act: Record<Injection, () => Promise<boolean> | boolean> = {
    replayedFrame: () => recent.length > 0 && add(random.pick(recent)),
    flippedBit() {
      if (recent.length === 0) return false
      const frame = Uint8Array.from(random.pick(recent))
      if (frame.length === 0) return false
      frame[random.below(frame.length)]! ^= 1 << random.below(8)
      return add(frame)
    },
    strangersMessage() {
      const heard = pickMessage()
      if (heard === undefined) return false
      // Once under the stranger's own name, once under a member's.
      const message = random.chance(0.5) ? { ...heard, signer: stranger.signer } : heard
      return addMessage({ ...message, signature: signDigest(deriveMessageDigest(message), stranger.secretKey) })
    },
    otherComponent: () => signElsewhere({ component: toHex(randomBytes(32)) }),
    otherEpoch: () => signElsewhere({ epoch: 1n + BigInt(random.below(1_000)) }),
    forgedCatchUp() {
      const height = BigInt(random.below(2 ** 31))
      if (random.chance(0.5)) return add(encodeFrame({ kind: 'behind', height, peer: random.pick(members).signer }))
      const heights = [{ record: '{}', envelopes: [randomBytes(64)], extensions: [] }]
      const extensions = random.chance(0.5) ? [randomBytes(64)] : []
      return add(encodeFrame({ kind: 'decided', first: height, heights, extensions }))
    },
    randomBytes: () => add(randomBytes(random.below(RANDOM_MAX_BYTES))),
    async foreignFields() {
      return (await redis.xadd(stream, '*', 'x', '', 'y', randomBytes(32))) !== null
    },
    oversizedFrame: () =>
      random.below(OVERSIZED_RARITY) === 0 && add(new Uint8Array(FRAME_SIZE_MAX_BYTES + 1 + random.below(1_024))),
    async garbageJob() {
      const data = random.pick([encodeCommandJob(randomBytes(200)), { envelope: 7 }, [], 'no job', {}])
      await random.pick(queues).add('command', data)
      return true
    },
    async strangersJob() {
      const commands = [encodeChronicleCommand({ kind: 'recordStatement', statement: randomBytes(32) })]
      const unsigned = { component, submitter: stranger.signer, sequence: 1n, commands }
      const envelope = { ...unsigned, signature: signDigest(deriveEnvelopeDigest(unsigned), stranger.secretKey) }
      const jobId = commandJobId({ envelopeDigest: deriveEnvelopeDigest(envelope) })
      await random.pick(queues).add('command', encodeCommandJob(encodeEnvelope(envelope)), { jobId })
      return true
    },
    async replayedJob() {
      const [from, to] = [random.pick(queues), random.pick(queues)]
      const [job] = await from.getJobs(['completed', 'active'], 0, 0)
      if (job === undefined) return false
      await to.add('command', job.data)
      return true
    },
    async forgedResult() {
      const queue = random.pick(queues)
      const [job] = await queue.getJobs(['active', 'waiting'], 0, 0)
      if (job?.id === undefined) return false
      const forged = random.chance(0.5) ? '"an acknowledgement"' : JSON.stringify(toHex(randomBytes(600)))
      await redis.hset(queue.toKey(job.id), 'returnvalue', forged, 'finishedOn', Date.now())
      return true
    },
  }

  async function injectForever(): Promise<void> {
    while (!isStopped) {
      const kind = random.pick(INJECTIONS)
      try {
        if (await act[kind]()) counts[kind] += 1
      } catch {
        // Redis is down or frozen: what did not get in is not counted.
      }
      await new Promise((resolve) => setTimeout(resolve, random.below(PAUSE_MAX_MS)))
    }
  }

  const injecting = injectForever()
  return {
    counts,
    async stop() {
      isStopped = true
      await injecting
      await Promise.allSettled(queues.map((queue) => queue.close()))
      redis.disconnect()
    },
  }
}
