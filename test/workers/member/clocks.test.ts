import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deriveProposer } from '../../../committee/committee.ts'
import { CLOCK_SKEW_MAX_MS } from '../../../committee/timeouts.ts'
import type { AlmanacTick } from '../../../protocol/wire/almanacTick.ts'
import type { CommitRecord } from '../../../protocol/wire/commitRecord.ts'
import { createAlmanacWorld, FIRST, keys, signersOf, until } from './almanac-of-tests.ts'

const HOUR_MS = 3_600_000
/** Clocks that disagree as much as clocks may, and still agree with each other. */
const HONEST_MS = [-200, 0, 200]
const SKEWED = 3

type World = ReturnType<typeof createAlmanacWorld>

async function startWorld(skewedMs: number): Promise<World> {
  const world = createAlmanacWorld()
  HONEST_MS.forEach((ms, index) => void world.setClocks(ms, index))
  world.setClocks(skewedMs, SKEWED)
  for (const index of FIRST) await world.start(index)
  return world
}

const clockOf = (world: World, index: number) => world.member(index).driver.status().clock

const proposerOf = ({ commit: { height } }: CommitRecord, round: number) =>
  deriveProposer(signersOf(FIRST), { height, round })

/** What is promised of ticks (spec §5.2, §10), whatever one clock of the four says. */
function checkTicks(world: World, index: number): readonly AlmanacTick[] {
  const ticks = world.readTicks(index)
  const honest = signersOf(FIRST).filter((signer) => signer !== keys[SKEWED]!.signer)
  ticks.forEach((tick, at) => {
    assert.equal(tick.seq, BigInt(at + 1))
    assert.ok(at === 0 || tick.timestampMs > ticks[at - 1]!.timestampMs, `tick ${tick.seq} goes back`)
    const observed = tick.observedAt.filter(({ member }) => honest.includes(member))
    // A quorum observed, and one of it may be the skewed one.
    assert.ok(observed.length >= 2)
    const latest = Math.max(...observed.map(({ observedAtMs }) => Number(observedAtMs)))
    const aheadMs = Number(tick.timestampMs) - latest
    assert.ok(aheadMs <= CLOCK_SKEW_MAX_MS, `tick ${tick.seq} is ${aheadMs} ms ahead of every honest clock`)
    // How long a height takes is the machine's affair; an hour is the skewed clock's.
    assert.ok(aheadMs > -HOUR_MS / 2, `tick ${tick.seq} is ${-aheadMs} ms behind`)
  })
  return ticks
}

for (const [name, skewMs] of [
  ['ahead', HOUR_MS],
  ['behind', -HOUR_MS],
] as const)
  test(`clocks: one of four an hour ${name}: ticks go on at honest times, its turns pass, and it says so`, async () => {
    const world = await startWorld(skewMs)
    // Long enough for its turn to have come in a first round.
    await until(() => world.readRecords(0).length >= 8)
    await until(() => clockOf(world, SKEWED)?.isOff === true)
    const { aheadMs } = clockOf(world, SKEWED)!
    assert.ok(Math.abs(aheadMs - skewMs) < HOUR_MS / 2, `${aheadMs}`)
    for (const index of [0, 1, 2]) {
      const clock = clockOf(world, index)
      assert.ok(clock !== null && Math.abs(clock.aheadMs) < HOUR_MS / 2, `member ${index} blames its own clock`)
    }
    const records = world.readRecords(0)
    const ofTurn = records.filter((record) => proposerOf(record, 0) === keys[SKEWED]!.signer)
    assert.ok(ofTurn.length > 0)
    if (skewMs > 0) {
      for (const record of records) {
        assert.notEqual(proposerOf(record, record.certificate.round), keys[SKEWED]!.signer)
      }
    }
    const ticks = FIRST.map((index) => checkTicks(world, index))
    const common = Math.min(...ticks.map(({ length }) => length))
    assert.ok(common >= 2)
    for (const other of ticks) assert.deepEqual(other.slice(0, common), ticks[0]!.slice(0, common))
    world.stop()
  })

test('clocks: one that jumps an hour forward and back while it runs stops no tick, and is seen to agree again', async () => {
  const world = await startWorld(0)
  await world.advance(3)
  for (const ms of [HOUR_MS, 0, -HOUR_MS, 0]) {
    world.setClocks(ms, SKEWED)
    await until(() => clockOf(world, SKEWED)?.isOff === (ms !== 0))
    await world.advance(3)
  }
  // What it observed is what its clock said: advice, in no tick's time.
  for (const index of FIRST) checkTicks(world, index)
  world.stop()
})

test('clocks: a member is lost and returns, and later another one’s clock jumps', async () => {
  const world = await startWorld(0)
  await world.advance(3)
  world.kill(1)
  await world.advance(4)
  await world.start(1)
  const { height } = world.member(0).replica.state()
  await until(() => world.member(1).replica.state().height >= height)
  world.setClocks(HOUR_MS, SKEWED)
  await world.advance(4)
  // With one clock off, no other may be lost: nothing is decided until it is back.
  world.kill(1)
  await world.start(1)
  await world.advance(4)
  for (const index of FIRST) assert.ok(checkTicks(world, index).length >= 5)
  world.stop()
})

test('clocks: where all jump back an hour nothing is decided, and ticks go on as soon as they are right', async () => {
  const world = await startWorld(0)
  await world.advance(3)
  world.setClocks(-HOUR_MS, ...FIRST)
  // What is on its way is decided first; then every clock is seen to be behind what was decided.
  await until(() => FIRST.every((index) => clockOf(world, index)?.isOff === true))
  const heights = FIRST.map((index) => world.member(index).replica.state().height)
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  FIRST.forEach((index, at) => void assert.ok(world.member(index).replica.state().height <= heights[at]! + 1n))
  world.setClocks(0, ...FIRST)
  await world.advance(4)
  // Of what is on its way when they jump, observations are an hour off, and no time is.
  world.readTicks(0).forEach(({ seq, timestampMs }, at, ticks) => {
    assert.equal(seq, BigInt(at + 1))
    assert.ok(at === 0 || timestampMs > ticks[at - 1]!.timestampMs)
  })
  world.stop()
})

test('clocks: a member that nobody wakes looks at its clock again, and does not wait until what a wrong one said', async () => {
  const world = createAlmanacWorld({ committee: [0] })
  const { replica } = await world.start(0)
  await until(() => replica.state().height > 2n && !replica.state().machine.isOpen)
  world.setClocks(-HOUR_MS, 0)
  assert.deepEqual(clockOf(world, 0)?.isOff, true)
  // Longer than the time between two ticks: the next look at the clock is at the wrong one.
  await new Promise((resolve) => setTimeout(resolve, 500))
  world.setClocks(0, 0)
  await world.advance(4)
  world.stop()
})
