import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deriveMessageDigest } from '../../committee/digest.ts'
import { ownKeyOf } from '../../committee/state.ts'
import { digestsOf, Network, type NetworkOptions, textsOf } from './network.ts'

/** No two members differ at a height, and none signed two things for one height, round and kind. */
function assertSafe(network: Network, { memberCount, seed }: NetworkOptions): void {
  const logs = network.decisions.map(digestsOf)
  const longest = logs.reduce((a, b) => (a.length >= b.length ? a : b))
  for (const log of logs) assert.deepEqual(log, longest.slice(0, log.length), `seed ${seed}`)
  for (let member = 0; member < memberCount; member++) {
    const signed = new Map<string, string>()
    for (const { message } of network.recordsOf(member)) {
      const place = `${message.height}/${ownKeyOf(message)}`
      assert.equal(signed.has(place), false, `seed ${seed}: ${place} of member ${member}`)
      signed.set(place, deriveMessageDigest(message))
    }
  }
  assert.deepEqual(network.evidence, [])
}

/** Decides `heights` heights one after the other, each with work of its own. */
function decideHeights(options: NetworkOptions, heights: number): Network {
  const network = new Network(options)
  for (let height = 1; height <= heights; height++) {
    network.submit(`work ${height}`)
    const isDecided = network.runUntil(BigInt(height), { timeMaxMs: 600_000 })
    assert.ok(isDecided, `height ${height} of ${options.memberCount} members, seed ${options.seed}`)
  }
  assertSafe(network, options)
  return network
}

for (const memberCount of [1, 2, 3, 4, 7, 16])
  test(`network: ${memberCount} member(s) decide every height in its first round`, () => {
    const network = decideHeights({ memberCount }, 10)
    for (const decisions of network.decisions) {
      assert.deepEqual(
        decisions.map(({ certificate }) => certificate.round),
        Array(10).fill(0),
      )
      assert.deepEqual(
        textsOf(decisions),
        Array.from({ length: 10 }, (_, index) => `work ${index + 1}`),
      )
    }
  })

test('network: without work nothing is said', () => {
  const network = new Network({ memberCount: 4 })
  assert.equal(network.runUntil(1n), false)
  assert.deepEqual(
    [0, 1, 2, 3].flatMap((member) => network.recordsOf(member)),
    [],
  )
})

test('network: f silent members do not stop it, f + 1 do', () => {
  for (const silent of [[0], [1], [2], [3]]) decideHeights({ memberCount: 4, silent }, 8)
  decideHeights({ memberCount: 7, silent: [2, 3] }, 8)
  const network = new Network({ memberCount: 4, silent: [1, 2] })
  network.submit('work')
  assert.equal(network.runUntil(1n), false)
})

test('network: with loss and delay it goes on, and stays one log', () => {
  for (let seed = 1; seed <= 10; seed++) {
    decideHeights({ memberCount: 4, seed, lossRatio: 0.2, delayMaxMs: 600 }, 4)
    decideHeights({ memberCount: 4, seed, lossRatio: 0.1, delayMaxMs: 300, silent: [seed % 4], hasExtensions: true }, 4)
  }
})

test('network: every height past the first carries a quorum’s vote extensions', () => {
  const network = decideHeights({ memberCount: 4, hasExtensions: true }, 5)
  const counts = network.decisions[0]!.map(({ proposal }) => proposal.extensions.length)
  assert.equal(counts[0], 0)
  assert.ok(counts.slice(1).every((count) => count >= 3))
})
