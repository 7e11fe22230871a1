import { CoalitionError } from '../../protocol/errors.ts'

/** How often each thing came about since the process started: what was done, by its status, and what failed, by its code. */
export type Outcomes = {
  note(status: string): void
  /** A failure's code; what is no error of ours is counted as `UNEXPECTED`. */
  fail(error: unknown): void
  counts(): Record<string, number>
}

export function createOutcomes(): Outcomes {
  const counts = new Map<string, number>()
  const note = (status: string): void => void counts.set(status, (counts.get(status) ?? 0) + 1)
  return {
    note,
    fail: (error) => note(error instanceof CoalitionError ? error.code : 'UNEXPECTED'),
    counts: () => Object.fromEntries(counts),
  }
}
