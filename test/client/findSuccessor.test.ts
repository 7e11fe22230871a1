import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { createPublicClient, custom } from 'viem'
import type { Chain } from '../../chain/connectChain.ts'
import { GenesisUnprovenError } from '../../chain/readGenesis.ts'
import { findSuccessor, NoSuccessorError, SuccessorUnregisteredError } from '../../client/findSuccessor.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { createTestComponent, type TestComponent } from '../chain/createTestComponent.ts'
import { digestOf } from '../chain/testLog.ts'

let world: TestChain
let component: TestComponent
let registry: Hex
before(async () => {
  world = await createTestChain()
  component = await createTestComponent(world, { name: 'successor' })
  registry = component.registry.address
})

test('findSuccessor: gives the id and the committee that the key is made of', async () => {
  const found = await findSuccessor(world, { successor: component.key, registry })
  assert.equal(found.component, component.key)
  assert.equal(found.componentId, digestOf('successor'))
  const [committee] = found.epochs.committees
  assert.deepEqual(committee!.signers, component.committee.signers)
  assert.equal(committee!.committeeHash, component.committee.hash)
})

test('findSuccessor: refuses a marker that names none, and one that nobody has registered', async () => {
  await assert.rejects(findSuccessor(world, { successor: ZERO_BYTES32, registry }), NoSuccessorError)
  const successor = digestOf('not registered')
  await assert.rejects(
    findSuccessor(world, { successor, registry }),
    (error) => error instanceof SuccessorUnregisteredError && error.isRetryable && error.message.includes(successor),
  )
})

test('findSuccessor: refuses an endpoint that gives another committee for the key', async () => {
  const other = await createTestComponent(world, { name: 'other' })
  const request = async (call: { method: string }): Promise<unknown> => {
    const result = await world.chain.client.request(call as never)
    if (call.method !== 'eth_getLogs') return result
    const { topics } = (result as { topics: Hex[] }[])[0]!
    const logs = await world.request('eth_getLogs', [
      { address: registry, fromBlock: '0x0', topics: [topics[0], other.key] },
    ])
    return (logs as object[]).map((log) => ({ ...log, topics }))
  }
  const chain: Chain = { ...world.chain, client: createPublicClient({ transport: custom({ request }) }) }
  await assert.rejects(findSuccessor({ chain }, { successor: component.key, registry }), GenesisUnprovenError)
})
