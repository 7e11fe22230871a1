import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { encodeFunctionData } from 'viem'
import { COMPONENT_REGISTRY_ADDRESS } from '../../chain/addresses.ts'
import { type EncodeAnchorParameters, encodeAnchor } from '../../chain/encodeAnchor.ts'
import { componentRegistryAbi } from '../../chain/generated/componentRegistry.ts'
import { deriveRingWord, type Head } from '../../chain/head.ts'
import { callRegistry } from '../../chain/registryRefusal.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { keccak256 } from '../../protocol/hash.ts'
import { deriveCommitDigest } from '../../protocol/wire/commit.ts'
import { deriveCommitteeHash } from '../../protocol/wire/committee.ts'
import { packWords } from '../../protocol/wire/typedData.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { createTestComponent, type TestComponent } from '../chain/createTestComponent.ts'
import { createTestCommittee } from '../chain/testCommittee.ts'
import { createTestLog, digestOf } from '../chain/testLog.ts'
import { assertRefused } from './refusals.ts'

let world: TestChain
let component: TestComponent
before(async () => {
  world = await createTestChain()
  component = await createTestComponent(world, { name: 'anchor', memberCount: 4 })
  await component.anchor({ leafCount: 5 })
  await component.anchor({ leafCount: 2 })
})

/** Sends the packed bytes as they are, past the checks of `encodeAnchor`. */
const sendPacked = (packed: Hex): Promise<unknown> => {
  const data = encodeFunctionData({ abi: componentRegistryAbi, functionName: 'anchor', args: [packed] })
  return callRegistry(world.chain, () => world.sender.send({ to: COMPONENT_REGISTRY_ADDRESS, data }))
}

/** An otherwise honest anchor with a part of it changed after everything was certified. */
const sendChanged = async (change: (parameters: EncodeAnchorParameters) => EncodeAnchorParameters): Promise<unknown> =>
  sendPacked(encodeAnchor(change(await component.prepare())))

const withHead = (changes: Partial<Head>) => (parameters: EncodeAnchorParameters) => ({
  ...parameters,
  previous: { ...parameters.previous, ...changes },
})

test('anchor: the event carries the head, and storage its word', async () => {
  const parameters = await component.prepare({ leafCount: 3 })
  const { head, commitDigest, blockNumber } = await component.registry.anchor(world.sender, parameters)
  component.head = head
  const { commit } = parameters.certified
  const block = await world.chain.client.getBlock({ blockNumber })
  assert.equal(commitDigest, deriveCommitDigest(commit))
  assert.deepEqual(head, {
    committeeHash: component.committee.hash,
    epoch: 0n,
    height: commit.height,
    logSize: commit.logSize,
    logRoot: commit.logRoot,
    state: commit.state,
    timestampMs: commit.timestampMs,
    anchorIndex: 3n,
    anchoredAt: block.timestamp,
    retired: false,
  })
  const ringWord = await world.chain.client.readContract({
    address: COMPONENT_REGISTRY_ADDRESS,
    abi: componentRegistryAbi,
    functionName: 'ringWord',
    args: [component.key, head.anchorIndex % 8n],
  })
  assert.equal(ringWord, deriveRingWord(head))
})

test('anchor: anyone may send what a quorum certified', async () => {
  const { head } = await component.registry.anchor(world.stranger, await component.prepare())
  component.head = head
})

test('anchor: any quorum will do, and more than a quorum', async () => {
  for (const places of [
    [1, 2, 3],
    [0, 1, 3],
    [0, 1, 2, 3],
  ]) {
    const parameters = await component.prepare()
    const { commit } = parameters.certified
    const certified = { commit, certificate: component.committee.certify(commit, { places, round: 7 }) }
    component.head = (await component.registry.anchor(world.sender, { ...parameters, certified })).head
  }
})

test('anchor: heights may leave out some', async () => {
  await component.anchor({ commit: { height: component.head.height + 10n } })
})

test('anchor: sizes that are powers of two connect, before and after', async () => {
  const powers = await createTestComponent(world, { name: 'powers' })
  for (const leafCount of [1, 1, 2, 3, 1, 8, 1, 15, 32]) await powers.anchor({ leafCount })
  assert.equal(powers.head.logSize, 64n)
})

test('anchor: a rotation hands over to the next committee, with the next epoch', async () => {
  const rotating = await createTestComponent(world, { name: 'rotating' })
  await rotating.anchor()
  const next = createTestCommittee({ name: 'rotating 2', memberCount: 7 })
  const head = await rotating.anchor({ next: { kind: 'rotation', newCommitteeHash: next.hash } })
  assert.equal(head.epoch, 1n)
  assert.equal(head.committeeHash, next.hash)
  rotating.committee = next
  assert.equal((await rotating.anchor()).epoch, 1n)
})

