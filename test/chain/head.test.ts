import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deriveRingWord, fromPackedHead, type Head, toPackedHead } from '../../chain/head.ts'
import { createRandom } from './random.ts'
import { digestOf } from './testLog.ts'

const MAX_UINT64 = 2n ** 64n - 1n

function createHead(changes: Partial<Head> = {}): Head {
  return {
    committeeHash: digestOf('committee'),
    epoch: 1n,
    height: 2n,
    logSize: 3n,
    logRoot: digestOf('root'),
    state: digestOf('state'),
    timestampMs: 4n,
    anchorIndex: 5n,
    anchoredAt: 6n,
    retired: false,
    ...changes,
  }
}

test('toPackedHead and fromPackedHead: exact inverses, to the ends of every number', () => {
  const random = createRandom()
  for (let run = 0; run < 200; run++) {
    const number = (): bigint => random.pick([0n, 1n, MAX_UINT64, BigInt(random.below(2 ** 32))])
    const head = createHead({
      epoch: number(),
      height: number(),
      logSize: number(),
      timestampMs: number(),
      anchorIndex: number(),
      anchoredAt: number(),
      retired: random.below(2) === 1,
    })
    assert.deepEqual(fromPackedHead(toPackedHead(head)), head, `replay with SEED=${random.seed}`)
  }
})

test('deriveRingWord: laps count from 1 and advance every eight heads', () => {
  const lapOf = (anchorIndex: bigint): number => Number(deriveRingWord(createHead({ anchorIndex })).slice(0, 10))
  assert.deepEqual([0n, 7n, 8n, 15n, 16n].map(lapOf), [1, 1, 2, 2, 3])
})

test('deriveRingWord: every field counts', () => {
  const words = new Set([
    deriveRingWord(createHead()),
    deriveRingWord(createHead({ committeeHash: digestOf('other') })),
    deriveRingWord(createHead({ epoch: 7n })),
    deriveRingWord(createHead({ height: 7n })),
    deriveRingWord(createHead({ logSize: 7n })),
    deriveRingWord(createHead({ logRoot: digestOf('other') })),
    deriveRingWord(createHead({ state: digestOf('other') })),
    deriveRingWord(createHead({ timestampMs: 7n })),
    deriveRingWord(createHead({ anchorIndex: 7n })),
    deriveRingWord(createHead({ anchoredAt: 7n })),
    deriveRingWord(createHead({ retired: true })),
  ])
  assert.equal(words.size, 11)
})
