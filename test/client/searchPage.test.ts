import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  decodeSearchPage,
  decodeSearchQuery,
  encodeSearchPage,
  encodeSearchQuery,
  MalformedSearchError,
  MalformedSearchPageError,
  SEARCH_HITS_MAX,
  type SearchPage,
} from '../../client/searchPage.ts'
import { toHex } from '../../protocol/bytes.ts'
import { ENTRY_KINDS } from '../../protocol/wire/chronicleEntry.ts'

const url = 'http://127.0.0.1:1'
const number = fc.bigInt({ min: 0n, max: (1n << 63n) - 1n })
const id = fc
  .constantFrom(20, 32)
  .chain((sizeBytes) => fc.uint8Array({ minLength: sizeBytes, maxLength: sizeBytes }).map(toHex))
const anyQuery = fc.record(
  { citizen: id, kind: fc.constantFrom(...ENTRY_KINDS), fromMs: number, toMs: number, after: number },
  { requiredKeys: [], noNullPrototype: true },
)
const anyPage: fc.Arbitrary<SearchPage> = fc.record({
  firstIndex: number,
  size: number,
  hits: fc.array(
    fc.record({ index: number, kind: fc.constantFrom(...ENTRY_KINDS), height: number, timestampMs: number }),
    { maxLength: 5 },
  ),
  isComplete: fc.boolean(),
})

test('decodeSearchQuery and decodeSearchPage: give back whatever was encoded', () => {
  fc.assert(
    fc.property(anyQuery, anyPage, (query, page) => {
      assert.deepEqual(decodeSearchQuery(encodeSearchQuery(query)), query)
      assert.deepEqual(decodeSearchPage(encodeSearchPage(page), { url }), structuredClone(page))
    }),
  )
})

test('encodeSearchQuery: is the query of the URL that the documentation has', () => {
  const citizen = `0x${'a1'.repeat(20)}` as const
  const query = { citizen, kind: 'citizenAdded', fromMs: 1n, toMs: 2n, after: 3n } as const
  assert.equal(encodeSearchQuery(query), `citizen=${citizen}&kind=citizenAdded&from=1&to=2&after=3`)
  assert.equal(encodeSearchQuery({}), '')
})

for (const { name, text } of [
  { name: 'an id of another length', text: 'citizen=0x1234' },
  { name: 'upper-case hex', text: `citizen=0x${'AB'.repeat(32)}` },
  { name: 'a kind that is none', text: 'kind=toString' },
  { name: 'a number with a sign', text: 'from=-1' },
  { name: 'a number with leading zeros', text: 'to=01' },
  { name: 'a number above 2^63 − 1', text: `after=${1n << 63n}` },
  { name: 'a part given twice', text: 'after=1&after=1' },
  { name: 'a part that is unknown', text: 'limit=5' },
]) {
  test(`decodeSearchQuery: refuses ${name}`, () => {
    assert.throws(() => decodeSearchQuery(text), MalformedSearchError)
  })
}

const page = { firstIndex: '0', size: '1', hits: [], isComplete: true }
const hit = { index: '0', kind: 'citizenAdded', height: '1', timestampMs: '5' }
for (const { name, value } of [
  { name: 'a missing part', value: { ...page, size: undefined } },
  { name: 'an unknown part', value: { ...page, more: 1 } },
  { name: 'a number that is none', value: { ...page, size: 1 } },
  { name: 'a kind that this release does not know', value: { ...page, hits: [{ ...hit, kind: 'rumour' }] } },
  { name: 'more hits than a page has', value: { ...page, hits: Array(SEARCH_HITS_MAX + 1).fill(hit) } },
  { name: 'another shape', value: [] },
]) {
  test(`decodeSearchPage: refuses ${name}`, () => {
    assert.throws(() => decodeSearchPage(JSON.stringify(value), { url }), MalformedSearchPageError)
  })
}

test('decodeSearchPage: refuses what is not JSON', () => {
  assert.throws(() => decodeSearchPage('<html>', { url }), MalformedSearchPageError)
})
