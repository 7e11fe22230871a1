import type { Command } from 'commander'
import { createEpochs } from '../client/epochs.ts'
import { followEpochs } from '../client/followEpochs.ts'
import { createLogReader, type LogReader } from '../client/logReader.ts'
import type { Component } from '../client/readComponent.ts'
import { createSubmitter } from '../client/submit.ts'
import type { CommitRecord } from '../protocol/wire/commitRecord.ts'
import { SequenceRefusedError, type SignedEnvelope, signEnvelope } from '../protocol/wire/envelope.ts'
import { ComponentRetiredError } from '../protocol/wire/next.ts'
import { toSeconds, toSequence } from './arguments.ts'
import { type KeyOptions, passwordOption, unlockKey } from './keyOption.ts'
import { addRedisOption } from './redisOption.ts'

/** What every command takes with which a submitter writes to a component. */
export type SubmissionOptions = KeyOptions & {
  log: string
  redis: string
  sequence?: bigint
  timeout: number
  json?: boolean
}

export const addSubmissionOptions = (command: Command): Command =>
  addRedisOption(
    command
      .requiredOption('--key <file>', 'keystore of an authorised submitter')
      .requiredOption('--log <url>', 'log of any member, to read the last sequence and the entries’ places from')
      .addOption(passwordOption()),
  )
    .option('--sequence <number>', 'sequence of the first envelope, to repeat a submission safely', toSequence)
    .option('--timeout <seconds>', 'how long to wait for each acknowledgement', toSeconds, 30)
    .option('--json', 'print JSON')

export type Decided = { envelope: SignedEnvelope; record: CommitRecord }

export type Submission = {
  log: LogReader
  /** Sequence of the first envelope. */
  first: bigint
  /** Sends one envelope, and waits until it is proven to be decided and the log has its commit. */
  submit(commands: readonly Uint8Array[], options: { sequence: bigint }): Promise<Decided>
  close(): Promise<void>
}

/**
 * Unlocks the submitter's key, follows the component to its current committee and connects to its members.
 *
 * @throws {SequenceRefusedError} a sequence that leaves a gap: it would wait in the members' pools until it is filled.
 * @throws {ComponentRetiredError} there is nobody left to decide anything new.
 */
export async function openSubmission(
  of: Pick<Component, 'component' | 'kind' | 'members'>,
  options: SubmissionOptions,
): Promise<Submission> {
  const { log: url, redis: redisUrl } = options
  const timeoutMs = options.timeout * 1000
  const { component } = of
  const log = createLogReader({ url, of })
  const { signer: submitter, secretKey } = await unlockKey(options)
  const epochs = await followEpochs({ logs: [log] }, createEpochs(of))
  const last = await log.readSequence(submitter)
  const first = options.sequence ?? last + 1n
  if (first > last + 1n) throw new SequenceRefusedError({ submitter, sequence: first, last })
  // What was decided before is acknowledged as ever.
  if (first > last && epochs.retirement !== null) throw new ComponentRetiredError(epochs.retirement)
  const lanes = await createSubmitter({ redisUrl, epochs, logs: [log] })
  return {
    log,
    first,
    async submit(commands, { sequence }) {
      const envelope = signEnvelope({ component, submitter, sequence, commands }, secretKey)
      const { record } = (await lanes.submit(envelope, { timeoutMs })).acknowledgement
      // The member that serves the log need not be the one that answered first.
      await log.waitForCommit(record.commit.height, { timeoutMs })
      return { envelope, record }
    },
    close: () => lanes.close(),
  }
}
