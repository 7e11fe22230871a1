import assert from 'node:assert/strict'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { SEARCH_HITS_MAX, type SearchQuery } from '../../../client/searchPage.ts'
import type { Hex } from '../../../protocol/bytes.ts'
import { ENTRY_KINDS, type EntryKind, encodeAuditEntry } from '../../../protocol/wire/chronicleEntry.ts'
import { encodeOperatorStatement } from '../../../protocol/wire/operatorStatement.ts'
import { ENTRY_HEAD_SIZE_BYTES, openSearchIndex, type SearchIndex } from '../../../workers/member/searchIndex.ts'
import { createTestDir } from './chronicle-of-tests.ts'

const component: Hex = `0x${'c0'.repeat(32)}`
const word = (byte: string): Hex => `0x${byte.repeat(32)}`
/** The last two share their first 20 bytes. */
const CITIZENS: readonly Hex[] = [word('a1'), word('ff'), `0x${'a2'.repeat(20)}${'00'.repeat(12)}`, word('a2')]

/** An entry as a test names it: its kind, and the number of its citizen where it is about one. */
type Planted = { kind: EntryKind; citizen: number }

function toEntry({ kind, citizen }: Planted): Uint8Array {
  if (kind === 'citizenAdded' || kind === 'citizenRemoved') {
    const about = { coalitionId: word('01'), citizen: CITIZENS[citizen]!, citizenKind: 'lattice' } as const
    return encodeAuditEntry(kind === 'citizenAdded' ? { kind, ...about, label: 'one' } : { kind, ...about })
  }
  if (kind === 'coalitionSuperseded')
    return encodeAuditEntry({ kind, coalitionId: word('01'), supersededBy: word('02') })
  const submitter: Hex = `0x${'51'.repeat(20)}`
  return encodeOperatorStatement({ submitter, sequence: 1n, index: 0, statement: new Uint8Array(5_000) })
}

const timeOf = (height: bigint): bigint => 1_000n + 10n * height

/** Adds heights of entries, each height in slices of `sliceCount`. */
function fill(index: SearchIndex, heights: readonly (readonly Planted[])[], sliceCount = 1_000): void {
  for (const planted of heights) {
    const { height: last } = index.position()
    const height = last + 1n
    const heads = planted.map((each) => toEntry(each).subarray(0, ENTRY_HEAD_SIZE_BYTES))
    for (let at = 0; at === 0 || at < heads.length; at += sliceCount) {
      const digest = at + sliceCount >= heads.length ? word('dd') : undefined
      const slice = { heads: heads.slice(at, at + sliceCount), first: index.position().size, digest }
      index.add({ height, timestampMs: timeOf(height), ...slice })
    }
  }
}

const openIn = (dir: string) => openSearchIndex({ path: join(dir, 'search.sqlite'), component })

const anyPlanted: fc.Arbitrary<Planted> = fc.record({
  kind: fc.constantFrom<EntryKind>('citizenAdded', 'citizenRemoved', 'coalitionSuperseded', 'operatorStatement'),
  citizen: fc.nat({ max: CITIZENS.length - 1 }),
})
const anyQuery: fc.Arbitrary<SearchQuery> = fc.record(
  {
    citizen: fc.constantFrom(...CITIZENS, ...CITIZENS.map((id) => id.slice(0, 42) as Hex)),
    kind: fc.constantFrom(...ENTRY_KINDS),
    fromMs: fc.bigInt({ min: 1_000n, max: 1_100n }),
    toMs: fc.bigInt({ min: 1_000n, max: 1_100n }),
    after: fc.bigInt({ min: 0n, max: 30n }),
  },
  { requiredKeys: [] },
)

/** What the index should find, by looking at every entry. */
function search(heights: readonly (readonly Planted[])[], query: SearchQuery) {
  const { citizen, kind, fromMs = 0n, toMs = 1n << 62n, after = -1n } = query
  const all = heights.flatMap((planted, at) => planted.map((each) => ({ ...each, height: BigInt(at + 1) })))
  return all
    .map((each, at) => ({ ...each, index: BigInt(at), timestampMs: timeOf(each.height) }))
    .filter(({ index, timestampMs }) => index > after && timestampMs >= fromMs && timestampMs < toMs)
    .filter((each) => kind === undefined || each.kind === kind)
    .filter((each) => {
      if (citizen === undefined) return true
      const isAbout = each.kind === 'citizenAdded' || each.kind === 'citizenRemoved'
      return isAbout && CITIZENS[each.citizen]!.startsWith(citizen)
    })
    .map(({ index, kind, height, timestampMs }) => ({ index, kind, height, timestampMs }))
}

