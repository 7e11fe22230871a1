import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { createPublicClient, custom } from 'viem'
import { openComponentRegistry } from '../../chain/componentRegistry.ts'
import { type Chain, InvalidRpcUrlError, RpcRefusedError } from '../../chain/connectChain.ts'
import {
  connectEndpoints,
  EndpointCountError,
  joinEndpoints,
  RpcDisagreementError,
} from '../../chain/connectEndpoints.ts'
import { createSender } from '../../chain/createSender.ts'
import { RegistryRefusedError } from '../../chain/registryRefusal.ts'
import { fromHex } from '../../protocol/bytes.ts'
import { createTestChain, type TestChain } from './createTestChain.ts'
import { createTestComponent, type TestComponent } from './createTestComponent.ts'

let world: TestChain
let component: TestComponent
before(async () => {
  world = await createTestChain()
  component = await createTestComponent(world, { name: 'endpoints' })
  await component.anchor()
  await component.anchor()
})

type Call = { method: string; params?: readonly unknown[] }
/** An endpoint of the test's chain whose answers pass through `answer`. */
function endpoint(name: string, answer: (call: Call, honest: () => Promise<unknown>) => Promise<unknown>): Chain {
  const request = (call: Call): Promise<unknown> => answer(call, () => world.request(call.method, call.params))
  const client = createPublicClient({
    transport: custom({ request: request as never }, { retryCount: 0 }),
    cacheTime: 0,
  })
  return { client, chainId: 31_337, host: name }
}
const honest = (name: string): Chain => endpoint(name, (_call, ask) => ask())
const withoutEvents = endpoint('lying', async ({ method }, ask) => (method === 'eth_getLogs' ? [] : ask()))
const limited = endpoint('limited', async () => {
  throw Object.assign(new Error('rate limit exceeded'), { code: -32_005 })
})
const lagging = endpoint('lagging', async ({ method }, ask) => (method === 'eth_blockNumber' ? '0x1' : ask()))
const inverted = endpoint('inverted', async ({ method }, ask) => {
  const answer = await ask()
  if (method !== 'eth_call') return answer
  return String(answer).endsWith('1') ? `${String(answer).slice(0, -1)}0` : `${String(answer).slice(0, -1)}1`
})

const registryOver = async (endpoints: readonly Chain[], agreeCount = 2) =>
  openComponentRegistry(joinEndpoints(endpoints, { agreeCount }), { address: component.registry.address })

for (const [what, endpoints] of Object.entries({
  'one leaves out events': [withoutEvents, honest('a'), honest('b')],
  'one refuses everything for its rate': [limited, honest('a'), honest('b')],
  'one lags far behind': [lagging, honest('a'), honest('b')],
  'one turns every answer of a contract round': [inverted, honest('a'), honest('b')],
}))
  test(`joinEndpoints: the newest head, proven, where ${what}`, async () => {
    const registry = await registryOver(endpoints)
    assert.deepEqual(await registry.readHead({ component: component.key }), component.head)
    assert.equal(await registry.isNewest({ component: component.key, head: component.head }), true)
  })

test('RpcDisagreementError: two endpoints, of which one lies, and both must agree', async () => {
  const registry = await registryOver([inverted, honest('a')])
  await assert.rejects(registry.isNewest({ component: component.key, head: component.head }), (error) => {
    assert.ok(error instanceof RpcDisagreementError, String(error))
    assert.match(error.message, /inverted, a do not agree on eth_call/)
    return true
  })
})

test('RpcRefusedError: fewer answer than must agree', async () => {
  await assert.rejects(registryOver([limited, honest('a')]), RpcRefusedError)
})

test('joinEndpoints: a transaction goes out through whichever endpoint takes it, and reverts keep their name', async () => {
  const chain = joinEndpoints([limited, honest('a'), honest('b')], { agreeCount: 2 })
  // Public: the third account of every Hardhat node.
  const secretKey = fromHex('0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a')
  const sender = createSender(chain, { secretKey })
  const registry = await openComponentRegistry(chain, { address: component.registry.address })
  const prepared = await component.prepare()
  const { head } = await registry.anchor(sender, prepared)
  component.head = head
  await assert.rejects(
    registry.anchor(sender, prepared),
    (error) => error instanceof RegistryRefusedError && error.errorName === 'ComponentRegistryNotNewest',
  )
})

test('connectEndpoints: refuses a count that can never agree, and what is no URL', async () => {
  const rpcUrls = ['http://127.0.0.1:1', 'http://127.0.0.1:2']
  await assert.rejects(connectEndpoints({ rpcUrls, agreeCount: 3, chainId: 1 }), EndpointCountError)
  await assert.rejects(connectEndpoints({ rpcUrls, agreeCount: 0, chainId: 1 }), EndpointCountError)
  await assert.rejects(connectEndpoints({ rpcUrls: ['nowhere'], chainId: 1 }), InvalidRpcUrlError)
})
