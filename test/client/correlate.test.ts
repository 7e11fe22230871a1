import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type CitizenEvent, createCorrelator } from '../../client/correlate.ts'
import type { Hex } from '../../protocol/bytes.ts'
import type { AlmanacTick } from '../../protocol/wire/almanacTick.ts'

const lattice: Hex = `0x${'a1'.repeat(32)}`
const organism: Hex = `0x${'b2'.repeat(32)}`
const memberOf = (index: number): Hex => `0x${(index + 1).toString(16).padStart(40, '0')}`
const tick = (seq: bigint, timestampMs: bigint, observedAtMs: readonly bigint[]): AlmanacTick => ({
  seq,
  timestampMs,
  observedAt: observedAtMs.map((at, index) => ({ member: memberOf(index), observedAtMs: at })),
})
const event = (observedAtMs: bigint, uncertaintyMs = 0n, citizen = lattice): CitizenEvent => ({
  citizen,
  clockEvent: 1n,
  observedAtMs,
  uncertaintyMs,
})
const ticks = [
  tick(1n, 1_000n, [1_000n, 1_010n, 1_020n, 1_030n]),
  tick(2n, 2_000n, [2_000n, 2_010n, 2_020n, 2_030n]),
  tick(3n, 3_000n, [3_000n, 3_010n, 3_020n, 3_030n]),
]
const correlator = createCorrelator({ ticks, memberCount: 4 })

test('correlate: an event stands between the ticks that f + 1 honest members put around it', () => {
  assert.deepEqual(correlator.locate(event(1_500n)), { afterSeq: 1n, beforeSeq: 2n })
  assert.deepEqual(correlator.locate(event(500n)), { afterSeq: undefined, beforeSeq: 1n })
  assert.deepEqual(correlator.locate(event(9_000n)), { afterSeq: 3n, beforeSeq: undefined })
})

test('correlate: an event within a tick’s window stands on neither side of it', () => {
  assert.deepEqual(correlator.locate(event(2_015n)), { afterSeq: 1n, beforeSeq: 3n })
})

test('correlate: what the event’s clock may be off widens where it stands', () => {
  assert.deepEqual(correlator.locate(event(1_500n, 600n)), { afterSeq: undefined, beforeSeq: 3n })
})

test('correlate: events of two citizens are ordered where a tick stands between them, and else not', () => {
  const [early, late] = [event(1_500n), event(2_500n, 0n, organism)]
  assert.equal(correlator.compare(early, late), 'before')
  assert.equal(correlator.compare(late, early), 'after')
  assert.equal(correlator.compare(event(1_400n), event(1_600n, 0n, organism)), 'unknown')
  assert.equal(correlator.compare(early, event(2_500n, 900n, organism)), 'unknown')
})

test('correlate: a tick that too few members observed bounds nothing', () => {
  const some = createCorrelator({ ticks: [tick(1n, 1_000n, [1_000n, 1_000n])], memberCount: 4 })
  assert.deepEqual(some.locate(event(5_000n)), { afterSeq: undefined, beforeSeq: undefined })
})

test('correlate: refuses ticks whose sequence or time goes back', () => {
  for (const wrong of [
    [ticks[1]!, ticks[0]!],
    [ticks[0]!, ticks[0]!],
    [ticks[1]!, tick(3n, 1_500n, [])],
  ]) {
    assert.throws(() => createCorrelator({ ticks: wrong, memberCount: 4 }), { code: 'TICKS_OUT_OF_ORDER' })
  }
})

/** How far an honest member's clock may be from the true time, either way. */
const SKEW_MS = 50
/** How far the clock of an event may be. */
const EVENT_SKEW_MS = 80

/**
 * Ticks as a committee makes them, with the true times behind them: what stands in a tick was observed before its publication,
 * so before anyone observes the next. Some members say nothing, and up to f, always the same, say anything.
 */
