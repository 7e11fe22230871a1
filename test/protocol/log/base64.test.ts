import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeBase64, encodeBase64, InvalidBase64Error } from '../../../protocol/log/base64.ts'
import { hexOf } from './naiveTree.ts'

test('encodeBase64: writes what Node writes, and decodeBase64 reads it back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.equal(encodeBase64(bytes), Buffer.from(bytes).toString('base64'))
      assert.equal(hexOf(decodeBase64(encodeBase64(bytes), 'bytes')), hexOf(bytes))
    }),
  )
})

for (const text of [
  'A',
  'AA',
  'AA=',
  'AAA',
  'AB==',
  'AAB=',
  'AA==\n',
  'AA ==',
  ' AAAA',
  'AA-_',
  '====',
  'AAAA=',
  'Aé==',
]) {
  test(`decodeBase64: refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => decodeBase64(text, 'root'), InvalidBase64Error)
  })
}

test('InvalidBase64Error: names the field', () => {
  assert.throws(() => decodeBase64('*', 'root'), { code: 'INVALID_BASE64', message: 'root is not base64.' })
})
