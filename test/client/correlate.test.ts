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

test('correlate: whatever f members say, the order that it gives is the true one of honest clocks', () => {
  const uint = (max: number) => fc.integer({ min: 0, max }).map(BigInt)
  const committees = fc.integer({ min: 1, max: 10 }).chain((memberCount) =>
    fc.record({
      memberCount: fc.constant(memberCount),
      trueTimes: fc.array(uint(100_000), { minLength: 1, maxLength: 8 }),
      skews: fc.array(fc.integer({ min: -50, max: 50 }), { minLength: memberCount, maxLength: memberCount }),
      lies: fc.array(uint(200_000), { minLength: memberCount, maxLength: memberCount }),
      events: fc.tuple(uint(100_000), uint(100_000)),
    }),
  )
  fc.assert(
    fc.property(committees, ({ memberCount, trueTimes, skews, lies, events }) => {
      const liars = Math.floor((memberCount - 1) / 3)
      const honestTicks = [...new Set(trueTimes)]
        .sort((a, b) => (a < b ? -1 : 1))
        .map((time, index) =>
          tick(
            BigInt(index + 1),
            time + 1n,
            skews.map((skew, member) => (member < liars ? lies[member]! : time + 50n + BigInt(skew))),
          ),
        )
      // Honest clocks are at most 50 ms from the time of the tick plus 50: an event's clock that is exact differs by 50.
      const located = createCorrelator({ ticks: honestTicks, memberCount })
      const [a, b] = events.map((at) => event(at + 50n, 50n)) as [CitizenEvent, CitizenEvent]
      const order = located.compare(a, b)
      if (order === 'before') assert.ok(events[0] < events[1])
      if (order === 'after') assert.ok(events[0] > events[1])
    }),
    { numRuns: 500 },
  )
})
