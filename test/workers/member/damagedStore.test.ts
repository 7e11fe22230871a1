import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { createStores } from '../../../scripts/faults/createStore.ts'
import { DATABASE, type Damage, JOURNAL, readHistory, sizeOf, tryDamage } from '../../../scripts/faults/damage.ts'
import { createTestDir } from './chronicle-of-tests.ts'

const dir = createTestDir()
const { killed, closed } = await createStores(dir, { heights: 2 })
const scratch = join(dir, 'scratch')

/** A prime apart, so that every part of a page and of a frame is met. */
const spread = (size: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => (index * Math.floor(size / count) + index * 7) % size)

function outcomesOf(store: typeof killed, damages: readonly Damage[]): Map<string, number> {
  const history = readHistory(store, scratch)
  const outcomes = new Map<string, number>()
  for (const damage of damages) {
    const { outcome, reason } = tryDamage(store, damage, { scratch, history })
    assert.notEqual(outcome, 'altered', `${JSON.stringify(damage)}: ${reason}`)
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
  return outcomes
}

test('a store whose journal was cut anywhere opens as it once was, or is refused', () => {
  const sizes = spread(sizeOf(killed, JOURNAL), 150)
  const outcomes = outcomesOf(
    killed,
    sizes.map((sizeBytes) => ({ kind: 'truncate', file: JOURNAL, sizeBytes })),
  )
  assert.ok((outcomes.get('earlier') ?? 0) > 100)
})

test('a store with a flipped bit in its journal opens as it once was, or is refused', () => {
  const bits = spread(8 * sizeOf(killed, JOURNAL), 150)
  outcomesOf(
    killed,
    bits.map((bit) => ({ kind: 'flip', file: JOURNAL, bit })),
  )
})

test('a store with a flipped bit in its database opens whole, or is refused by name', () => {
  const bits = spread(8 * sizeOf(closed, DATABASE), 300)
  // These stand in the schema: SQLite refuses some in words of its own, and takes others as they come.
  const schema = [22_221, 24_989, 25_263, 28_733, 32_654]
  const outcomes = outcomesOf(
    closed,
    [...schema, ...bits].map((bit) => ({ kind: 'flip', file: DATABASE, bit })),
  )
  assert.equal(outcomes.has('earlier'), false)
  assert.ok((outcomes.get('refused') ?? 0) >= schema.length)
})
