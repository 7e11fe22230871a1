import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { BrowserProvider, isCallException } from 'ethers'
import { ComponentRegistry__factory } from '../../chain/generated/ethers/factories/ComponentRegistry__factory.ts'
import { toHex } from '../../protocol/bytes.ts'
import { createTestChain, type TestChain } from './createTestChain.ts'
import { createTestComponent, type TestComponent } from './createTestComponent.ts'

let world: TestChain
let component: TestComponent
before(async () => {
  world = await createTestChain()
  component = await createTestComponent(world, { name: 'ethers' })
  await component.anchor({ leafCount: 5 })
})

test('a plain ethers client verifies an entry through the generated bindings, and sees a forged one refused', async () => {
  const provider = new BrowserProvider({
    request: ({ method, params }) => world.request(method, (params ?? []) as readonly unknown[]),
  })
  const registry = ComponentRegistry__factory.connect(component.registry.address, provider)
  // The head from the event alone, as an integrator finds it.
  const [event] = await registry.queryFilter(registry.filters.Anchored(component.key))
  assert.equal(event?.args.head.logRoot, component.head.logRoot)
  const proof = component.log.proveInclusion(3, 5).map(toHex)
  const leaf = toHex(component.log.leaf(3))
  assert.equal(await registry.isInWindow(component.key, component.head), true)
  await registry.verifyInclusion(component.key, component.head, 3, leaf, proof)
  await assert.rejects(
    registry.verifyInclusion(component.key, component.head, 3, '0xdead', proof),
    (error) => isCallException(error) && error.revert?.name === 'Rfc9162RootMismatch',
  )
  provider.destroy()
})

test('the core does not depend on ethers', () => {
  const { dependencies } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'))
  assert.equal(Object.hasOwn(dependencies, 'ethers'), false)
})
