import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFollower, type Follower } from '../../chain/createFollower.ts'
import { ReorgTooDeepError } from '../../chain/followLogs.ts'
import { createTestChain, type TestChain } from './createTestChain.ts'
import { createTestComponent, type TestComponent } from './createTestComponent.ts'

async function createWorld(name: string): Promise<{ world: TestChain; component: TestComponent; follower: Follower }> {
  const world = await createTestChain()
  const component = await createTestComponent(world, { name })
  const { address } = component.registry
  return {
    world,
    component,
    follower: createFollower(world.chain, { address, component: component.key, confirmations: 3 }),
  }
}

const mine = async (world: TestChain, count: number): Promise<void> => {
  for (let block = 0; block < count; block++) await world.request('evm_mine')
}
const pollKinds = async (follower: Follower): Promise<string[]> =>
  (await follower.poll()).map(({ kind, anchor }) => `${kind} ${anchor.head.anchorIndex}`)

test('poll: an anchor is seen at once and counts after its confirmations, each told once', async () => {
  const { world, component, follower } = await createWorld('confirmed')
  assert.deepEqual(await pollKinds(follower), [])
  await component.anchor()
  assert.deepEqual(await pollKinds(follower), ['seen 1'])
  await mine(world, 1)
  assert.deepEqual(await pollKinds(follower), [])
  await mine(world, 1)
  const [event] = await follower.poll()
  assert.deepEqual([event?.kind, event?.anchor.head], ['confirmed', component.head])
  assert.deepEqual(await pollKinds(follower), [])
})

test('poll: a follower that starts late tells everything from the first block on', async () => {
  const { world, component, follower } = await createWorld('late')
  await component.anchor()
  await component.anchor()
  await mine(world, 1)
  assert.deepEqual(await pollKinds(follower), ['seen 1', 'confirmed 1', 'seen 2'])
})

test('poll: an anchor that a reorganisation removed is told, and told again where it comes back', async () => {
  const { world, component, follower } = await createWorld('removed')
  await component.anchor()
  await mine(world, 3)
  await follower.poll()
  const before = component.head
  const snapshot = await world.request('evm_snapshot')
  const prepared = await component.prepare()
  await component.registry.anchor(world.sender, prepared)
  assert.deepEqual(await pollKinds(follower), ['seen 2'])
  await world.request('evm_revert', [snapshot])
  await mine(world, 1)
  assert.deepEqual(await pollKinds(follower), ['removed 2'])
  assert.deepEqual(await component.registry.readHead({ component: component.key }), before)
  await component.registry.anchor(world.sender, prepared)
  await mine(world, 2)
  assert.deepEqual(await pollKinds(follower), ['seen 2', 'confirmed 2'])
})

test('poll: an anchor that moves to another block of the same height is removed and seen', async () => {
  const { world, component, follower } = await createWorld('moved')
  const snapshot = await world.request('evm_snapshot')
  const prepared = await component.prepare()
  await component.registry.anchor(world.sender, prepared)
  await follower.poll()
  await world.request('evm_revert', [snapshot])
  await world.request('evm_increaseTime', [60])
  await component.registry.anchor(world.sender, prepared)
  assert.deepEqual(await pollKinds(follower), ['removed 1', 'seen 1'])
})

test('ReorgTooDeepError: a block that counted as final was replaced', async () => {
  const { world, component, follower } = await createWorld('deep')
  const snapshot = await world.request('evm_snapshot')
  await component.anchor()
  await mine(world, 5)
  await follower.poll()
  await world.request('evm_revert', [snapshot])
  await assert.rejects(follower.poll(), ReorgTooDeepError)
  await world.request('evm_increaseTime', [60])
  await mine(world, 9)
  await assert.rejects(follower.poll(), ReorgTooDeepError)
})
