import { CoalitionError } from '../protocol/errors.ts'

/** What commander, or Node.js of a script, says of the words of a call, as a refusal of ours. */
export class UsageError extends CoalitionError {
  constructor(cause: Error & { code?: string }) {
    // Where a command is missing, commander prints its help and has no message.
    const message = cause.code === 'commander.help' ? 'A command is missing.' : cause.message.replace(/^error: /, '')
    super('USAGE', message, { fix: 'Add --help for what the command takes.', cause })
  }
}
