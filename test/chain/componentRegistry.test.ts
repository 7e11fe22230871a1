import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { createPublicClient, custom } from 'viem'
import { COMPONENT_REGISTRY_ADDRESS } from '../../chain/addresses.ts'
import {
  ComponentUnknownError,
  HeadUnprovenError,
  NoContractError,
  openComponentRegistry,
} from '../../chain/componentRegistry.ts'
import type { Chain } from '../../chain/connectChain.ts'
import { readHeads } from '../../chain/readHeads.ts'
import { RegistryRefusedError } from '../../chain/registryRefusal.ts'
import { createTestChain, type TestChain } from './createTestChain.ts'
import { createTestComponent, type TestComponent } from './createTestComponent.ts'
import { createTestCommittee } from './testCommittee.ts'
import { digestOf } from './testLog.ts'

let world: TestChain
let component: TestComponent
before(async () => {
  world = await createTestChain()
  component = await createTestComponent(world, { name: 'typed' })
})

test('openComponentRegistry: refuses an address without code', () =>
  assert.rejects(openComponentRegistry(world.chain, { address: `0x${'11'.repeat(20)}` }), NoContractError))

test('register: finds a component that is registered already', async () => {
  const parameters = { componentId: digestOf('typed'), members: component.committee.members }
  assert.equal((await component.registry.register(world.stranger, parameters)).component, component.key)
})

test('readHead: the newest head from events alone, after rotations and a retirement', async () => {
  const { registry, key } = component
  assert.equal((await registry.readHead({ component: key })).anchorIndex, 0n)
  const expected = [component.head]
  for (let index = 0; index < 9; index++) expected.push(await component.anchor({ leafCount: 2 }))
  const next = createTestCommittee({ name: 'typed 2', memberCount: 3 })
  expected.push(await component.anchor({ next: { kind: 'rotation', newCommitteeHash: next.hash } }))
  component.committee = next
  expected.push(await component.anchor())
  const retirement = { kind: 'retirement', successor: digestOf('successor'), reason: 'done' } as const
  expected.push(await component.anchor({ next: retirement }))
  assert.deepEqual(await registry.readHead({ component: key }), expected.at(-1))
  assert.deepEqual(await readHeads(registry.chain, { address: registry.address, component: key }), expected)
})

test('readHead: says that nobody registered the component', () =>
  assert.rejects(component.registry.readHead({ component: digestOf('nobody') }), ComponentUnknownError))

test('readHead: does not trust an endpoint that leaves out the newest event', async () => {
  const { client } = world.chain
  const request = async (call: { method: string; params?: unknown }): Promise<unknown> => {
    const result = await client.request(call as never)
    return call.method === 'eth_getLogs' ? (result as unknown[]).slice(0, -1) : result
  }
  const lying: Chain = { ...world.chain, client: createPublicClient({ transport: custom({ request }) }) }
  const registry = await openComponentRegistry(lying, { address: COMPONENT_REGISTRY_ADDRESS })
  await assert.rejects(registry.readHead({ component: component.key }), HeadUnprovenError)
})

test('anchor: a refusal names the contract’s error, its arguments and what to do', async () => {
  const other = await createTestComponent(world, { name: 'refusals' })
  const stale = await other.prepare()
  await other.anchor()
  await assert.rejects(other.registry.anchor(world.sender, stale), (error) => {
    assert.ok(error instanceof RegistryRefusedError)
    assert.equal(error.code, 'REGISTRY_REFUSED')
    assert.equal(error.message, `The registry refused: ComponentRegistryNotNewest(${other.key}, 0).`)
    assert.match(error.fix, /newest head/)
    assert.equal(error.isRetryable, true)
    return true
  })
})

test('send: two anchors at once take turns, and the second is refused for its head', async () => {
  const other = await createTestComponent(world, { name: 'turns' })
  const parameters = await other.prepare()
  const results = await Promise.allSettled([1, 2].map(() => other.registry.anchor(world.sender, parameters)))
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
})
