import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countOf } from '../../protocol/errors.ts'

test('countOf: says one in the singular, and any other count in the plural', () => {
  const said = [0, 1, 2, 1n, 10n].map((count) => countOf(count, 'entry'))
  assert.deepEqual(said, ['0 entries', '1 entry', '2 entries', '1 entry', '10 entries'])
  assert.equal(countOf(2, 'commit'), '2 commits')
})
