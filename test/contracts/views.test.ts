import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { COMPONENT_REGISTRY_ADDRESS } from '../../chain/addresses.ts'
import { componentRegistryAbi } from '../../chain/generated/componentRegistry.ts'
import type { Head } from '../../chain/head.ts'
import { callRegistry } from '../../chain/registryRefusal.ts'
import type { Hex } from '../../protocol/bytes.ts'
import type { Commit } from '../../protocol/wire/commit.ts'
import { deriveDetails } from '../../protocol/wire/committee.ts'
import { deriveStateRoot, proveStateItem, type StateItem } from '../../protocol/wire/stateTree.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { createTestComponent, type TestComponent } from '../chain/createTestComponent.ts'
import { createTestCommittee } from '../chain/testCommittee.ts'
import { digestOf } from '../chain/testLog.ts'
import { assertRefused } from './refusals.ts'

const contract = { address: COMPONENT_REGISTRY_ADDRESS, abi: componentRegistryAbi } as const

let world: TestChain
let component: TestComponent
/** Every head so far, by anchor index. */
const heads: Head[] = []

before(async () => {
  world = await createTestChain()
  component = await createTestComponent(world, { name: 'views' })
  heads.push(component.head)
  for (let index = 1; index <= 10; index++) heads.push(await component.anchor({ leafCount: 3 }))
})

const verifyInclusion = (changes: {
  head?: Head
  index?: number
  leaf?: Uint8Array
  size?: number
  key?: Hex
}): Promise<unknown> => {
  const { head = component.head, index = 4, key = component.key } = changes
  const { leaf = component.log.leaf(index), size = Number(head.logSize) } = changes
  const proof = component.log.proveInclusion(Math.min(index, size - 1), size)
  return component.registry.verifyInclusion({ component: key, head, index: BigInt(index), leaf, proof })
}

test('verifyInclusion: every leaf is proven under the newest head', async () => {
  for (let index = 0; index < Number(component.head.logSize); index++) await verifyInclusion({ index })
})

test('a window head verifies, an evicted one does not', async () => {
  const newest = heads.length - 1
  for (const [anchorIndex, head] of heads.entries()) {
    const isInWindow = anchorIndex > newest - 8
    assert.equal(await component.registry.isInWindow({ component: component.key, head }), isInWindow)
    assert.equal(await component.registry.isNewest({ component: component.key, head }), anchorIndex === newest)
    if (isInWindow) await verifyInclusion({ head })
    else if (head.logSize > 4n) await assertRefused(() => verifyInclusion({ head }), 'ComponentRegistryNotInWindow')
  }
})

test('ComponentRegistryNotInWindow: a head that never was, and another component’s', async () => {
  const forged = { ...component.head, logRoot: digestOf('forged') }
  await assertRefused(() => verifyInclusion({ head: forged }), 'ComponentRegistryNotInWindow')
  await assertRefused(() => verifyInclusion({ key: digestOf('other') }), 'ComponentRegistryNotInWindow')
})

test('verifyInclusion: refuses another leaf, another index, an index beyond the log and a node as a leaf', async () => {
  await assertRefused(() => verifyInclusion({ leaf: component.log.leaf(5) }), 'Rfc9162RootMismatch')
  await assertRefused(() => verifyInclusion({ index: 5, leaf: component.log.leaf(4) }), 'Rfc9162RootMismatch')
  await assertRefused(() => verifyInclusion({ index: 30 }), 'Rfc9162IndexOutOfRange')
})

test('ComponentRegistryArgumentTooLong: a leaf of 65,536 bytes; one of 65,535 is only not in the log', async () => {
  await assertRefused(() => verifyInclusion({ leaf: new Uint8Array(65_535) }), 'Rfc9162RootMismatch')
  await assertRefused(() => verifyInclusion({ leaf: new Uint8Array(65_536) }), 'ComponentRegistryArgumentTooLong')
})

/** A certificate as the view takes it: with what the chain does not know of the committee. */
const toViewArguments = (
  commit: Commit,
  { places = [0, 1, 2], round = 0, committee = component.committee, head = component.head } = {},
) => {
  const { signers, signatures } = committee.certify(commit, { places, round })
  const absentees = committee.signers.filter((_, place) => !places.includes(place))
  return [head, commit, { round, signers, signatures, absentees, details: deriveDetails(committee.members) }] as const
}
const verifyCertificate = (args: ReturnType<typeof toViewArguments>): Promise<unknown> =>
  callRegistry(world.chain, () =>
    world.chain.client.readContract({ ...contract, functionName: 'verifyCertificate', args }),
  )
const someCommit = async (changes: Partial<Commit> = {}): Promise<Commit> =>
  (await component.prepare({ commit: { anchor: false, ...changes } })).certified.commit

test('verifyCertificate: a commit of the current epoch, whether or not it is marked for the chain', async () => {
  await verifyCertificate(toViewArguments(await someCommit()))
  await verifyCertificate(
    toViewArguments(await someCommit({ anchor: true, height: 1n }), { places: [1, 2, 3], round: 9 }),
  )
})

