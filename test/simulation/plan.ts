import type { Invariant } from './checker.ts'
import { createRandom, type Random } from './random.ts'

/** How a member departs from what it should be. All that do count among the f faulty of every committee they sit in. */
export type Fault =
  /** Byzantine: equivocates, withholds, replays, forges, votes against its lock. */
  | 'liar'
  /** Honest, but an old copy of its store is put back once. */
  | 'restored'
  /** Honest, with a clock that is off by more than the others bear. */
  | 'wildClock'
  /** Honest, and gone for good at some moment. */
  | 'dead'

/** What one seed stands for. Everything else that happens is drawn from the same generator, in the order of events. */
export type Plan = {
  seed: number
  /** Members of each epoch's committee, by index; the first sits from the start. */
  memberships: readonly (readonly number[])[]
  faults: ReadonlyMap<number, Fault>
  hasExtensions: boolean
  /** Share of deliveries that are lost, delivered twice, or arrive with a flipped bit. */
  lossRatio: number
  duplicateRatio: number
  corruptRatio: number
  delayMinMs: number
  delayMaxMs: number
  /** Share of effects before which a member is killed. */
  crashRatio: number
  /** Mean time between changes of who can hear whom; 0 for never. */
  partitionEveryMs: number
  /** How often a member that just decided is not heard for a while: the worst moment there is. */
  muteRatio: number
  /** Honest clocks are off by up to this. */
  skewMaxMs: number
  /** Envelopes in one proposal: with few, heights follow one another without a pause. */
  batchMax: number
  /** How much there is to decide before the network heals. */
  envelopeCount: number
  /** Longest time before it heals. */
  chaosMs: number
  /** How much of what liars could do they do. */
  malice: number
  /** Whether the last committee retires the component. */
  isRetiring: boolean
  /** Whether the keys of members that were rotated out fall into wrong hands. */
  leaksOldKeys: boolean
  /** Promises that are not looked at: none, except to see what else follows from a planted fault. */
  unchecked: readonly Invariant[]
}

export type PlanOptions = Partial<Omit<Plan, 'seed' | 'memberships' | 'faults'>> & {
  memberCount?: number
  /** More faulty members than a committee bears: to see that the checks can fail. */
  excessLiars?: number
  /** Only these faults. */
  faultKinds?: readonly Fault[]
  rotationCount?: number
  /** Members of an epoch that stay in the next. */
  replacesAll?: boolean
}

const faultyMaxOf = (memberCount: number): number => Math.floor((memberCount - 1) / 3)

/** Draws a plan; `options` hold some of it fixed. */
export function createPlan(seed: number, options: PlanOptions = {}): { plan: Plan; random: Random } {
  const random = createRandom(seed)
  const { memberCount: wantedCount, excessLiars = 0, faultKinds, rotationCount, replacesAll, ...fixed } = options
  const memberCount = wantedCount ?? random.pick([1, 2, 3, 4, 4, 4, 4, 4, 5, 6, 7])
  const faulty = random.below(4) === 0 && faultKinds === undefined ? 0 : faultyMaxOf(memberCount)
  const kinds = faultKinds ?? (['liar', 'liar', 'liar', 'restored', 'wildClock', 'dead'] as const)
  const members = Array.from({ length: memberCount }, (_, index) => index)
  const faults = new Map<number, Fault>()
  for (const member of random.sample(members, Math.max(faulty, excessLiars > 0 ? faultyMaxOf(memberCount) : 0))) {
    faults.set(member, random.pick(kinds))
  }
  if (excessLiars > 0) {
    const liars = random.sample(members, faultyMaxOf(memberCount) + excessLiars)
    faults.clear()
    for (const liar of liars) faults.set(liar, 'liar')
  }
  const memberships = [members]
  const isReplaced = replacesAll ?? random.chance(0.4)
  for (let count = rotationCount ?? random.pick([0, 0, 0, 1, 1, 2]); count > 0; count--) {
    memberships.push(rotate(random, { members: memberships.at(-1)!, memberships, faults, isReplaced }))
  }
  const delayMinMs = random.pick([0, 1, 20])
  const plan: Plan = {
    seed,
    memberships,
    faults,
    hasExtensions: random.chance(0.5),
    lossRatio: random.pick([0, 0.02, 0.1, 0.3]),
    duplicateRatio: random.pick([0, 0, 0.05, 0.3]),
    corruptRatio: random.pick([0, 0, 0.02]),
    delayMinMs,
    delayMaxMs: delayMinMs + random.pick([5, 50, 300, 1_500]),
    crashRatio: random.pick([0, 0, 0.002, 0.01, 0.04]),
    partitionEveryMs: random.pick([0, 0, 500, 1_500, 6_000]),
    muteRatio: random.pick([0, 0, 0.3, 0.8]),
    skewMaxMs: random.pick([0, 20, 120]),
    batchMax: random.pick([1, 3]),
    envelopeCount: random.between(2, 6),
    chaosMs: random.between(4_000, 20_000),
    malice: random.pick([0.2, 0.5, 0.9]),
    isRetiring: random.chance(0.2),
    leaksOldKeys: random.chance(0.5) && ![...faults.values()].includes('restored'),
    unchecked: [],
    ...fixed,
  }
  return { plan, random }
}

type RotateParameters = {
  members: readonly number[]
  memberships: readonly (readonly number[])[]
  faults: ReadonlyMap<number, Fault>
  isReplaced: boolean
}

/** The next committee: newcomers are honest, and of the faulty only as many stay as it bears. */
function rotate(random: Random, { members, memberships, faults, isReplaced }: RotateParameters): number[] {
  const newest = Math.max(...memberships.flat()) + 1
  const leavingCount = isReplaced ? members.length : random.between(1, Math.max(1, Math.floor(members.length / 2)))
  const leaving = new Set(random.sample(members, leavingCount))
  const size = Math.max(1, members.length + random.between(-1, 1))
  const staying = members.filter((member) => !leaving.has(member))
  const bad = staying.filter((member) => faults.has(member))
  const kept = staying
    .filter((member) => !faults.has(member))
    .concat(bad.slice(0, faultyMaxOf(size)))
    .slice(0, size)
  const newcomers = Array.from({ length: Math.max(0, size - kept.length) }, (_, index) => newest + index)
  return [...kept, ...newcomers].sort((a, b) => a - b)
}
