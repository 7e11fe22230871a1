import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { encodeFunctionData, parseEventLogs } from 'viem'
import { COMPONENT_REGISTRY_ADDRESS } from '../../chain/addresses.ts'
import { deployRegistry } from '../../chain/deployRegistry.ts'
import { componentRegistryAbi as abi } from '../../chain/generated/componentRegistry.ts'
import { fromPackedHead } from '../../chain/head.ts'
import { callRegistry } from '../../chain/registryRefusal.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { keccak256 } from '../../protocol/hash.ts'
import { ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { deriveDetails } from '../../protocol/wire/committee.ts'
import { packWords } from '../../protocol/wire/typedData.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { createTestComponent } from '../chain/createTestComponent.ts'
import { createTestCommittee } from '../chain/testCommittee.ts'
import { digestOf } from '../chain/testLog.ts'
import { assertRefused } from './refusals.ts'

const committee = createTestCommittee({ name: 'genesis', memberCount: 4 })
const componentId = digestOf('component id')
const key = toHex(keccak256(packWords([componentId, committee.hash])))

let world: TestChain
before(async () => {
  world = await createTestChain()
  await deployRegistry(world.sender)
})

const send = (signers: readonly Hex[], details: Hex = deriveDetails(committee.members)) =>
  callRegistry(world.chain, () => {
    const args = [componentId, { signers, details }] as const
    const data = encodeFunctionData({ abi, functionName: 'register', args })
    return world.sender.send({ to: COMPONENT_REGISTRY_ADDRESS, data })
  })

test('register: stores and announces the genesis head under the key of id and committee', async () => {
  const receipt = await send(committee.signers)
  const [event] = parseEventLogs({ abi, eventName: 'Registered', logs: receipt.logs })
  const { timestamp } = await world.chain.client.getBlock({ blockNumber: receipt.blockNumber })
  assert.equal(event?.args.component, key)
  assert.equal(event.args.componentId, componentId)
  assert.deepEqual(
    event.args.signers.map((signer) => signer.toLowerCase()),
    committee.signers,
  )
  assert.equal(event.args.details, deriveDetails(committee.members))
  assert.deepEqual(fromPackedHead(event.args.head), {
    committeeHash: committee.hash,
    epoch: 0n,
    height: 0n,
    logSize: 0n,
    logRoot: '0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    state: ZERO_BYTES32,
    timestampMs: 0n,
    anchorIndex: 0n,
    anchoredAt: timestamp,
    retired: false,
  })
})

test('register: another committee has another key, so nobody can take one', async () => {
  const other = createTestCommittee({ name: 'other genesis', memberCount: 4 })
  const receipt = await send(other.signers, deriveDetails(other.members))
  const [event] = parseEventLogs({ abi, eventName: 'Registered', logs: receipt.logs })
  assert.notEqual(event?.args.component, key)
})

test('register never resets: a second call emits nothing and changes nothing, whole laps later, too', async () => {
  const component = await createTestComponent(world, { name: 'registered again' })
  for (let index = 0; index < 17; index++) {
    await component.anchor()
    const { signers, members } = component.committee
    const args = [digestOf('registered again'), { signers, details: deriveDetails(members) }] as const
    const data = encodeFunctionData({ abi, functionName: 'register', args })
    const { logs, status } = await world.stranger.send({ to: COMPONENT_REGISTRY_ADDRESS, data })
    assert.equal(status, 'success')
    assert.equal(logs.length, 0)
    assert.equal(await component.registry.isNewest({ component: component.key, head: component.head }), true)
  }
})

test('CertificatesMemberCountUnusable: nobody, and 257 members', async () => {
  const many = Array.from({ length: 257 }, (_, index): Hex => `0x${(index + 1).toString(16).padStart(40, '0')}`)
  await assertRefused(() => send([]), 'CertificatesMemberCountUnusable')
  await assertRefused(() => send(many), 'CertificatesMemberCountUnusable')
})

test('CertificatesUnordered: zero, a repeat and disorder', async () => {
  const [a, b] = committee.signers as [Hex, Hex]
  for (const signers of [
    [`0x${'00'.repeat(20)}` as Hex, a],
    [a, a],
    [b, a],
  ]) {
    await assertRefused(() => send(signers), 'CertificatesUnordered')
  }
})