test('search index: finds what looking at every entry finds, however it was asked and filled', () => {
  const index = openIn(createTestDir())
  fc.assert(
    fc.property(
      fc.array(fc.array(anyPlanted, { maxLength: 6 }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(anyQuery, { maxLength: 10 }),
      (heights, sliceCount, queries) => {
        index.reset({ height: 0n, digest: '0x', size: 0n })
        fill(index, heights, sliceCount)
        const size = BigInt(heights.flat().length)
        for (const query of [{}, ...queries]) {
          assert.deepEqual(index.find(query), {
            firstIndex: 0n,
            size,
            hits: search(heights, query),
            isComplete: true,
          })
        }
      },
    ),
    { numRuns: 60 },
  )
  index.close()
})

test('search index: gives a page at a time, and says when there are no more', () => {
  const index = openIn(createTestDir())
  const added: Planted = { kind: 'citizenAdded', citizen: 0 }
  fill(index, [Array(SEARCH_HITS_MAX).fill(added), Array(SEARCH_HITS_MAX + 1).fill(added)])
  const query = { citizen: CITIZENS[0]!, kind: 'citizenAdded' } as const
  const indexes: bigint[] = []
  const pages: boolean[] = []
  for (let after: bigint | undefined; ; after = indexes.at(-1)) {
    const { hits, isComplete } = index.find({ ...query, after })
    indexes.push(...hits.map((hit) => hit.index))
    pages.push(isComplete)
    if (isComplete) break
  }
  assert.deepEqual(pages, [false, false, true])
  assert.deepEqual(
    indexes,
    Array.from({ length: 2 * SEARCH_HITS_MAX + 1 }, (_, at) => BigInt(at)),
  )
  index.close()
})

test('search index: is there again when it is opened again, and empty for another component', () => {
  const dir = createTestDir()
  const first = openIn(dir)
  fill(first, [[{ kind: 'citizenAdded', citizen: 0 }], []])
  first.close()
  const second = openIn(dir)
  assert.deepEqual({ ...second.position() }, { first: 0n, size: 1n, height: 2n, digest: word('dd') })
  assert.equal(second.find({}).hits.length, 1)
  second.close()
  const other = openSearchIndex({ path: join(dir, 'search.sqlite'), component: word('c1') })
  assert.equal(other.find({}).hits.length, 0)
  assert.equal(other.position().height, 0n)
  other.close()
})

const damages: { name: string; damage(path: string): void }[] = [
  { name: 'is no database', damage: (path) => writeFileSync(path, 'x'.repeat(10_000)) },
  { name: 'is cut off', damage: (path) => truncateSync(path, 5_000) },
  { name: 'is empty', damage: (path) => writeFileSync(path, '') },
]
for (const { name, damage } of damages) {
  test(`search index: one that ${name} is made anew`, () => {
    const dir = createTestDir()
    const first = openIn(dir)
    fill(first, [Array(300).fill({ kind: 'citizenAdded', citizen: 1 })])
    first.close()
    damage(join(dir, 'search.sqlite'))
    const second = openIn(dir)
    assert.deepEqual(second.find({}), { firstIndex: 0n, size: 0n, hits: [], isComplete: true })
    fill(second, [[{ kind: 'citizenAdded', citizen: 1 }]])
    assert.equal(second.find({ citizen: CITIZENS[1]! }).hits.length, 1)
    second.close()
  })
}

test('search index: refuses a slice that does not follow what it has', () => {
  const index = openIn(createTestDir())
  fill(index, [[{ kind: 'citizenAdded', citizen: 0 }]])
  const slice = { height: 2n, timestampMs: 1n, first: 1n, heads: [], digest: undefined }
  assert.throws(() => index.add({ ...slice, first: 2n }), RangeError)
  assert.throws(() => index.add({ ...slice, height: 3n }), RangeError)
  index.close()
})
