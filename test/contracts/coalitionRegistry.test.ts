import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { COALITION_REGISTRY_ADDRESS, DEPLOYED_CONTRACTS } from '../../chain/addresses.ts'
import { type CoalitionRegistry, openCoalitionRegistry } from '../../chain/coalitionRegistry.ts'
import { NoContractError } from '../../chain/componentRegistry.ts'
import { deployRegistry } from '../../chain/deployRegistry.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { createRandom } from '../chain/random.ts'
import { digestOf } from '../chain/testLog.ts'
import { assertRefused } from './refusals.ts'

const COALITION = digestOf('ethereum.superchain')

let world: TestChain
let registry: CoalitionRegistry
before(async () => {
  world = await createTestChain()
  for (const contract of DEPLOYED_CONTRACTS) await deployRegistry(world.sender, contract)
  registry = await openCoalitionRegistry(world.chain, { address: COALITION_REGISTRY_ADDRESS })
})

test('openCoalitionRegistry: refuses an address without code', () =>
  assert.rejects(openCoalitionRegistry(world.chain, { address: `0x${'22'.repeat(20)}` }), NoContractError))

test('publish: the event carries the bytes, and storage who published what last', async () => {
  const operator = world.sender.address
  const [first, second] = ['first', 'second'].map(digestOf) as [Hex, Hex]
  assert.equal(await registry.readLatest({ operator, coalition: COALITION }), undefined)
  const published = await registry.publish(world.sender, { coalition: COALITION, coalitionId: first, config: '0x01aa' })
  assert.deepEqual(
    { ...published, blockNumber: undefined },
    { operator, coalition: COALITION, coalitionId: first, sequence: 1n, config: '0x01aa', blockNumber: undefined },
  )
  await registry.publish(world.sender, { coalition: COALITION, coalitionId: second, config: '0x01bb' })
  const latest = await registry.readLatest({ operator, coalition: COALITION })
  assert.deepEqual(
    { ...latest, publishedAt: (latest?.publishedAt ?? 0n) * 1000n },
    {
      coalitionId: second,
      sequence: 2n,
      publishedAt: await world.readTimeMs(),
    },
  )
  const all = await registry.readPublished({ operator, coalition: COALITION })
  assert.deepEqual(
    all.map(({ coalitionId, sequence, config }) => [coalitionId, sequence, config]),
    [
      [first, 1n, '0x01aa'],
      [second, 2n, '0x01bb'],
    ],
  )
  assert.equal(await registry.isPublished({ operator, coalitionId: first }), true)
  assert.equal(await registry.isPublished({ operator, coalitionId: digestOf('third') }), false)
})

test('C1 operatorsAreApart: what one address publishes changes nothing of another’s', async () => {
  const random = createRandom()
  const senders = [world.sender, world.stranger]
  const coalitions = [digestOf('a'), digestOf('b')]
  const expected = new Map<string, { coalitionId: Hex; sequence: bigint }>()
  for (let step = 0; step < 40; step++) {
    const sender = random.pick(senders)
    const coalition = random.pick(coalitions)
    const place = `${sender.address} ${coalition}`
    const coalitionId = digestOf(`config ${random.below(8)}`)
    await registry.publish(sender, { coalition, coalitionId, config: '0x01' })
    expected.set(place, { coalitionId, sequence: (expected.get(place)?.sequence ?? 0n) + 1n })
    for (const each of senders) {
      for (const name of coalitions) {
        const latest = await registry.readLatest({ operator: each.address, coalition: name })
        const found = latest && { coalitionId: latest.coalitionId, sequence: latest.sequence }
        assert.deepEqual(found, expected.get(`${each.address} ${name}`), `replay with SEED=${random.seed}`)
      }
    }
  }
})

test('CoalitionRegistryIdZero: zero as either id', async () => {
  const id = digestOf('id')
  for (const ids of [
    { coalition: ZERO_BYTES32, coalitionId: id },
    { coalition: id, coalitionId: ZERO_BYTES32 },
  ]) {
    await assertRefused(() => registry.publish(world.sender, { ...ids, config: '0x01' }), 'CoalitionRegistryIdZero')
  }
})

test('CoalitionRegistryConfigSizeUnusable: no byte, and one more than 122,880', async () => {
  const ids = { coalition: COALITION, coalitionId: digestOf('size') }
  for (const size of [0, 122_881]) {
    const config: Hex = `0x${'ab'.repeat(size)}`
    await assertRefused(() => registry.publish(world.sender, { ...ids, config }), 'CoalitionRegistryConfigSizeUnusable')
  }
  await registry.publish(world.sender, { ...ids, config: `0x${'ab'.repeat(122_880)}` })
})
