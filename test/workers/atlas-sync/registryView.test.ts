import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Hex } from '../../../protocol/bytes.ts'
import { defineCoalition } from '../../../protocol/identity/coalition.ts'
import { createRegistryView, listComponents } from '../../../workers/atlas-sync/registryView.ts'
import { createTestChain, type TestChain } from '../../chain/createTestChain.ts'
import { createTestComponent } from '../../chain/createTestComponent.ts'
import { createTestCommittee } from '../../chain/testCommittee.ts'

const SUCCESSOR: Hex = `0x${'5c'.repeat(32)}`

/** An Atlas and a ticket issuer on one registry, of which a view follows both, and a stranger whom it does not. */
async function createWorld() {
  const world = await createTestChain()
  const atlas = await createTestComponent(world, { name: 'atlas' })
  const issuer = await createTestComponent(world, { name: 'issuer' })
  const stranger = await createTestComponent(world, { name: 'stranger' })
  const named = [
    { kind: 'module', name: 'atlas', component: atlas.key },
    { kind: 'tickets', name: 'tickets', component: issuer.key },
  ] as const
  const { address } = atlas.registry
  const view = createRegistryView({ chain: world.chain }, { address, named, confirmations: 3, fromBlock: 0n })
  return { world, atlas, issuer, stranger, view }
}

const mine = async (world: TestChain, count: number): Promise<void> => {
  for (let block = 0; block < count; block++) await world.request('evm_mine')
}

test('RegistryView: tells registration, anchors, a rotation and a retirement once they count', async () => {
  const { world, atlas, issuer, stranger, view } = await createWorld()
  assert.deepEqual(view.find(atlas.key)?.newest, undefined)
  await mine(world, 2)
  await view.poll()
  assert.equal(view.find(atlas.key)?.confirmed?.anchorIndex, 0n)
  assert.deepEqual(
    view.list().map(({ component }) => component),
    [atlas.key, issuer.key].sort(),
  )
  await issuer.anchor()
  await stranger.anchor()
  const next = createTestCommittee({ name: 'atlas next', memberCount: 4 })
  await atlas.anchor({ next: { kind: 'rotation', newCommitteeHash: next.hash } })
  atlas.committee = next
  await view.poll()
  const rotated = view.find(atlas.key)!
  assert.deepEqual([rotated.confirmed?.epoch, rotated.newest?.epoch], [0n, 1n])
  await mine(world, 2)
  await view.poll()
  assert.deepEqual(view.find(atlas.key)?.confirmed, atlas.head)
  assert.equal(view.find(atlas.key)?.confirmed?.committeeHash, next.hash)
  // What issues tickets has its root there.
  assert.equal(view.find(issuer.key)?.confirmed?.logRoot, issuer.head.logRoot)
  assert.equal(view.find(stranger.key), undefined)

  const { effectiveHeight } = { effectiveHeight: atlas.head.height + 1n }
  await atlas.anchor({ next: { kind: 'retirement', successor: SUCCESSOR, reason: 'moved' } })
  await view.poll()
  assert.deepEqual([view.find(atlas.key)?.retirement, view.find(atlas.key)?.newest?.retired], [undefined, true])
  await mine(world, 2)
  await view.poll()
  assert.deepEqual(view.find(atlas.key)?.retirement, { successor: SUCCESSOR, effectiveHeight, reason: 'moved' })
})

test('RegistryView: takes back what a reorganisation removed, and tells what came in its place', async () => {
  const { world, atlas, view } = await createWorld()
  await mine(world, 3)
  await view.poll()
  const before = atlas.head
  const snapshot = await world.request('evm_snapshot')
  const prepared = await atlas.prepare()
  await atlas.registry.anchor(world.sender, prepared)
  await view.poll()
  assert.equal(view.find(atlas.key)?.newest?.anchorIndex, 1n)
  await world.request('evm_revert', [snapshot])
  await mine(world, 1)
  await view.poll()
  assert.deepEqual(view.find(atlas.key)?.newest, before)
  const { head } = await atlas.registry.anchor(world.sender, prepared)
  await view.poll()
  assert.deepEqual([view.find(atlas.key)?.newest, view.find(atlas.key)?.confirmed], [head, before])
  await mine(world, 2)
  await view.poll()
  assert.deepEqual(view.find(atlas.key)?.confirmed, head)
})

test('RegistryView: forgets everything where what counted was replaced, and rebuilds it from the chain', async () => {
  const { world, atlas, view } = await createWorld()
  await mine(world, 3)
  const before = atlas.head
  const snapshot = await world.request('evm_snapshot')
  await atlas.registry.anchor(world.sender, await atlas.prepare())
  await mine(world, 5)
  await view.poll()
  assert.equal(view.find(atlas.key)?.confirmed?.anchorIndex, 1n)
  await world.request('evm_revert', [snapshot])
  await world.request('evm_increaseTime', [60])
  await mine(world, 9)
  await assert.rejects(view.poll(), { code: 'REORG_TOO_DEEP' })
  assert.equal(view.find(atlas.key)?.confirmed, undefined)
  await view.poll()
  assert.deepEqual(view.find(atlas.key)?.confirmed, before)
})

test('listComponents: names every component of a config', () => {
  const committee: Hex = `0x${'1c'.repeat(32)}`
  const contentHash: Hex = `0x${'2c'.repeat(32)}`
  const spans = [`0x${'a1'.repeat(32)}`, `0x${'b2'.repeat(32)}`] as const
  const coalition = defineCoalition({
    schemaVersion: 1,
    name: 'test',
    confluences: [{ name: 'intents', spans, contentHash, committee }],
    modules: { atlas: { contentHash, committee }, chronicle: { contentHash, committee } },
    ticketIssuer: { name: 'issuer', committee },
  })
  const named = listComponents(coalition)
  assert.deepEqual(
    named.map(({ kind, name }) => `${kind} ${name}`),
    ['module atlas', 'module chronicle', 'tickets issuer', 'confluence intents'],
  )
  assert.equal(named[0]!.component, coalition.atlas().componentKey())
  assert.equal(new Set(named.map(({ component }) => component)).size, 4)
})
