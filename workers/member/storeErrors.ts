import { CoalitionError } from '../../protocol/errors.ts'
import { isDiskFailure } from './storeFiles.ts'

export class StoreError extends CoalitionError {
  constructor({ reason, fix, cause }: { reason: string; fix: string; cause?: unknown }) {
    super('STORE', `The member's store cannot be used: ${reason}.`, { fix, cause })
  }
}

export class StoreDamagedError extends CoalitionError {
  constructor({ record, reason }: { record: string; reason: string }) {
    super('STORE_DAMAGED', `The member's store is damaged at ${record}: ${reason}.`, {
      fix: 'Do not run this member again: a store that lost anything could make it contradict itself. Rotate to a fresh key.',
      kind: 'refused',
    })
  }
}

/** What SQLite or a reader makes of bytes that nobody wrote: damage, whichever form its refusal takes. */
export function toStoreError(error: unknown): CoalitionError {
  if (error instanceof StoreError || error instanceof StoreDamagedError) return error
  if (isDiskFailure(error)) return refuseDisk(error)
  return new StoreDamagedError({ record: 'the database file', reason: (error as Error).message })
}

/** Nothing that was to be durable is believed to be. */
export const refuseDisk = (cause: Error): StoreError =>
  new StoreError({
    reason: `the disk fails: ${cause.message}`,
    fix: 'See to its space and health, then start the member again: nothing left it that is not on the disk.',
    cause,
  })
