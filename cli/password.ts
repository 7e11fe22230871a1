import { readPasswordFile } from '../client/passwordFile.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { environment } from './environment.ts'

export class MissingPasswordError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('MISSING_PASSWORD', `The keystore’s password is not at hand: ${reason}.`, {
      fix: 'Give --password-file FILE (its first line is the password), or set COALITION_PASSWORD.',
    })
  }
}

/** The first line of `file`, or COALITION_PASSWORD; never an argument, which other users of the machine could read. */
export function readPassword(file: string | undefined): string {
  let password = environment.password
  if (file !== undefined) {
    try {
      password = readPasswordFile(file)
    } catch {
      throw new MissingPasswordError({ reason: `${file} cannot be read` })
    }
  }
  if (password === undefined || password === '')
    throw new MissingPasswordError({
      reason: file === undefined ? 'none was given' : `the first line of ${file} is empty`,
    })
  return password
}
