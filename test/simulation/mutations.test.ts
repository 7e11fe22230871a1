import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MUTATIONS } from './mutations.ts'
import { simulate } from './simulate.ts'
import type { SeedReport } from './thread.ts'

for (const { name, edits, options, caughtBy, from, seedsMax } of MUTATIONS)
  test(`simulation: catches ${name}`, async () => {
    const isCaught = ({ violation }: SeedReport) => violation?.invariant === caughtBy
    const onReports = (reports: readonly SeedReport[]) => reports.some(isCaught)
    const failures = await simulate({ from, count: seedsMax, batchSize: 1, threadCount: 1, options, edits, onReports })
    assert.ok(failures.some(isCaught), `none of ${seedsMax} seeds broke «${caughtBy}»`)
  })

test('plant: refuses an edit whose place is gone', async () => {
  const edits = [{ file: 'committee/rules.ts', from: 'no such text', to: '' }]
  await assert.rejects(simulate({ from: 1, count: 1, threadCount: 1, edits }), /has no single «no such text»/)
})
