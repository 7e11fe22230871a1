import type { Hex } from '../protocol/bytes.ts'
import type { VerifiedCommit } from '../protocol/wire/certificate.ts'
import { type Envelope, SequenceRefusedError, type SignedEnvelope } from '../protocol/wire/envelope.ts'
import { ComponentRetiredError } from '../protocol/wire/next.ts'
import { encodeTicketCommand, type TicketCommand } from '../protocol/wire/ticketCommand.ts'
import type { Epochs } from './epochs.ts'
import type { LogReader } from './logReader.ts'
import { createSubmitter } from './submit.ts'

export type CommandIssuerParameters = {
  /** Followed to the current committee. */
  epochs: Epochs
  /** What is asked, decided in one commit or not at all: 1 to 256. */
  commands: readonly TicketCommand[]
  /** Address of an issuer that the parameters list. */
  issuer: Hex
  /** Of the envelope, to repeat one safely. @default the one after the last that the log's member has decided */
  sequence?: bigint | undefined
  /** Signs the envelope with the issuer's key. */
  sign(envelope: Envelope): SignedEnvelope
  /** How long to wait for the proof that it was decided. */
  timeoutMs: number
}

/**
 * Asks a ticket issuer's committee to issue, renew or revoke, and waits for the proof that it was decided.
 *
 * @throws {SequenceRefusedError} a gap before it, which would wait for ever.
 * @throws {ComponentRetiredError} the issuer is retired.
 * @throws what `createSubmitter`, `submit` and the log reader throw.
 */
export async function commandIssuer(
  { log, redisUrl }: { log: LogReader; redisUrl: string },
  parameters: CommandIssuerParameters,
): Promise<{ sequence: bigint; verified: VerifiedCommit }> {
  const { epochs, commands, issuer: submitter, sign, timeoutMs } = parameters
  const last = await log.readSequence(submitter)
  const sequence = parameters.sequence ?? last + 1n
  if (sequence > last + 1n) throw new SequenceRefusedError({ submitter, sequence, last })
  // What was decided before is acknowledged as ever.
  if (sequence > last && epochs.retirement !== null) throw new ComponentRetiredError(epochs.retirement)
  const { component } = epochs
  const envelope = sign({ component, submitter, sequence, commands: commands.map(encodeTicketCommand) })
  const members = await createSubmitter({ redisUrl, epochs, logs: [log] })
  try {
    const { verified } = await members.submit(envelope, { timeoutMs })
    return { sequence, verified }
  } finally {
    await members.close()
  }
}
