import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { runInjections } from '../../scripts/faults/runInjections.ts'
import { createTraceParser } from '../../scripts/faults/trace.ts'
import { whyNotTraced } from '../../scripts/faults/tracedRun.ts'
import type { Trial } from '../../scripts/faults/trial.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'

const reason = whyNotTraced()
const skip = reason === undefined ? false : `${reason}: not tried`
const once = { isLasting: false, isPowerCut: false }

async function run(t: TestContext, options: { memberCount: number; trials: readonly Trial[] }) {
  const dir = join(createTestDir(), 'committee')
  mkdirSync(dir)
  return await runInjections({ dir, ...options, say: (line) => t.diagnostic(line) })
}

test('a member whose disk fails, or whose power goes, stops and comes back with all that it said', {
  skip,
}, async (t) => {
  const report = await run(t, {
    memberCount: 1,
    trials: [
      { ...once, call: 'pwrite64', at: 3, act: { error: 'ENOSPC' }, isLasting: true },
      // The second leaves behind a journal that was written and not synced, which the start after it has to make durable.
      { ...once, call: 'fsync', at: 5, act: 'kill' },
      { ...once, call: 'fsync', at: 6, act: { error: 'EIO' } },
      { ...once, call: 'pwrite64', at: 9, act: 'kill', isPowerCut: true },
    ],
  })
  assert.deepEqual(report.findings, [])
  const outcomes = Object.values(report.trials)
  assert.equal(
    outcomes.reduce((sum, { stopped }) => sum + stopped, 0),
    4,
  )
  assert.equal(report.rejoined, 4)
  assert.ok(report.messagesBound > 20 && report.acknowledgementsBound > 0)
})

test('a member whose syncs do nothing is found to speak before its disk knows', { skip }, async (t) => {
  const { findings } = await run(t, {
    memberCount: 1,
    trials: [{ ...once, call: 'fsync', at: 1, act: 'lie', isLasting: true }],
  })
  assert.ok(
    findings.some((finding) => /a precommit for height \d+, round 0 left before it was on disk/.test(finding)),
    findings.join('\n'),
  )
})

test('a line of a trace that is cut off by another thread is put together, and one without its bytes refused', () => {
  const parse = createTraceParser()
  const fd = `7<${hex('/a/b')}>`
  assert.equal(parse(`10 pwrite64(${fd}, "${hex('xyz')}", 3, 8 <unfinished ...>`), undefined)
  assert.equal(parse('11 +++ exited with 0 +++'), undefined)
  const event = parse('10 <... pwrite64 resumed>)   = 3')
  assert.deepEqual(event, {
    call: 'pwrite64',
    path: '/a/b',
    isInjected: false,
    effect: { kind: 'write', offset: 8, bytes: Buffer.from('xyz') },
  })
  assert.deepEqual(parse(`10 fsync(${fd}) = 0 (INJECTED)`)?.effect, { kind: 'sync', outcome: 'lied' })
  assert.deepEqual(parse(`10 fsync(${fd}) = ?`)?.effect, { kind: 'none' })
  assert.throws(() => parse(`10 pwrite64(${fd}, "${hex('xyz')}"..., 9, 8) = 9`), /3 of the 9 bytes/)
})

function hex(text: string): string {
  return [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
}