test('verifyCertificate: refuses a head that was replaced, another epoch, component, round and height', async () => {
  const commit = await someCommit()
  await assertRefused(
    () => verifyCertificate(toViewArguments(commit, { head: heads[9]! })),
    'ComponentRegistryNotNewest',
  )
  const nextEpoch = await someCommit({ epoch: 1n })
  await assertRefused(() => verifyCertificate(toViewArguments(nextEpoch)), 'ComponentRegistryOtherEpoch')
  const elsewhere = await someCommit({ component: digestOf('elsewhere') })
  await assertRefused(() => verifyCertificate(toViewArguments(elsewhere)), 'ComponentRegistryUnknown')
  const [head, , certificate] = toViewArguments(commit)
  await assertRefused(
    () => verifyCertificate([head, commit, { ...certificate, round: 1 }]),
    'CertificatesOtherCommittee',
  )
  await assertRefused(
    () => verifyCertificate([head, { ...commit, height: commit.height + 1n }, certificate]),
    'CertificatesOtherCommittee',
  )
})

test('an epoch’s certificates die with it, and nothing of the next verifies before the switch', async () => {
  const rotating = await createTestComponent(world, { name: 'epochs' })
  await rotating.anchor()
  const old = rotating.committee
  const next = createTestCommittee({ name: 'epochs 2', memberCount: 4 })
  const base = (await rotating.prepare()).certified.commit
  const view = (committee: typeof old, epoch: bigint) =>
    verifyCertificate(toViewArguments({ ...base, epoch }, { committee, head: rotating.head }))

  await view(old, 0n)
  await assertRefused(() => view(next, 0n), 'CertificatesOtherCommittee')
  await assertRefused(() => view(next, 1n), 'ComponentRegistryOtherEpoch')
  await rotating.anchor({ next: { kind: 'rotation', newCommitteeHash: next.hash } })
  await view(next, 1n)
  await assertRefused(() => view(old, 0n), 'ComponentRegistryOtherEpoch')
  await assertRefused(() => view(old, 1n), 'CertificatesOtherCommittee')
})

const ITEM_TYPEHASH = digestOf('Item(bytes32 key,bytes32 value)')
const items: StateItem[] = ['a', 'b', 'c', 'd', 'e'].map((name) => ({
  typehash: ITEM_TYPEHASH,
  key: digestOf(`key ${name}`),
  value: digestOf(`value ${name}`),
}))
const verifyStateItem = (changes: { item?: StateItem; head?: Head; proof?: Hex[]; maxAgeMs?: bigint; key?: Hex }) => {
  const { item = items[2]!, head = component.head, maxAgeMs = 3_600_000n, key = component.key } = changes
  const { proof = proveStateItem(items, items[2]!) } = changes
  const args = [key, head, item, proof, maxAgeMs] as const
  return callRegistry(world.chain, () =>
    world.chain.client.readContract({ ...contract, functionName: 'verifyStateItem', args }),
  )
}

test('verifyStateItem: an item of the newest state, and of no older one', async () => {
  const older = await component.anchor({ commit: { state: deriveStateRoot(items) } })
  await verifyStateItem({})
  await component.anchor()
  await assertRefused(() => verifyStateItem({ head: older }), 'ComponentRegistryNotNewest')
})

test('verifyStateItem: refuses another value, key, type and proof, and a proof longer than 64 nodes', async () => {
  await component.anchor({ commit: { state: deriveStateRoot(items) } })
  const item = items[2]!
  for (const field of ['typehash', 'key', 'value'] as const) {
    const forged = { ...item, [field]: digestOf('forged') }
    await assertRefused(() => verifyStateItem({ item: forged }), 'ComponentRegistryItemNotInState')
  }
  await assertRefused(
    () => verifyStateItem({ proof: proveStateItem(items, items[1]!) }),
    'ComponentRegistryItemNotInState',
  )
  const long = Array.from({ length: 65 }, () => digestOf('node'))
  await assertRefused(() => verifyStateItem({ proof: long.slice(1) }), 'ComponentRegistryItemNotInState')
  await assertRefused(() => verifyStateItem({ proof: long }), 'ComponentRegistryArgumentTooLong')
})

test('ComponentRegistryHeadTooOld: a millisecond over the maximum age; a head from the future has age 0', async () => {
  const state = deriveStateRoot(items)
  const timestampMs = (await world.readTimeMs()) - 5_000n
  await component.anchor({ commit: { state, timestampMs } })
  const ageMs = (await world.readTimeMs()) - timestampMs
  await verifyStateItem({ maxAgeMs: ageMs })
  await assertRefused(() => verifyStateItem({ maxAgeMs: ageMs - 1n }), 'ComponentRegistryHeadTooOld')
  await component.anchor({ commit: { state, timestampMs: (await world.readTimeMs()) + 30_000n } })
  await verifyStateItem({ maxAgeMs: 0n })
})

test('ComponentRegistryRetired: nobody speaks for a retired component; its log stays provable', async () => {
  const retiring = await createTestComponent(world, { name: 'retired views' })
  await retiring.anchor({ leafCount: 4 })
  const successor = digestOf('successor')
  const last = await retiring.anchor({ next: { kind: 'retirement', successor, reason: '' } })
  const commit = (await retiring.prepare()).certified.commit
  const args = toViewArguments(commit, { committee: retiring.committee, head: last })
  await assertRefused(() => verifyCertificate(args), 'ComponentRegistryRetired')
  const proof = retiring.log.proveInclusion(2, Number(last.logSize))
  const leaf = retiring.log.leaf(2)
  await retiring.registry.verifyInclusion({ component: retiring.key, head: last, index: 2n, leaf, proof })
})
