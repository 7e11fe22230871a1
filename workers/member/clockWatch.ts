import type { MemberStatus } from '../../client/memberStatus.ts'
import { CLOCK_SKEW_MAX_MS, isTimely, type Timeouts } from '../../committee/timeouts.ts'
import type { SignedProposal } from '../../committee/types.ts'
import type { Hex } from '../../protocol/bytes.ts'
import type { Logger } from '../runtime/logger.ts'

/** Proposals that may still be decided: a few rounds of the height and the first of the next one. */
const PROPOSALS_MAX = 8

type Clock = NonNullable<MemberStatus['clock']>

export type ClockWatch = {
  /** Another member's new proposal has just come. */
  proposed(proposal: Pick<SignedProposal, 'commitDigest' | 'timestampMs' | 'round' | 'validRound'>): void
  decided(commit: { commitDigest: Hex }): void
  /** As `/status` says it; `decidedMs` is the time of the newest commit. */
  read(decidedMs: bigint): MemberStatus['clock']
}

/**
 * Tells a member whose clock is off that it is. The time of a commit was believed by honest members as it was proposed (spec
 * §5.2): where this member could not believe it, the clock that is wrong is its own, or the proposal was long on its way.
 */
export function createClockWatch(
  { clock, logger }: { clock: { nowMs(): number }; logger: Logger },
  { timeouts }: { timeouts: Timeouts },
): ClockWatch {
  let proposals: (Clock & { commitDigest: Hex })[] = []
  let last: Clock | null = null
  return {
    proposed({ commitDigest, timestampMs, round, validRound }) {
      if (validRound >= 0) return // proposed again: its time is an older round's
      const nowMs = clock.nowMs()
      const isOff = !isTimely(timeouts, { timestampMs, round, nowMs })
      proposals = [...proposals, { commitDigest, aheadMs: nowMs - Number(timestampMs), isOff }].slice(-PROPOSALS_MAX)
    },

    decided({ commitDigest }) {
      const believed = proposals.find((proposal) => proposal.commitDigest === commitDigest)
      if (believed === undefined) return
      const { aheadMs, isOff } = believed
      if (isOff && last?.isOff !== true)
        logger.warn({ aheadMs }, 'this member’s clock is off the time that others decide')
      if (!isOff && last?.isOff === true) logger.info({ aheadMs }, 'this member’s clock agrees again')
      last = { aheadMs, isOff }
    },

    read(decidedMs) {
      // What was decided lies ahead: until its clock has come so far, this member believes no proposal.
      const aheadMs = clock.nowMs() - Number(decidedMs)
      return aheadMs < -CLOCK_SKEW_MAX_MS ? { aheadMs, isOff: true } : last
    },
  }
}
