import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { CoalitionError } from '../../../protocol/errors.ts'
import { decodeJson, hexOf, toDecimal, uint64 } from '../../../protocol/wire/decodeJson.ts'

const shape = z.strictObject({ heights: z.array(uint64), root: hexOf(2) })
const decode = (text: string) =>
  decodeJson(text, { shape, refuse: (reason) => new CoalitionError('TEST', reason, { fix: 'Do not.' }) })

test('decodeJson: gives what was encoded, up to the greatest uint64', () => {
  const value = { heights: [0n, 2n ** 64n - 1n], root: '0xab12' as const }
  assert.deepEqual(decode(JSON.stringify(value, toDecimal)), value)
})

const refused: [string, string][] = [
  ['{"heights":[],"root":"0xab12"', 'it is not JSON'],
  ['[]', 'it: Invalid input: expected object, received array'],
  ['{"heights":[],"root":"0xab12","more":1}', 'it: Unrecognized key: "more"'],
  ['{"heights":["1",2],"root":"0xab12"}', 'heights.1: Invalid input: expected string, received number'],
  ['{"heights":["01"],"root":"0xab12"}', 'heights.0: not a decimal uint64'],
  ['{"heights":["-1"],"root":"0xab12"}', 'heights.0: not a decimal uint64'],
  ['{"heights":["18446744073709551616"],"root":"0xab12"}', 'heights.0: above 2^64 − 1'],
  ['{"heights":[],"root":"0xab"}', 'root: not 2 bytes of hex'],
  ['{"heights":[],"root":"0xAB12"}', 'root: not 2 bytes of hex'],
]
for (const [text, reason] of refused)
  test(`decodeJson: refuses ${text}`, () => {
    assert.throws(() => decode(text), { code: 'TEST', message: reason })
  })
