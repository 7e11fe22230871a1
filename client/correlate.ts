import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import type { AlmanacTick } from '../protocol/wire/almanacTick.ts'
import { quorumOf } from '../protocol/wire/committee.ts'

/** Something that happened at a citizen, as its own clock has it (spec §3: commits are about `(citizen, clockEvent)`). */
export type CitizenEvent = {
  /** Stable id. */
  citizen: Hex
  /** The citizen's own name for it: slot, tick, round, sequence. */
  clockEvent: bigint
  /** When it was seen, milliseconds since 1970. */
  observedAtMs: bigint
  /** How far the clock that saw it may be from the members' honest clocks, either way. */
  uncertaintyMs: bigint
}

/** Where an event stands among the ticks: after `afterSeq` and before `beforeSeq`; undefined where no tick bounds it. */
export type Correlation = { afterSeq: bigint | undefined; beforeSeq: bigint | undefined }

export class TicksOutOfOrderError extends CoalitionError {
  constructor({ seq }: { seq: bigint }) {
    super('TICKS_OUT_OF_ORDER', `Tick ${seq} does not follow the one before it.`, {
      fix: 'Give ticks in the order of the Almanac’s log.',
    })
  }
}

export type Correlator = {
  /**
   * Says between which ticks an event fell. "After tick k": f + 1 members, one of whom does not lie, had observed k before the
   * event; "before tick k": f + 1 observed it after. Both as far as the event's clock and honest members' differ by no more
   * than `uncertaintyMs`, and no more than f lie. The ticks are facts; where an event stands among them is advice (spec §10).
   */
  locate(event: CitizenEvent): Correlation
  /**
   * Which of two events came first, where a tick stands between them; `unknown` where none does. Under the same two conditions
   * what it says is true: a tick is observed before anyone can observe the next. Lies only make it `unknown`.
   */
  compare(a: CitizenEvent, b: CitizenEvent): 'before' | 'after' | 'unknown'
}

/**
 * Aligns events of citizens to the ticks of one Almanac.
 *
 * @param parameters.ticks as decoded from proven leaves, in order; those that too few members observed bound nothing.
 * @param parameters.memberCount n of the committee that ticked: f = ⌊(n − 1) / 3⌋ of the observations may be lies. Where a
 *   rotation changed it, the ticks of each epoch have a correlator of their own.
 * @throws {TicksOutOfOrderError} sequence or time goes back.
 */
export function createCorrelator({
  ticks,
  memberCount,
}: {
  ticks: readonly AlmanacTick[]
  memberCount: number
}): Correlator {
  ticks.forEach(({ seq, timestampMs }, index) => {
    const before = ticks[index - 1]
    if (before !== undefined && (seq <= before.seq || timestampMs <= before.timestampMs)) {
      throw new TicksOutOfOrderError({ seq })
    }
  })
  const faultyMax = memberCount - quorumOf(memberCount)
  const windows = ticks.flatMap((tick) => {
    const window = findWindow(tick, faultyMax)
    return window === undefined ? [] : [window]
  })
  const locate = ({ observedAtMs, uncertaintyMs }: CitizenEvent): Correlation => ({
    afterSeq: windows.findLast(({ latestMs }) => latestMs < observedAtMs - uncertaintyMs)?.seq,
    beforeSeq: windows.find(({ earliestMs }) => earliestMs > observedAtMs + uncertaintyMs)?.seq,
  })
  const isBefore = (a: Correlation, b: Correlation): boolean =>
    a.beforeSeq !== undefined && b.afterSeq !== undefined && a.beforeSeq <= b.afterSeq
  return {
    locate,
    compare(a, b) {
      const [first, second] = [locate(a), locate(b)]
      const isFirst = isBefore(first, second)
      // Both is what more than f lies can make of it.
      if (isFirst === isBefore(second, first)) return 'unknown'
      return isFirst ? 'before' : 'after'
    },
  }
}

/** The observations without the f lowest and the f highest: what is left stands between those of honest members. */
function findWindow(
  { seq, observedAt }: AlmanacTick,
  faultyMax: number,
): { seq: bigint; earliestMs: bigint; latestMs: bigint } | undefined {
  if (observedAt.length < 2 * faultyMax + 1) return undefined
  const sorted = observedAt.map(({ observedAtMs }) => observedAtMs).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  return { seq, earliestMs: sorted[faultyMax]!, latestMs: sorted[sorted.length - 1 - faultyMax]! }
}
