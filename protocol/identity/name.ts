import { CoalitionError } from '../errors.ts'

/** 1–64 of `a-z 0-9 . _ -`, segments separated by single dots (spec §3). */
export const NAME_PATTERN = /^(?=.{1,64}$)[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/

export class InvalidNameError extends CoalitionError {
  constructor({ field }: { field: string }) {
    super('INVALID_NAME', `${field} is not a well-formed name.`, {
      fix: 'Write 1 to 64 of a-z, 0-9, "_" and "-", in segments separated by single dots: price-feed.eur.',
    })
  }
}

/** @throws {InvalidNameError} `name`, a name or a role, is not of the form in spec §3. */
export function assertName(name: string, options: { field: string }): void {
  if (!NAME_PATTERN.test(name)) throw new InvalidNameError(options)
}
