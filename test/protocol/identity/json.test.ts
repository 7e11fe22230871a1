import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  DuplicateKeyError,
  formatJsonPath,
  MalformedJsonError,
  parseJson,
  UnplainNumberError,
} from '../../../protocol/identity/json.ts'

/** Any JSON without numbers that a parser could round. */
const anyJson = fc
  .jsonValue({ maxDepth: 4 })
  .map((value) =>
    JSON.stringify(value, (_key, item) => (typeof item === 'number' ? Math.abs(Math.trunc(item) % 1000) : item)),
  )

test('parseJson: takes what JSON.parse takes', () => {
  fc.assert(
    fc.property(anyJson, fc.nat(3), (text, indent) => {
      const spaced = JSON.stringify(JSON.parse(text), null, indent)
      assert.deepEqual(parseJson(spaced), JSON.parse(text))
    }),
  )
})

test('parseJson: refuses what is not JSON', () => {
  for (const text of ['', '{', '{"a":1,}', '{a:1}', '// no\n{}', '[01]', '{"a":NaN}', '\ufeff{}']) {
    assert.throws(() => parseJson(text), MalformedJsonError, text)
  }
})

test('parseJson: refuses a key given twice, however it is escaped', () => {
  assert.throws(() => parseJson('{"a":1,"b":[{"c":1,"d":{},"c":2}]}'), {
    code: 'DUPLICATE_KEY',
    message: 'b[0].c is given twice.',
  })
  assert.throws(() => parseJson('{"a":1,"\\u0061":2}'), DuplicateKeyError)
  assert.throws(() => parseJson('{"__proto__":1,"__proto__":2}'), DuplicateKeyError)
})

test('parseJson: takes one key in two objects, and a value that repeats a key', () => {
  const text = '{"a":{"a":"a"},"b":["a","a",{"a":","},{"a":"\\"}"}]}'
  assert.deepEqual(parseJson(text), JSON.parse(text))
})

test('parseJson: refuses a number that a parser could round or read in two ways', () => {
  for (const number of [
    '9007199254740992',
    '9007199254740993',
    '18446744073709551616',
    '1e3',
    '1E3',
    '1.0',
    '1.5',
    '-1',
    '-0',
  ]) {
    assert.throws(() => parseJson(`{"list":[1,{"n":${number}}]}`), {
      code: 'UNPLAIN_NUMBER',
      message: 'list[1].n is not a plain whole number.',
    })
    assert.throws(() => parseJson(number), UnplainNumberError)
  }
})

test('parseJson: takes whole numbers up to 2^53 − 1', () => {
  assert.deepEqual(parseJson('[0, 1, 9007199254740991]'), [0, 1, Number.MAX_SAFE_INTEGER])
})

test('formatJsonPath: quotes, escapes and shortens a key that a stranger wrote', () => {
  assert.equal(formatJsonPath(['lattices', 0, 'chainId']), 'lattices[0].chainId')
  assert.equal(formatJsonPath([]), 'The config')
  assert.equal(formatJsonPath(['a', 'b c\u001b[31m\u202e']), 'a["b c\\u001b[31m\\u202e"]')
  assert.equal(formatJsonPath(['x'.repeat(1_000)]), `["${'x'.repeat(64)}"]`)
})
