import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TOO_MANY_LIARS } from './mutations.ts'
import { simulate } from './simulate.ts'
import type { SeedReport } from './thread.ts'

const SEEDS = 200

test('simulation: whatever happens, a committee keeps every promise', async () => {
  const totals = { kills: 0, restored: 0, stopped: 0, rotations: 0, retirements: 0 }
  const onReports = (reports: readonly SeedReport[]) => {
    for (const { killCount, restoreCount, haltCount, epochCount, isRetired } of reports) {
      totals.kills += killCount
      totals.restored += restoreCount
      totals.stopped += haltCount
      totals.rotations += epochCount - 1
      totals.retirements += isRetired ? 1 : 0
    }
    return false
  }
  const failures = await simulate({ from: 1, count: SEEDS, threadCount: 2, onReports })
  const messages = failures.map(({ seed, violation }) => `SEED=${seed} npm run simulate: ${violation!.message}`)
  assert.deepEqual(messages, [])
  // A simulation in which nothing goes wrong would show nothing.
  for (const [name, count] of Object.entries(totals)) assert.ok(count > 0, name)
})

test('simulation: a seed replays exactly', async () => {
  const run = async () => {
    const reports: SeedReport[] = []
    const onReports = (done: readonly SeedReport[]) => reports.push(...done) < 0
    await simulate({ from: 7, count: 3, threadCount: 1, options: { isTold: true }, onReports })
    return reports
  }
  const [first, second] = [await run(), await run()]
  assert.ok(first.every(({ transcript }) => transcript.length > 0))
  assert.deepEqual(second, first)
})

test('simulation: with f + 1 liars two honest members decide differently', async () => {
  const isSplit = ({ violation }: SeedReport) => violation?.invariant === 'agreement'
  const onReports = (reports: readonly SeedReport[]) => reports.some(isSplit)
  const failures = await simulate({
    from: 46,
    count: 200,
    batchSize: 1,
    threadCount: 2,
    options: TOO_MANY_LIARS,
    onReports,
  })
  assert.ok(failures.some(isSplit))
})
