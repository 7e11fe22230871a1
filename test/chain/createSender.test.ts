import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPublicClient, custom } from 'viem'
import { type Chain, WrongChainError } from '../../chain/connectChain.ts'
import {
  createSender,
  FeeCapReachedError,
  NonceTakenError,
  OutOfFundsError,
  ReceiptTimeoutError,
} from '../../chain/createSender.ts'
import { fromHex, type Hex } from '../../protocol/bytes.ts'
import { keccak256 } from '../../protocol/hash.ts'
import { createTestChain, type TestChain } from './createTestChain.ts'

const TARGET: Hex = `0x${'77'.repeat(20)}`
const GWEI = 10n ** 9n

/** A chain that makes no block by itself, and a funded key of its own. */
async function createStuckChain(name: string): Promise<{ world: TestChain; secretKey: Uint8Array; address: Hex }> {
  const world = await createTestChain()
  const secretKey = keccak256(new TextEncoder().encode(name))
  const { address } = createSender(world.chain, { secretKey })
  await world.sender.send({ to: address, data: '0x', valueWei: 10n ** 18n })
  await world.request('evm_setAutomine', [false])
  return { world, secretKey, address }
}

/** What is waiting for a block, oldest first. */
const readWaiting = async (world: TestChain): Promise<{ hash: Hex; nonce: Hex; maxFeePerGas: Hex }[]> => {
  const block = (await world.request('eth_getBlockByNumber', ['pending', true])) as { transactions: [] }
  return block.transactions
}

async function until<T>(find: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await find()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
const waitingOtherThan = (world: TestChain, hash?: Hex) =>
  until(async () => (await readWaiting(world)).find((transaction) => transaction.hash !== hash))

test('send: a stuck transaction is replaced under its nonce with a fee at least a tenth higher, and its receipt found', async () => {
  const { world, secretKey } = await createStuckChain('replaced')
  const sender = createSender(world.chain, { secretKey, replaceAfterMs: 100 })
  const sending = sender.send({ to: TARGET, data: '0x' })
  const first = await waitingOtherThan(world)
  const second = await waitingOtherThan(world, first.hash)
  assert.equal(second.nonce, first.nonce)
  assert.ok(10n * BigInt(second.maxFeePerGas) >= 11n * BigInt(first.maxFeePerGas))
  await world.request('evm_mine')
  const receipt = await sending
  assert.equal(receipt.status, 'success')
  assert.notEqual(receipt.transactionHash, first.hash)
})

test('FeeCapReachedError: a stuck transaction at the fee cap is an alarm, and no fee goes above it', async () => {
  const { world, secretKey } = await createStuckChain('capped')
  const feeCapWei = 3n * GWEI
  const sender = createSender(world.chain, { secretKey, replaceAfterMs: 20, feeCapWei })
  await assert.rejects(sender.send({ to: TARGET, data: '0x' }), (error) => {
    assert.ok(error instanceof FeeCapReachedError, String(error))
    assert.equal(error.code, 'FEE_CAP_REACHED')
    return true
  })
  for (const { maxFeePerGas } of await readWaiting(world)) assert.ok(BigInt(maxFeePerGas) <= feeCapWei)
})

test('send: what an earlier process left waiting is replaced, as the nonce comes from the chain', async () => {
  const { world, secretKey, address } = await createStuckChain('restarted')
  const died = createSender(world.chain, { secretKey, receiptTimeoutMs: 1, replaceAfterMs: 60_000 })
  await assert.rejects(died.send({ to: TARGET, data: '0x' }), ReceiptTimeoutError)
  const left = (await readWaiting(world))[0]!
  const restarted = createSender(world.chain, { secretKey })
  const sending = restarted.send({ to: TARGET, data: '0x01' })
  await waitingOtherThan(world, left.hash)
  await world.request('evm_mine')
  assert.equal((await sending).status, 'success')
  assert.equal(await world.chain.client.getTransactionCount({ address }), 1)
})

test('send: the very transaction that an earlier process left waiting is taken for its own', async () => {
  const { world, secretKey } = await createStuckChain('known')
  const died = createSender(world.chain, { secretKey, receiptTimeoutMs: 1, replaceAfterMs: 60_000 })
  await assert.rejects(died.send({ to: TARGET, data: '0x' }), ReceiptTimeoutError)
  const left = await waitingOtherThan(world)
  const called: string[] = []
  const request = async (call: { method: string }): Promise<unknown> => {
    called.push(call.method)
    return world.chain.client.request(call as never)
  }
  const chain = { ...world.chain, client: createPublicClient({ transport: custom({ request }), cacheTime: 0 }) }
  const sending = createSender(chain, { secretKey, replaceAfterMs: 60_000 }).send({ to: TARGET, data: '0x' })
  await until(async () => called.find((method) => method === 'eth_getTransactionReceipt'))
  await world.request('evm_mine')
  const receipt = await sending
  assert.equal(receipt.transactionHash, left.hash)
})

test('FeeCapReachedError: what waits at the fee cap already is an alarm for the next process, too', async () => {
  const { world, secretKey } = await createStuckChain('capped before')
  const settings = { secretKey, feeCapWei: 3n * GWEI, replaceAfterMs: 20 }
  await assert.rejects(createSender(world.chain, settings).send({ to: TARGET, data: '0x' }), FeeCapReachedError)
  await assert.rejects(createSender(world.chain, settings).send({ to: TARGET, data: '0x01' }), FeeCapReachedError)
})

test('OutOfFundsError: an account that cannot pay sends nothing', async () => {
  const world = await createTestChain()
  const secretKey = keccak256(new TextEncoder().encode('poor'))
  const poor = createSender(world.chain, { secretKey })
  await assert.rejects(poor.send({ to: TARGET, data: '0x' }), OutOfFundsError)
  await world.sender.send({ to: poor.address, data: '0x', valueWei: 10n ** 18n })
  assert.equal((await poor.send({ to: TARGET, data: '0x' })).status, 'success')
})

test('NonceTakenError: another transaction of the key took the nonce', async () => {
  const { world, secretKey } = await createStuckChain('taken')
  const sending = createSender(world.chain, { secretKey, replaceAfterMs: 60_000 }).send({ to: TARGET, data: '0x' })
  const first = await waitingOtherThan(world)
  const outbidding = createSender(world.chain, { secretKey }).send({ to: TARGET, data: '0x02' })
  await waitingOtherThan(world, first.hash)
  await world.request('evm_mine')
  await assert.rejects(sending, NonceTakenError)
  assert.equal((await outbidding).status, 'success')
})

test('WrongChainError: an endpoint that comes to serve another chain gets no transaction', async () => {
  const world = await createTestChain()
  const sent: string[] = []
  const request = async (call: { method: string }): Promise<unknown> => {
    sent.push(call.method)
    return call.method === 'eth_chainId' ? '0x1' : world.chain.client.request(call as never)
  }
  const moved: Chain = { ...world.chain, client: createPublicClient({ transport: custom({ request }), cacheTime: 0 }) }
  const sender = createSender(moved, { secretKey: fromHex(`0x${'11'.repeat(32)}`) })
  await assert.rejects(sender.send({ to: TARGET, data: '0x' }), WrongChainError)
  assert.deepEqual(sent, ['eth_chainId'])
})