const worlds = fc.integer({ min: 1, max: 10 }).chain((memberCount) => {
  const faultyMax = Math.floor((memberCount - 1) / 3)
  const perMember = <T>(each: fc.Arbitrary<T>) => fc.array(each, { minLength: memberCount, maxLength: memberCount })
  const skew = (max: number) => fc.integer({ min: -max, max })
  const lie = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 9_000n, max: 13_000n }))
  return fc.record({
    memberCount: fc.constant(memberCount),
    liars: fc.uniqueArray(fc.integer({ min: 0, max: memberCount - 1 }), { maxLength: faultyMax }),
    ticks: fc.array(
      fc.record({
        gapMs: fc.integer({ min: 0, max: 600 }),
        delaysMs: perMember(fc.integer({ min: 0, max: 300 })),
        skewsMs: perMember(skew(SKEW_MS)),
        lies: perMember(lie),
        absent: fc.uniqueArray(fc.integer({ min: 0, max: memberCount - 1 }), { maxLength: 2 * faultyMax }),
      }),
      { minLength: 1, maxLength: 6 },
    ),
    events: fc.tuple(
      ...[0, 1].map(() =>
        fc.record({ atMs: fc.integer({ min: 9_000, max: 13_000 }), skewMs: skew(EVENT_SKEW_MS), more: fc.nat(20) }),
      ),
    ),
  })
})

test('correlate: whatever f members say, what it says of two events and of ticks is true', () => {
  const said = { before: 0, after: 0, unknown: 0 }
  const check = fc.property(worlds, ({ memberCount, liars, ticks: drawn, events }) => {
    let nowMs = 10_000
    const trueTimes: number[][] = []
    const made = drawn.map(({ gapMs, delaysMs, skewsMs, lies, absent }, index): AlmanacTick => {
      const openedMs = nowMs + gapMs
      const seen = delaysMs.map((_, member) => member).filter((member) => !absent.includes(member))
      const honest = seen.filter((member) => !liars.includes(member))
      const at = (member: number): number => openedMs + delaysMs[member]!
      trueTimes.push(honest.map(at))
      nowMs = Math.max(openedMs, ...honest.map(at)) + 1
      const observedAt = seen.map((member) => ({
        member: memberOf(member),
        observedAtMs: liars.includes(member) ? lies[member]! : BigInt(at(member) + skewsMs[member]!),
      }))
      return { seq: BigInt(index + 1), timestampMs: BigInt(openedMs), observedAt }
    })
    const located = createCorrelator({ ticks: made, memberCount })
    const [a, b] = events.map(({ atMs, skewMs, more }) =>
      event(BigInt(atMs + skewMs), BigInt(SKEW_MS + EVENT_SKEW_MS + more)),
    ) as [CitizenEvent, CitizenEvent]
    const [trueA, trueB] = events.map(({ atMs }) => atMs) as [number, number]
    const order = located.compare(a, b)
    said[order] += 1
    if (order === 'before') assert.ok(trueA < trueB)
    if (order === 'after') assert.ok(trueA > trueB)
    assert.equal(located.compare(b, a), { before: 'after', after: 'before', unknown: 'unknown' }[order])
    const { afterSeq, beforeSeq } = located.locate(a)
    if (afterSeq !== undefined) assert.ok(trueTimes[Number(afterSeq) - 1]!.some((at) => at < trueA))
    if (beforeSeq !== undefined) assert.ok(trueTimes[Number(beforeSeq) - 1]!.some((at) => at > trueA))
  })
  fc.assert(check, { numRuns: 3_000 })
  // Of events that are drawn anywhere a good part is told apart, or nothing was tried.
  assert.ok(said.before > 200 && said.after > 200 && said.unknown > 200, JSON.stringify(said))
})

test('correlate: one lie of four turns no order, and what two of a quorum can turn is unknown where it contradicts itself', () => {
  const [early, late] = [event(1_500n), event(2_500n, 0n, organism)]
  const orderBy = (...observed: readonly (readonly bigint[])[]) =>
    createCorrelator({
      ticks: observed.map((each, index) => tick(BigInt(index + 1), BigInt(index + 1), each)),
      memberCount: 4,
    }).compare(early, late)
  for (const lie of [0n, 1_600n, 2_400n, 2n ** 64n - 1n]) assert.equal(orderBy([lie, 2_010n, 2_020n]), 'before')
  assert.equal(orderBy([0n, 0n, 2_020n]), 'unknown')
  // Both events are before the first tick and after the second.
  assert.equal(orderBy([9_000n, 9_000n, 2_020n], [0n, 0n, 2_030n]), 'unknown')
})
