import type { TimeoutKind } from './types.ts'

/** How long a member waits in round 0, and by how much longer in each round after: so that some round is long enough. */
export type Timeouts = {
  proposeMs: number
  prevoteMs: number
  precommitMs: number
  /** Added for each round. */
  growthMs: number
  /** No wait is longer. */
  delayMaxMs: number
}

export const DEFAULT_TIMEOUTS: Timeouts = {
  proposeMs: 1_000,
  prevoteMs: 250,
  precommitMs: 250,
  growthMs: 250,
  delayMaxMs: 30_000,
}

/** How far ahead of a member's own clock a new proposal may be (spec §5.2). */
export const CLOCK_SKEW_MAX_MS = 500

/** timeoutPropose(r), timeoutPrevote(r), timeoutPrecommit(r) of the paper. */
export function deriveTimeoutMs(timeouts: Timeouts, { kind, round }: { kind: TimeoutKind; round: number }): number {
  return Math.min(timeouts[`${kind}Ms`] + round * timeouts.growthMs, timeouts.delayMaxMs)
}

/**
 * Whether a new proposal's time is believable where it was received at `nowMs`: not more than the clock skew ahead and
 * not older than the round's proposal timeout (spec §5.2).
 */
export function isTimely(
  timeouts: Timeouts,
  parameters: { timestampMs: bigint; round: number; nowMs: number },
): boolean {
  const { timestampMs, round, nowMs } = parameters
  const now = BigInt(nowMs)
  const ageMax = BigInt(deriveTimeoutMs(timeouts, { kind: 'propose', round }))
  return timestampMs <= now + BigInt(CLOCK_SKEW_MAX_MS) && timestampMs >= now - ageMax
}
