import { createRandom } from '../../test/simulation/random.ts'

/** What can be done to a running committee, each undone after a while. `killRedis` brings it back empty. */
export const FAULTS = [
  'killMember',
  'pauseMember',
  'killTwoMembers',
  'killAllMembers',
  'killRedis',
  'pauseRedis',
  'flushRedis',
  'trimStream',
  'jumpStream',
  'killAnchorer',
  'pauseAnchorer',
] as const
export type Fault = (typeof FAULTS)[number]

export type Episode = {
  fault: Fault
  /** Indexes of the members that it strikes; empty where it strikes none. */
  members: readonly number[]
  /** How long it lasts, in milliseconds. */
  holdMs: number
  /** Quiet before the next one, in milliseconds, counted from when everybody is back at work. */
  restMs: number
}

/** How often each fault stands in one round of the plan: every kind comes once before any comes more often than this. */
const ROUND: readonly Fault[] = [
  ...Array<Fault>(7).fill('killMember'),
  ...Array<Fault>(3).fill('pauseMember'),
  ...Array<Fault>(3).fill('killRedis'),
  'killTwoMembers',
  'killAllMembers',
  'pauseRedis',
  'flushRedis',
  'trimStream',
  'jumpStream',
  'killAnchorer',
  'pauseAnchorer',
]

const STRUCK: Partial<Record<Fault, (memberCount: number) => number>> = {
  killMember: () => 1,
  pauseMember: () => 1,
  killTwoMembers: () => 2,
  killAllMembers: (memberCount) => memberCount,
}

const HOLD_MAX_MS: Record<Fault, number> = {
  killMember: 1_500,
  pauseMember: 3_000,
  killTwoMembers: 2_000,
  killAllMembers: 500,
  killRedis: 1_500,
  pauseRedis: 2_500,
  flushRedis: 0,
  trimStream: 0,
  jumpStream: 0,
  killAnchorer: 1_000,
  pauseAnchorer: 2_000,
}

/** The faults of a run, one after the other and without end: the same for the same seed. */
export function* planEpisodes(seed: number, { memberCount }: { memberCount: number }): Generator<Episode, never> {
  const random = createRandom(seed)
  const all = Array.from({ length: memberCount }, (_, index) => index)
  for (;;) {
    for (const fault of random.sample(ROUND, ROUND.length)) {
      const members = random.sample(all, STRUCK[fault]?.(memberCount) ?? 0)
      yield { fault, members, holdMs: random.between(0, HOLD_MAX_MS[fault]), restMs: random.between(300, 1_500) }
    }
  }
}
