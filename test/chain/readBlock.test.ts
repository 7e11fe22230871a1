import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { createPublicClient, custom } from 'viem'
import type { Chain } from '../../chain/connectChain.ts'
import { readBlockTimeMs, readNewestBlock } from '../../chain/readBlock.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { createTestChain, type TestChain } from './createTestChain.ts'

let chain: TestChain
before(async () => {
  chain = await createTestChain()
})

const mine = async (): Promise<void> => void (await chain.request('evm_mine'))

test('readNewestBlock: the newest block’s hash, and its time in milliseconds', async () => {
  await mine()
  const first = await readNewestBlock(chain.chain)
  assert.equal(BigInt(first.timeMs), await chain.readTimeMs())
  await chain.request('evm_increaseTime', [60])
  await mine()
  const second = await readNewestBlock(chain.chain)
  assert.notEqual(second.digest, first.digest)
  assert.ok(second.timeMs >= first.timeMs + 60_000)
  const { hash } = (await chain.request('eth_getBlockByNumber', ['latest', false])) as { hash: Hex }
  assert.equal(second.digest, hash)
})

test('readBlockTimeMs: when a block was made that has others on it; undefined of a hash that is no block’s', async () => {
  const { digest, timeMs } = await readNewestBlock(chain.chain)
  await mine()
  await mine()
  assert.equal(await readBlockTimeMs(chain.chain, digest), timeMs)
  assert.equal(await readBlockTimeMs(chain.chain, `0x${'ab'.repeat(32)}`), undefined)
})

/** The chain as an endpoint shows it that goes on serving, by its hash, what a reorganisation left behind. */
function rememberBlocks(): Chain {
  const seen = new Map<string, unknown>()
  const request = async ({ method, params = [] }: { method: string; params?: readonly unknown[] }) => {
    const answer = await chain.request(method, params)
    if (method !== 'eth_getBlockByHash') return answer
    if (answer !== null) seen.set(String(params[0]), answer)
    return seen.get(String(params[0])) ?? null
  }
  return { ...chain.chain, client: createPublicClient({ transport: custom({ request }, { retryCount: 0 }) }) }
}

for (const { name, open, replaced } of [
  { name: 'is gone', open: () => chain.chain, replaced: true },
  { name: 'the endpoint still serves, where another has its number', open: rememberBlocks, replaced: true },
  { name: 'the endpoint still serves, where none has its number', open: rememberBlocks, replaced: false },
])
  test(`readBlockTimeMs: undefined of a block that a reorganisation left behind and ${name}`, async () => {
    const endpoint = open()
    const snapshot = await chain.request('evm_snapshot')
    await mine()
    const { digest, timeMs } = await readNewestBlock(endpoint)
    assert.equal(await readBlockTimeMs(endpoint, digest), timeMs)
    assert.equal(await chain.request('evm_revert', [snapshot]), true)
    if (replaced) {
      await chain.request('evm_increaseTime', [5])
      await mine()
      assert.notEqual((await readNewestBlock(endpoint)).digest, digest)
    }
    assert.equal(await readBlockTimeMs(endpoint, digest), undefined)
  })

test('readBlockTimeMs and readNewestBlock: an endpoint that fails has said nothing of any block', async () => {
  const request = () => Promise.reject(new Error('nothing is answered'))
  const failing: Chain = {
    ...chain.chain,
    client: createPublicClient({ transport: custom({ request }, { retryCount: 0 }) }),
  }
  await assert.rejects(readNewestBlock(failing), { code: 'RPC_REFUSED' })
  await assert.rejects(readBlockTimeMs(failing, `0x${'ab'.repeat(32)}`), { code: 'RPC_REFUSED' })
})
