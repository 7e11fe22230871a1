import { CoalitionError } from '../protocol/errors.ts'

export class NotVerifiedError extends CoalitionError {
  constructor({ reason, cause }: { reason: string; cause?: unknown }) {
    super('NOT_VERIFIED', `The entry is not verified: ${reason}.`, {
      fix: 'Do not rely on it. Read from another member; if the chain and every member disagree, the log was rewritten off chain.',
      kind: 'refused',
      cause,
    })
  }
}

/** Runs a check of a proof; where it refuses, that is why the entry is not verified. @throws {NotVerifiedError} */
export function verify<T>(reason: string, check: () => T): T {
  try {
    return check()
  } catch (cause) {
    if (!(cause instanceof CoalitionError)) throw cause
    throw new NotVerifiedError({ reason, cause })
  }
}
