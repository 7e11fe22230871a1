import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { benchGas } from '../../bench/gas.ts'

/** What each call cost when the snapshot was taken: `npm run --silent bench -- gas --json > test/contracts/gas-snapshot.json`. */
const snapshot = JSON.parse(readFileSync(join(import.meta.dirname, 'gas-snapshot.json'), 'utf8')) as {
  name: string
  value: number
}[]
const figures = new Map((await benchGas()).map(({ name, value }) => [name, value]))
const gasOf = (name: string): number => figures.get(name) ?? assert.fail(`no figure ${name}`)

/**
 * Block times differ from run to run, and with them every signature: a zero byte costs 12 gas less than another, and of the
 * 1,344 signature bytes of 31 members some 5 ± 7 are zero.
 */
const TOLERANCE_GAS = 240

test('gas: no figure is worse than the committed snapshot', () => {
  for (const { name, value } of snapshot.filter((each) => !/ (floor|formula)$/.test(each.name))) {
    assert.ok(gasOf(name) <= value + TOLERANCE_GAS, `${name}: ${gasOf(name)} gas, and ${value} in the snapshot`)
  }
})

test('gas: the snapshot names every figure', () =>
  assert.deepEqual(
    snapshot.map(({ name }) => name),
    [...figures.keys()],
  ))

for (const [memberCount, limit] of [
  [4, 62_000],
  [7, 71_500],
  [16, 99_500],
  [31, 146_500],
] as const) {
  test(`gas: an anchor of ${memberCount} members costs at most ${limit}`, () =>
    assert.ok(gasOf(`anchor n=${memberCount}`) <= limit, `${gasOf(`anchor n=${memberCount}`)}`))

  test(`gas: a rotation of ${memberCount} members costs at most 2,000 more than an anchor`, () =>
    assert.ok(gasOf(`rotation n=${memberCount}`) <= gasOf(`anchor n=${memberCount}`) + 2_000))

  test(`gas: a certificate of ${memberCount} members costs at most 9 % more than its formula`, () =>
    assert.ok(gasOf(`certificate n=${memberCount}`) <= 1.09 * gasOf(`certificate n=${memberCount} formula`)))
}