test('anchor: a retirement is remembered with its successor and announced with its reason', async () => {
  const retiring = await createTestComponent(world, { name: 'retiring' })
  await retiring.anchor()
  const successor = digestOf('successor')
  const reason = 'superseded by a larger committee ✓'
  const { txHash, head } = await retiring.registry.anchor(
    world.sender,
    await retiring.prepare({ next: { kind: 'retirement', successor, reason } }),
  )
  assert.equal(head.retired, true)
  const { address, chain } = retiring.registry
  const contract = { address, abi: componentRegistryAbi } as const
  assert.equal(await chain.client.readContract({ ...contract, functionName: 'isRetired', args: [retiring.key] }), true)
  assert.deepEqual(
    await chain.client.readContract({ ...contract, functionName: 'retirementOf', args: [retiring.key] }),
    {
      successor,
      effectiveHeight: head.height,
      retiredAt: head.anchoredAt,
    },
  )
  const [event] = await chain.client.getContractEvents({
    ...contract,
    eventName: 'Retired',
    fromBlock: 0n,
    args: { component: retiring.key },
  })
  assert.equal(event?.transactionHash, txHash)
  assert.deepEqual(event.args, { component: retiring.key, successor, effectiveHeight: head.height, reason })
})

test('ComponentRegistryUnknown: nobody registered the component', async () => {
  const commit = { component: digestOf('nobody') }
  await assertRefused(
    async () => sendPacked(encodeAnchor(await component.prepare({ commit }))),
    'ComponentRegistryUnknown',
  )
})

for (const [field, changes] of Object.entries({
  logSize: { logSize: 1n },
  logRoot: { logRoot: digestOf('other') },
  state: { state: digestOf('other') },
  height: { height: 0n },
  timestampMs: { timestampMs: 1n },
  anchorIndex: { anchorIndex: 1n },
  anchoredAt: { anchoredAt: 1n },
}))
  test(`ComponentRegistryNotNewest: the previous head has another ${field}`, () =>
    assertRefused(() => sendChanged(withHead(changes)), 'ComponentRegistryNotNewest'))

test('ComponentRegistryNotNewest: the previous head was replaced', async () => {
  const stale = await component.prepare()
  await component.anchor()
  await assertRefused(() => component.registry.anchor(world.sender, stale), 'ComponentRegistryNotNewest')
})

test('ComponentRegistryNotNewest: an index a whole ring ahead of the head', () =>
  assertRefused(
    () => sendChanged(withHead({ anchorIndex: component.head.anchorIndex + 8n })),
    'ComponentRegistryNotNewest',
  ))

test('ComponentRegistryRetired: an anchor behind the last head, and one behind the head before', async () => {
  const ended = await createTestComponent(world, { name: 'ended' })
  const before = await ended.anchor()
  await ended.anchor({ next: { kind: 'retirement', successor: digestOf('successor'), reason: '' } })
  const parameters = await ended.prepare()
  for (const previous of [ended.head, before]) {
    await assertRefused(() => sendPacked(encodeAnchor({ ...parameters, previous })), 'ComponentRegistryRetired')
  }
})

test('ComponentRegistryHeightNotIncreasing: the anchored height again, and a lower one', async () => {
  for (const height of [component.head.height, component.head.height - 1n]) {
    await assertRefused(() => component.anchor({ commit: { height } }), 'ComponentRegistryHeightNotIncreasing')
  }
})

test('ComponentRegistrySizeNotIncreasing: the anchored size again, and a smaller one', async () => {
  for (const logSize of [component.head.logSize, component.head.logSize - 1n]) {
    await assertRefused(() => component.anchor({ commit: { logSize } }), 'ComponentRegistrySizeNotIncreasing')
  }
})

test('ComponentRegistryTimestampAhead: more than a minute ahead of the block, and not a millisecond less', async () => {
  const ahead = async (aheadMs: bigint) => {
    const blockTimeMs = (await world.readTimeMs()) + 3_600_000n
    await world.request('evm_setNextBlockTimestamp', [Number(blockTimeMs / 1000n)])
    return component.prepare({ commit: { timestampMs: blockTimeMs + aheadMs } })
  }
  const exact = await ahead(60_000n)
  component.head = (await component.registry.anchor(world.sender, exact)).head
  const over = await ahead(60_001n)
  await assertRefused(() => component.registry.anchor(world.sender, over), 'ComponentRegistryTimestampAhead')
  await world.request('evm_mine')
})

test('Rfc9162RootMismatch: a proof that does not reproduce the anchored root', async () => {
  const other = createTestLog({ name: 'rewritten' })
  const size = Number(component.head.logSize)
  await assertRefused(
    () => sendChanged((parameters) => ({ ...parameters, consistencyProof: other.proveConsistency(size, size + 1) })),
    'Rfc9162RootMismatch',
  )
})

test('CertificatesOtherCommittee: a proof that leads to another root than the certified one', async () => {
  const commit = { logRoot: digestOf('other root') }
  await assertRefused(() => component.anchor({ commit }), 'CertificatesOtherCommittee')
})

test('Rfc9162ProofLengthWrong: a node too many, and one too few', async () => {
  const { consistencyProof } = await component.prepare()
  for (const changed of [[...consistencyProof, consistencyProof[0]!], consistencyProof.slice(0, -1)]) {
    await assertRefused(
      () => sendChanged((parameters) => ({ ...parameters, consistencyProof: changed })),
      'Rfc9162ProofLengthWrong',
    )
  }
})

