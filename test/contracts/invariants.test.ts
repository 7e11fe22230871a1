import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeFunctionData } from 'viem'
import { COMPONENT_REGISTRY_ADDRESS } from '../../chain/addresses.ts'
import { type EncodeAnchorParameters, encodeAnchor } from '../../chain/encodeAnchor.ts'
import { componentRegistryAbi as abi } from '../../chain/generated/componentRegistry.ts'
import { readHeads } from '../../chain/readHeads.ts'
import { callRegistry, RegistryRefusedError } from '../../chain/registryRefusal.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { createTestComponent, type TestComponent } from '../chain/createTestComponent.ts'
import { createRandom, type Random } from '../chain/random.ts'
import { createTestCommittee } from '../chain/testCommittee.ts'
import { createTestLog, digestOf } from '../chain/testLog.ts'

/** The invariants that contracts/ComponentRegistry.sol lists, each over random calls whose seed is printed. */
const STEPS = Number(process.env.FUZZ_STEPS ?? 60)

type World = { testChain: TestChain; random: Random; components: TestComponent[] }

async function createWorld(name: string): Promise<World> {
  const testChain = await createTestChain()
  const random = createRandom()
  const components: TestComponent[] = []
  for (const index of [0, 1, 2]) {
    const component = await createTestComponent(testChain, { name: `${name} ${index}`, memberCount: 1 + 3 * index })
    await component.anchor({ leafCount: 1 + random.below(6) })
    components.push(component)
  }
  return { testChain, random, components }
}

/** One honest anchor, now and then with a rotation. */
async function advance({ random }: World, component: TestComponent): Promise<void> {
  const leafCount = 1 + random.below(9)
  if (random.below(4) !== 0) return void (await component.anchor({ leafCount }))
  const name = `rotated ${component.key} ${component.head.epoch}`
  const memberCount = random.pick([component.committee.members.length, 1 + random.below(7)])
  const next = createTestCommittee({ name, memberCount })
  await component.anchor({ leafCount, next: { kind: 'rotation', newCommitteeHash: next.hash } })
  component.committee = next
}

const isRefused = async ({ testChain }: World, parameters: EncodeAnchorParameters): Promise<boolean> => {
  const data = encodeFunctionData({ abi, functionName: 'anchor', args: [encodeAnchor(parameters)] })
  try {
    await callRegistry(testChain.chain, () => testChain.stranger.send({ to: COMPONENT_REGISTRY_ADDRESS, data }))
    return false
  } catch (error) {
    assert.ok(error instanceof RegistryRefusedError && error.errorName !== undefined, String(error))
    return true
  }
}

const assertUnchanged = async (components: readonly TestComponent[], context: string): Promise<void> => {
  for (const { key, head, registry } of components) {
    assert.equal(await registry.isNewest({ component: key, head }), true, context)
  }
}

test('I1 logOnlyGrows: not even the whole committee can anchor a log that leaves out or rewrites a leaf', async () => {
  const world = await createWorld('I1')
  const { random, components } = world
  const context = `replay with SEED=${random.seed}`
  for (let step = 0; step < STEPS; step++) {
    const component = random.pick(components)
    const { head, committee, log } = component
    const honest = await component.prepare({ leafCount: 1 + random.below(5) })
    const rewritten = createTestLog({ name: `rewritten ${step}` })
    const [oldSize, newSize] = [Number(head.logSize), Number(honest.certified.commit.logSize)]
    // The corrupt committee signs the other log's root, and brings whichever proof it likes.
    const commit = { ...honest.certified.commit, logRoot: rewritten.root(newSize) }
    const everyone = committee.members.map((_, place) => place)
    const certified = { commit, certificate: committee.certify(commit, { places: everyone }) }
    for (const consistencyProof of [
      rewritten.proveConsistency(oldSize, newSize),
      log.proveConsistency(oldSize, newSize),
      [...rewritten.proveConsistency(oldSize, newSize)].reverse(),
    ]) {
      assert.equal(await isRefused(world, { ...honest, certified, consistencyProof }), true, context)
    }
    await assertUnchanged(components, context)
    await advance(world, component)
  }
  for (const { key, log, registry } of components) {
    const heads = await readHeads(registry.chain, { address: registry.address, component: key })
    for (const head of heads) assert.equal(head.logRoot, log.root(Number(head.logSize)), context)
    const sizes = heads.map((head) => head.logSize)
    assert.deepEqual(
      sizes,
      [...new Set(sizes)].sort((a, b) => (a < b ? -1 : 1)),
      context,
    )
  }
})

