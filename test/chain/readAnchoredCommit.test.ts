import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ComponentUnknownError, HeadUnprovenError } from '../../chain/componentRegistry.ts'
import { readAnchoredCommit } from '../../chain/readAnchoredCommit.ts'
import { deriveCommitDigest } from '../../protocol/wire/commit.ts'
import { createTestChain } from './createTestChain.ts'
import { createTestComponent } from './createTestComponent.ts'

test('readAnchoredCommit: gives the commit of the newest anchor, a moment old, and none of a registration', async () => {
  const world = await createTestChain()
  const { registry, key, prepare, anchor } = await createTestComponent(world, { name: 'anchored' })
  assert.equal(await readAnchoredCommit(registry, { component: key }), undefined)
  await anchor()
  const parameters = await prepare()
  const { commit } = parameters.certified
  await registry.anchor(world.sender, parameters)
  assert.deepEqual(await readAnchoredCommit(registry, { component: key }), {
    height: commit.height,
    digest: deriveCommitDigest(commit),
  })
})

test('readAnchoredCommit: refuses a component that nobody registered, and a head whose event nobody shows', async () => {
  const world = await createTestChain()
  const { registry, key, anchor } = await createTestComponent(world, { name: 'unshown' })
  await assert.rejects(readAnchoredCommit(registry, { component: `0x${'77'.repeat(32)}` }), ComponentUnknownError)
  const older = await registry.readHead({ component: key })
  await anchor()
  // As if the events came from an endpoint that lags behind the one which gave the head.
  const ahead = { ...registry, readHead: async () => ({ ...older, anchorIndex: 2n, height: 2n }) }
  await assert.rejects(readAnchoredCommit(ahead, { component: key }), HeadUnprovenError)
})
