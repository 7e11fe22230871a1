import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toUtcMs } from '../../../protocol/attestation/calendar.ts'

test('toUtcMs: every day of the years 1600 to 2400 is as Date has it, and no other', () => {
  for (let year = 1600; year <= 2400; year++) {
    for (let month = 1; month <= 12; month++) {
      for (let day = 1; day <= 31; day++) {
        const ms = Date.UTC(year, month - 1, day, 23, 59, 58)
        const expected = new Date(ms).getUTCDate() === day ? ms : undefined
        if (toUtcMs(year, month, day, 23, 59, 58) !== expected) assert.fail(`${year}-${month}-${day}`)
      }
    }
  }
})
