import type { Epochs } from '../../client/epochs.ts'
import type { UnlockedKey } from '../../client/keystore.ts'
import { createSubmitter, type Submitter } from '../../client/submit.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { encodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import { deriveEnvelopeDigest, type SignedEnvelope } from '../../protocol/wire/envelope.ts'
import { signDigest } from '../../protocol/wire/signature.ts'

/** What a client was told, and proved to itself: this envelope was decided there. */
export type Acknowledged = {
  submitter: Hex
  sequence: bigint
  /** What its submitter signed. */
  envelopeDigest: Hex
  commands: readonly Uint8Array[]
  height: bigint
  /** Place in the batch of that height. */
  position: number
}

export type Load = {
  acknowledged: readonly Acknowledged[]
  /** Times that an envelope was sent again because no acknowledgement came, by the code of what came instead. */
  resubmissions: Readonly<Record<string, number>>
  /** Sends no new envelope, and resolves when what is under way is acknowledged; false where it is not in time. */
  finish(options: { timeoutMs: number }): Promise<boolean>
}

const SUBMIT_TIMEOUT_MS = 4_000
const AGAIN_MS = 150
/** Between an acknowledgement and the next envelope of the same client. */
const THINK_MS = 60
const COMMANDS_MAX = 4

/** Clients that each send one envelope after the other, and each until it is acknowledged. */
export function startLoad(options: { redisUrl: string; epochs: Epochs; keys: readonly UnlockedKey[] }): Load {
  const { redisUrl, epochs, keys } = options
  const { component } = epochs
  const acknowledged: Acknowledged[] = []
  const resubmissions: Record<string, number> = {}
  let isFinishing = false
  let isGivenUp = false

  async function run(key: UnlockedKey): Promise<void> {
    let submitter: Submitter | undefined
    for (let sequence = 1n; !isFinishing; sequence++) {
      const envelope = createEnvelope({ key, component, sequence })
      for (let isDone = false; !isDone && !isGivenUp; ) {
        try {
          submitter ??= await createSubmitter({ redisUrl, epochs })
          const { acknowledgement } = await submitter.submit(envelope, { timeoutMs: SUBMIT_TIMEOUT_MS })
          acknowledged.push({
            submitter: key.signer,
            sequence,
            envelopeDigest: deriveEnvelopeDigest(envelope),
            commands: envelope.commands,
            height: acknowledgement.record.commit.height,
            position: acknowledgement.index,
          })
          isDone = true
        } catch (error) {
          if (!(error instanceof CoalitionError) || !error.isRetryable) throw error
          resubmissions[error.code] = (resubmissions[error.code] ?? 0) + 1
          if (error.code === 'REDIS_UNREACHABLE') {
            await submitter?.close()
            submitter = undefined
          }
          await sleep(AGAIN_MS)
        }
      }
      await sleep(THINK_MS)
    }
    await submitter?.close()
  }

  const running = Promise.all(keys.map(run))
  // Whoever awaits `finish` hears of a failure; until then it must not end the process.
  running.catch(() => {})
  return {
    acknowledged,
    resubmissions,
    async finish({ timeoutMs }) {
      isFinishing = true
      const timer = setTimeout(() => (isGivenUp = true), timeoutMs)
      await running
      clearTimeout(timer)
      return !isGivenUp
    },
  }
}

function createEnvelope(options: { key: UnlockedKey; component: Hex; sequence: bigint }): SignedEnvelope {
  const { key, component, sequence } = options
  const count = 1 + Number(sequence % BigInt(COMMANDS_MAX))
  const commands = Array.from({ length: count }, (_, index) =>
    encodeChronicleCommand({
      kind: 'recordStatement',
      statement: Buffer.from(JSON.stringify({ sequence: String(sequence), index })),
    }),
  )
  const unsigned = { component, submitter: key.signer, sequence, commands }
  return { ...unsigned, signature: signDigest(deriveEnvelopeDigest(unsigned), key.secretKey) }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
