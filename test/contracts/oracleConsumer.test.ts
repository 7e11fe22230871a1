import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { decodeErrorResult, encodeFunctionData } from 'viem'
import { COMPONENT_REGISTRY_ADDRESS } from '../../chain/addresses.ts'
import { findRevertData } from '../../chain/connectChain.ts'
import { componentRegistryAbi } from '../../chain/generated/componentRegistry.ts'
import { oracleConsumerAbi as abi } from '../../chain/generated/oracleConsumer.ts'
import type { Head } from '../../chain/head.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { deriveStateRoot, proveStateItem, type StateItem } from '../../protocol/wire/stateTree.ts'
import { deriveTypehash, packWords } from '../../protocol/wire/typedData.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { createTestComponent, type TestComponent } from '../chain/createTestComponent.ts'
import { digestOf } from '../chain/testLog.ts'

const FEED = digestOf('eur')
const SUCCESSOR = digestOf('successor')
const MAX_AGE_MS = 60_000n

const itemsOf = (price: bigint): StateItem[] =>
  ['eur', 'usd', 'chf'].map((feed) => ({
    typehash: deriveTypehash('Price(bytes32 feed,uint256 price)'),
    key: digestOf(feed),
    value: toHex(packWords([price])),
  }))

let world: TestChain
let oracle: TestComponent
let consumer: Hex
before(async () => {
  world = await createTestChain()
  oracle = await createTestComponent(world, { name: 'oracle' })
  const args = [COMPONENT_REGISTRY_ADDRESS, oracle.key, FEED, MAX_AGE_MS]
  consumer = (await world.deploy('contracts/examples/OracleConsumer.sol', { args })).address
})

const publish = (price: bigint): Promise<Head> => oracle.anchor({ commit: { state: deriveStateRoot(itemsOf(price)) } })

/** `success`, or the error that the consumer or the registry refused with, and its arguments. */
async function takePrice(price: bigint, head: Head = oracle.head, proof?: Hex[]): Promise<readonly unknown[]> {
  const items = itemsOf(price)
  const args = [head, price, proof ?? proveStateItem(items, items[0]!)] as const
  try {
    const data = encodeFunctionData({ abi, functionName: 'takePrice', args })
    return [(await world.stranger.send({ to: consumer, data })).status]
  } catch (error) {
    const data = findRevertData(error)
    assert.ok(data, String(error))
    const { errorName, args: values } = decodeErrorResult({ abi: [...abi, ...componentRegistryAbi], data })
    return [errorName, ...(values as readonly unknown[])]
  }
}

test('OracleConsumer: takes the price that the oracle’s newest state has, and no other', async () => {
  await publish(108n)
  assert.deepEqual(await takePrice(108n), ['success'])
  const price = await world.chain.client.readContract({ address: consumer, abi, functionName: 'price' })
  assert.equal(price, 108n)
  assert.equal((await takePrice(109n))[0], 'ComponentRegistryItemNotInState')
})

test('OracleConsumer: refuses a price of an older head, and one of a head that is too old', async () => {
  const older = oracle.head
  await publish(110n)
  assert.equal((await takePrice(108n, older))[0], 'ComponentRegistryNotNewest')
  assert.deepEqual(await takePrice(110n), ['success'])
  await world.request('evm_increaseTime', [61])
  await world.request('evm_mine')
  assert.equal((await takePrice(110n))[0], 'ComponentRegistryHeadTooOld')
})

test('OracleConsumer: refuses a head whose time is before that of the price taken last', async () => {
  const timestampMs = (await world.readTimeMs()) - 30_000n
  await publish(111n)
  assert.deepEqual(await takePrice(111n), ['success'])
  await oracle.anchor({ commit: { state: deriveStateRoot(itemsOf(112n)), timestampMs } })
  assert.equal((await takePrice(112n))[0], 'OracleConsumerPriceOlder')
})

test('OracleConsumerProofTooLong: 65 nodes; 64 only lead elsewhere', async () => {
  const nodes = Array.from({ length: 65 }, () => FEED)
  assert.deepEqual(await takePrice(112n, oracle.head, nodes), ['OracleConsumerProofTooLong', 65n])
  // Of another price's head, the time would be refused first.
  await publish(112n)
  assert.equal((await takePrice(112n, oracle.head, nodes.slice(1)))[0], 'ComponentRegistryItemNotInState')
})

test('OracleConsumer: refuses a retired oracle, and names its successor', async () => {
  await oracle.anchor({
    commit: { state: deriveStateRoot(itemsOf(113n)) },
    next: { kind: 'retirement', successor: SUCCESSOR, reason: 'the feed moved' },
  })
  assert.deepEqual(await takePrice(113n), ['OracleConsumerOracleRetired', oracle.key, SUCCESSOR])
})
