import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Hex, InvalidHexError } from '../../../protocol/bytes.ts'
import { decodeLogOrigin, encodeLogOrigin } from '../../../protocol/log/logOrigin.ts'

const KEY: Hex = `0x${'0123456789abcdef'.repeat(4)}`

test('encodeLogOrigin: is coalition/ and the 64 digits of the component key, and back', () => {
  assert.equal(encodeLogOrigin(KEY), `coalition/${'0123456789abcdef'.repeat(4)}`)
  assert.equal(decodeLogOrigin(encodeLogOrigin(KEY)), KEY)
})

test('encodeLogOrigin: refuses a key of another length or in upper case', () => {
  assert.throws(() => encodeLogOrigin(`${KEY}00`), InvalidHexError)
  assert.throws(() => encodeLogOrigin(KEY.toUpperCase() as Hex), InvalidHexError)
})

for (const origin of [
  '',
  KEY,
  `coalition/${KEY}`,
  'coalition/',
  `coalition/${KEY.slice(4)}`,
  `Coalition/${KEY.slice(2)}`,
]) {
  test(`decodeLogOrigin: refuses ${JSON.stringify(origin)}`, () => {
    assert.throws(() => decodeLogOrigin(origin), InvalidHexError)
  })
}