test('I2 onlyQuorumSpeaks: a component changes only by a certificate of its current epoch', async () => {
  const world = await createWorld('I2')
  const { random, components } = world
  const context = `replay with SEED=${random.seed}`
  const earlier = new Map(components.map(({ key, committee }) => [key, [committee]]))
  for (let step = 0; step < STEPS; step++) {
    const component = random.pick(components)
    const { committee } = component
    const honest = await component.prepare({ leafCount: 1 + random.below(5) })
    const { commit } = honest.certified
    const strangers = createTestCommittee({ name: `strangers ${step}`, memberCount: committee.members.length })
    const former = earlier.get(component.key)!.filter(({ hash }) => hash !== committee.hash)
    const impostors = [strangers, ...former.filter(({ members }) => members.length === committee.members.length)]
    const foreign = impostors.map((impostor) => ({ commit, certificate: impostor.certify(commit) }))
    const unsigned = [
      { commit, certificate: committee.certify({ ...commit, height: commit.height + 1n }) },
      { commit, certificate: committee.certify({ ...commit, epoch: commit.epoch + 1n }) },
      { commit, certificate: committee.certify({ ...commit, anchor: false }) },
      { commit, certificate: { ...committee.certify(commit, { round: 1 }), round: 0 } },
    ]
    for (const certified of [...foreign, ...unsigned]) {
      assert.equal(await isRefused(world, { ...honest, certified }), true, context)
    }
    await assertUnchanged(components, context)
    await advance(world, component)
    earlier.get(component.key)!.push(component.committee)
  }
})

test('I3 componentsAreApart: a call for one key changes no other key', async () => {
  const world = await createWorld('I3')
  const { random, components } = world
  const context = `replay with SEED=${random.seed}`
  for (let step = 0; step < STEPS; step++) {
    const component = random.pick(components)
    const other = random.pick(components.filter((candidate) => candidate !== component))
    const honest = await component.prepare({ leafCount: 1 + random.below(5) })
    // The same commit, certificate and proof shown for the other component's key and head.
    const commit = { ...honest.certified.commit, component: other.key }
    const certified = { commit, certificate: honest.certified.certificate }
    assert.equal(await isRefused(world, { ...honest, certified }), true, context)
    await advance(world, component)
    await assertUnchanged(components, context)
  }
})

test('I4 retiredIsFinal: nothing of a retired component changes again', async () => {
  const world = await createWorld('I4')
  const { random, components } = world
  const context = `replay with SEED=${random.seed}`
  const [retired, ...alive] = components as [TestComponent, ...TestComponent[]]
  const before = retired.head
  await retired.anchor({ next: { kind: 'retirement', successor: digestOf('successor'), reason: 'over' } })
  for (let step = 0; step < STEPS / 2; step++) {
    const afterwards = await retired.prepare({ leafCount: 1 + random.below(5) })
    // From its last head, from that head as if it were not the last, and from the head before.
    const heads = [retired.head, { ...retired.head, retired: false }, before]
    assert.equal(await isRefused(world, { ...afterwards, previous: random.pick(heads) }), true, context)
    await assertUnchanged(components, context)
    await advance(world, random.pick(alive))
  }
  const { registry, key } = retired
  const contract = { address: registry.address, abi } as const
  assert.equal(await registry.chain.client.readContract({ ...contract, functionName: 'isRetired', args: [key] }), true)
})
