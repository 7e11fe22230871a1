import { execFile } from 'node:child_process'
import { QUOTE_SIZE_MAX_BYTES } from '../../protocol/attestation/quote.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'

/** How long a platform may take over one quote; a quoting service that answers at all does within seconds. */
export const QUOTE_TIMEOUT_MS = 60_000

export class QuoteCommandError extends CoalitionError {
  constructor({ command, reason, cause }: { command: string; reason: string; cause?: unknown }) {
    super('QUOTE_COMMAND', `${command} gave no quote: ${reason}.`, {
      fix: 'Run it by hand with 128 hex digits as its argument: it must write a TDX quote, and nothing else, to standard output.',
      isRetryable: true,
      cause,
    })
  }
}

/**
 * How a TD has itself quoted differs from platform to platform, so an operator's command does it: it is given the 64 bytes of
 * report data as one argument of 128 hex digits, and writes the quote to standard output. No shell is involved.
 *
 * @throws {QuoteCommandError} (by what is returned) it cannot be run, fails, takes too long, or writes nothing or too much.
 */
export const createQuoteCommand =
  (command: string, { timeoutMs = QUOTE_TIMEOUT_MS } = {}) =>
  (reportData: Hex): Promise<Uint8Array> =>
    new Promise((resolve, reject) => {
      const options = {
        encoding: 'buffer',
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
        maxBuffer: QUOTE_SIZE_MAX_BYTES,
      } as const
      execFile(command, [reportData.slice(2)], options, (cause, stdout) => {
        const refuse = (reason: string): void => reject(new QuoteCommandError({ command, reason, cause }))
        if (cause === null) return stdout.length === 0 ? refuse('it wrote nothing') : resolve(new Uint8Array(stdout))
        if (cause.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
          return refuse(`it wrote more than ${QUOTE_SIZE_MAX_BYTES} bytes`)
        if (cause.killed) return refuse(`it took longer than ${timeoutMs} ms`)
        return refuse(
          typeof cause.code === 'number' ? `it ended with status ${cause.code}` : `it cannot be run (${cause.code})`,
        )
      })
    })