test('CertificatesNoQuorum: one signature less than a quorum', () =>
  assertRefused(
    () =>
      sendChanged((parameters) => {
        const { commit } = parameters.certified
        const certificate = component.committee.certify(commit, { places: [0, 2] })
        return { ...parameters, certified: { commit, certificate } }
      }),
    'CertificatesNoQuorum',
  ))

for (const [what, change] of Object.entries({
  'another round than the certificate says': { round: 1 },
  'no signature at all': { signatures: `0x${'00'.repeat(192)}` as Hex },
}))
  test(`CertificatesOtherCommittee: ${what}`, () =>
    assertRefused(
      () =>
        sendChanged((parameters) => {
          const { commit, certificate } = parameters.certified
          return { ...parameters, certified: { commit, certificate: { ...certificate, ...change } } }
        }),
      'CertificatesOtherCommittee',
    ))

for (const [field, change] of Object.entries({
  height: { height: 1_000n },
  body: { body: digestOf('other body') },
  state: { state: digestOf('other state') },
  timestampMs: { timestampMs: 1n },
}))
  test(`CertificatesOtherCommittee: the ${field} is not the certified one`, () =>
    assertRefused(
      () =>
        sendChanged((parameters) => {
          const { commit, certificate } = parameters.certified
          return { ...parameters, certified: { commit: { ...commit, ...change }, certificate } }
        }),
      'CertificatesOtherCommittee',
    ))

test('CertificatesOtherCommittee: the commit was not marked for the chain', async () => {
  const parameters = await component.prepare({ commit: { anchor: false } })
  const { commit, certificate } = parameters.certified
  const packed = encodeAnchor({ ...parameters, certified: { commit: { ...commit, anchor: true }, certificate } })
  await assertRefused(() => sendPacked(packed), 'CertificatesOtherCommittee')
})

test('CertificatesOtherCommittee: the commit was certified for another epoch', async () => {
  const parameters = await component.prepare({ commit: { epoch: 1n } })
  const { commit, certificate } = parameters.certified
  const packed = encodeAnchor({ ...parameters, certified: { commit: { ...commit, epoch: 0n }, certificate } })
  await assertRefused(() => sendPacked(packed), 'CertificatesOtherCommittee')
})

test('CertificatesOtherCommittee: the commit was certified for another component', async () => {
  const parameters = await component.prepare({ commit: { component: digestOf('other') } })
  const { commit, certificate } = parameters.certified
  const packed = encodeAnchor({
    ...parameters,
    certified: { commit: { ...commit, component: component.key }, certificate },
  })
  await assertRefused(() => sendPacked(packed), 'CertificatesOtherCommittee')
})

test('CertificatesOtherCommittee: a rotation that the commit did not decide, or to another committee', async () => {
  const newCommitteeHash = deriveCommitteeHash(createTestCommittee({ name: 'x', memberCount: 1 }).members)
  const honest = await component.prepare()
  const rotation = await component.prepare({ next: { kind: 'rotation', newCommitteeHash } })
  const packed = encodeAnchor(rotation)
  const other = `${packed.slice(0, -64)}${digestOf('other').slice(2)}` as Hex
  await assertRefused(() => sendPacked(other), 'CertificatesOtherCommittee')
  const undecided = encodeAnchor(honest)
  const grafted =
    `${undecided.slice(0, 2 + 2 * 271)}01${undecided.slice(2 + 2 * 272)}${newCommitteeHash.slice(2)}` as Hex
  await assertRefused(() => sendPacked(grafted), 'CertificatesOtherCommittee')
})

test('CertificatesOtherCommittee: a rotation left out', async () => {
  const newCommitteeHash = digestOf('next committee')
  const packed = encodeAnchor(await component.prepare({ next: { kind: 'rotation', newCommitteeHash } }))
  const without = `${packed.slice(0, 2 + 2 * 271)}00${packed.slice(2 + 2 * 272, -64)}` as Hex
  await assertRefused(() => sendPacked(without), 'CertificatesOtherCommittee')
})

test('ComponentRegistryRingExhausted: the last lap ends', async () => {
  const last = await createTestComponent(world, { name: 'last lap' })
  const anchorIndex = (2n ** 32n - 1n) * 8n - 2n
  const head: Head = { ...(await last.anchor()), anchorIndex }
  await world.request('hardhat_setStorageAt', [
    COMPONENT_REGISTRY_ADDRESS,
    ringSlot(last.key, anchorIndex),
    deriveRingWord(head),
  ])
  last.head = head
  assert.equal((await last.anchor()).anchorIndex, anchorIndex + 1n)
  await assertRefused(() => last.anchor(), 'ComponentRegistryRingExhausted')
})

/** Where the registry keeps the word of a head: the mapping is its first variable. */
function ringSlot(key: Hex, anchorIndex: bigint): Hex {
  const slot = BigInt(toHex(keccak256(packWords([key, 0])))) + (anchorIndex % 8n)
  return `0x${slot.toString(16).padStart(64, '0')}`
}
