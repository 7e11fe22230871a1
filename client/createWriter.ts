import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { signEnvelope } from '../protocol/wire/envelope.ts'
import { ComponentRetiredError } from '../protocol/wire/next.ts'
import type { Epochs } from './epochs.ts'
import { followEpochs } from './followEpochs.ts'
import type { UnlockedKey } from './keystore.ts'
import type { LogReader } from './logReader.ts'
import { createSubmitter, type Submitted } from './submit.ts'

/** What signs: a keystore's key, or any other secp256k1 key. */
export type SigningKey = Pick<UnlockedKey, 'signer' | 'secretKey'>

export type CreateWriterParameters = {
  /** Who decides, as far as the caller knows. */
  epochs: Epochs
  /** A submitter that the component's machine authorises. */
  key: SigningKey
  /** How long to wait for each proven acknowledgement. @default 30,000 */
  timeoutMs?: number | undefined
}

/** Brings one submitter's commands to a component, one envelope after the other, in the order of the calls. */
export type Writer = {
  /**
   * Resolves with a proven acknowledgement: a quorum's certificate and the envelope's place under it.
   *
   * @param commands 1 to 256, decided in one commit or not at all.
   * @throws {SubmissionRefusedError} members refuse it, and the message says why.
   * @throws {NoQuorumError | ComponentRetiredError | RedisUnreachableError}
   * @throws what the log reader throws.
   */
  write(commands: readonly Uint8Array[]): Promise<Submitted>
  close(): Promise<void>
}

/**
 * @param deps.logs of members: the first that answers says which sequence the submitter is at; rotations are learnt from all.
 * @throws {ComponentRetiredError} it decides nothing any more; the error names its successor.
 * @throws {RedisUnreachableError} @throws what `followEpochs` throws.
 */
export async function createWriter(
  { redisUrl, logs }: { redisUrl: string; logs: readonly LogReader[] },
  { epochs: known, key, timeoutMs = 30_000 }: CreateWriterParameters,
): Promise<Writer> {
  const { signer: submitter, secretKey } = key
  const epochs = await followEpochs({ logs }, known)
  if (epochs.retirement !== null) throw new ComponentRetiredError(epochs.retirement)
  const { component } = epochs
  const members = await createSubmitter({ redisUrl, epochs, logs })
  /** Of the last envelope that was acknowledged: a log may be behind it. */
  let acknowledged = 0n
  let queue: Promise<unknown> = Promise.resolve()

  async function write(commands: readonly Uint8Array[]): Promise<Submitted> {
    const decided = await readSequence(logs, submitter)
    const sequence = (decided > acknowledged ? decided : acknowledged) + 1n
    const envelope = signEnvelope({ component, submitter, sequence, commands }, secretKey)
    const submitted = await members.submit(envelope, { timeoutMs })
    acknowledged = sequence
    return submitted
  }

  return {
    write(commands) {
      const turn = queue.then(() => write(commands))
      queue = turn.catch(() => {})
      return turn
    },
    close: () => members.close(),
  }
}

async function readSequence(logs: readonly LogReader[], submitter: Hex): Promise<bigint> {
  let fault: unknown
  for (const log of logs) {
    try {
      return await log.readSequence(submitter)
    } catch (error) {
      if (!(error instanceof CoalitionError)) throw error
      fault ??= error
    }
  }
  throw fault
}
