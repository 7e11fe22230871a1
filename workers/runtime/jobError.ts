import { UnrecoverableError } from 'bullmq'
import { CoalitionError } from '../../protocol/errors.ts'

/** The one place where an error of ours becomes one of BullMQ's: what is final is not tried again. */
export function toJobError(error: unknown): Error {
  if (!(error instanceof CoalitionError)) return error instanceof Error ? error : new Error(String(error))
  const text = `${error.code}: ${error.message}`
  return error.isRetryable ? new Error(text) : new UnrecoverableError(text)
}
