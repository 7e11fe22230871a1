import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hexToBytes, pad, toHex } from 'viem'
import type { Hex } from '../../../protocol/bytes.ts'
import { packWords } from '../../../protocol/wire/typedData.ts'

const word = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
  fc.maxSafeNat(),
  fc.boolean(),
  fc.uint8Array({ maxLength: 32 }).map((bytes): Hex => toHex(bytes)),
)

test('packWords: every word stands at the end of its 32 bytes, as viem pads it', () => {
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), (words) => {
      const expected = words.map((each) => pad(typeof each === 'string' ? each : toHex(each)).slice(2)).join('')
      assert.deepEqual(packWords(words), hexToBytes(`0x${expected}`))
    }),
  )
})

for (const { what, text } of [
  { what: 'a character that is no digit', text: '0x0g' },
  { what: 'a character that no table has room for', text: '0x0\u0130' },
  { what: 'a sign', text: '0x-1' },
  { what: 'more than 32 bytes', text: `0x${'00'.repeat(33)}` },
])
  test(`packWords: refuses ${what}`, () => assert.throws(() => packWords([text as Hex]), RangeError))

test('packWords: refuses a number below zero, and one above 32 bytes', () => {
  assert.throws(() => packWords([-1n]), RangeError)
  assert.throws(() => packWords([2n ** 256n]), RangeError)
})
