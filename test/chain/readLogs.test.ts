import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPublicClient, custom } from 'viem'
import { type Chain, RpcRefusedError } from '../../chain/connectChain.ts'
import { readAllHeads, readHeads } from '../../chain/readHeads.ts'
import { createTestChain } from './createTestChain.ts'
import { createTestComponent } from './createTestComponent.ts'

type Filter = { fromBlock: `0x${string}`; toBlock: `0x${string}` }

test('readLogs: an endpoint that takes ranges of up to three blocks is asked in parts, and gives every event', async () => {
  const world = await createTestChain()
  const component = await createTestComponent(world, { name: 'ranges' })
  const expected = [component.head]
  for (let index = 0; index < 20; index++) expected.push(await component.anchor())
  let answered = 0
  const limitTo = (blockCountMax: bigint): Chain => {
    const request = async ({ method, params }: { method: string; params?: readonly unknown[] }): Promise<unknown> => {
      if (method === 'eth_getLogs') {
        const { fromBlock, toBlock } = params![0] as Filter
        if (BigInt(toBlock) - BigInt(fromBlock) >= blockCountMax) {
          throw Object.assign(new Error('block range is too wide'), { code: -32_600 })
        }
        answered += 1
      }
      return world.request(method, params)
    }
    const transport = custom({ request: request as never }, { retryCount: 0 })
    return { ...world.chain, client: createPublicClient({ transport, cacheTime: 0 }) }
  }
  const { address } = component.registry
  assert.deepEqual(await readHeads(limitTo(3n), { address, component: component.key }), expected)
  assert.ok(answered >= 7, `${answered}`)
  await assert.rejects(readHeads(limitTo(0n), { address, component: component.key }), RpcRefusedError)
})

test('readAllHeads: the whole registry, rebuilt from events alone', async () => {
  const world = await createTestChain()
  const components = [
    await createTestComponent(world, { name: 'first' }),
    await createTestComponent(world, { name: 'second' }),
  ]
  for (const index of [0, 1, 0, 0, 1]) await components[index]!.anchor()
  const heads = await readAllHeads(world.chain, { address: components[0]!.registry.address })
  assert.equal(heads.size, 2)
  for (const { key, head } of components) assert.deepEqual(heads.get(key)?.at(-1), head)
  assert.deepEqual(
    components.map(({ key }) => heads.get(key)?.length),
    [4, 3],
  )
})
