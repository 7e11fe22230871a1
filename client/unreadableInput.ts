import { CoalitionError } from '../protocol/errors.ts'

/** A file, or standard input where `path` is `-`, that is not there, may not be read, or is not UTF-8. */
export class UnreadableInputError extends CoalitionError {
  constructor({ path, cause }: { path: string; cause: unknown }) {
    super('UNREADABLE_INPUT', `${path === '-' ? 'Standard input' : path} cannot be read: ${reasonOf(cause)}.`, {
      fix: 'Give the path of a file that you may read, or - for standard input where the command takes it.',
      cause,
    })
  }
}

/** `ENOENT: no such file or directory`, without the path that Node.js adds. */
const reasonOf = (cause: unknown): string =>
  cause instanceof TypeError ? 'it is not UTF-8 text' : String((cause as Error).message).replace(/, (open|read).*$/, '')
