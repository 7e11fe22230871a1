import { CoalitionError } from '../protocol/errors.ts'

export class UnwritableOutputError extends CoalitionError {
  constructor(cause: Error) {
    super('UNWRITABLE_OUTPUT', `Standard output cannot be written: ${cause.message.replace(/, write$/, '')}.`, {
      fix: 'Make room, or send it elsewhere; what the command did before it printed is done.',
      cause,
    })
  }
}
