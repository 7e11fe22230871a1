import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createCollateralCache } from '../../../client/collateral/collateralCache.ts'
import { createCollateralFiles } from '../../../client/collateral/collateralFiles.ts'
import { type CollateralSource, CollateralUnavailableError } from '../../../client/collateral/collateralSource.ts'
import type { Collateral } from '../../../protocol/attestation/collateral.ts'
import type { TrustedRoot } from '../../../protocol/attestation/trustedRoot.ts'
import { createWorld, DAY_MS, type Json, NOW_MS } from '../../protocol/attestation/factory/world.ts'

const KEY = { fmspc: '0xb0c06f000000', ca: 'platform' } as const
/** A source that gives what the test sets, a clock that it moves, and what went wrong. */
function createHarness(first: { collateral: Collateral; root: TrustedRoot }) {
  const state = {
    next: first.collateral as Collateral | undefined,
    nowMs: NOW_MS,
    fetchCount: 0,
    failures: [] as string[],
  }
  const source: CollateralSource = {
    async fetch(key) {
      state.fetchCount++
      if (!state.next) throw new CollateralUnavailableError({ key, reason: 'an outage' })
      return state.next
    },
  }
  const cache = (files?: ReturnType<typeof createCollateralFiles>) =>
    createCollateralCache(
      {
        source,
        clock: { nowMs: () => state.nowMs },
        onRefreshFailed: (_key, error) => void state.failures.push((error as { code: string }).code),
        ...(files && { files }),
      },
      { root: first.root },
    )
  return { state, cache }
}

test('createCollateralCache: asks once, however many ask it', async () => {
  const { state, cache } = createHarness(createWorld())
  const collaterals = cache()
  await Promise.all([collaterals.fetch(KEY), collaterals.fetch(KEY), collaterals.fetch(KEY)])
  await collaterals.fetch(KEY)
  assert.equal(state.fetchCount, 1)
})

test('createCollateralCache: asks for newer before the old expires, and serves the old meanwhile', async () => {
  const { state, cache } = createHarness(createWorld())
  const collaterals = cache()
  const first = await collaterals.fetch(KEY)
  state.nowMs += DAY_MS
  assert.equal(await collaterals.fetch(KEY), first)
  await settle()
  assert.equal(state.fetchCount, 2)
})

test('createCollateralCache: serves on through an outage until expiry, and never past it', async () => {
  const { state, cache } = createHarness(createWorld())
  const collaterals = cache()
  const first = await collaterals.fetch(KEY)
  state.next = undefined
  state.nowMs = NOW_MS + 23 * DAY_MS
  assert.equal(await collaterals.fetch(KEY), first)
  await settle()
  assert.deepEqual(state.failures, ['COLLATERAL_UNAVAILABLE'])
  state.nowMs += 1
  await assert.rejects(collaterals.fetch(KEY), { code: 'COLLATERAL_UNAVAILABLE' })
})

test('createCollateralCache: leaves a source that failed alone for a while', async () => {
  const { state, cache } = createHarness(createWorld())
  const collaterals = cache()
  await collaterals.fetch(KEY)
  state.next = undefined
  state.nowMs += DAY_MS
  for (let i = 0; i < 5; i++) {
    await collaterals.fetch(KEY)
    await settle()
  }
  assert.equal(state.fetchCount, 2)
  state.nowMs += 60_001
  await collaterals.fetch(KEY)
  await settle()
  assert.equal(state.fetchCount, 3)
})

test('createCollateralCache: does not take collateral that the root has not signed', async () => {
  const { root: own } = createWorld()
  const { cache } = createHarness({ root: own, collateral: createWorld().collateral })
  // Another world's root certificate differs by its signature, so its chains do not end in ours.
  await assert.rejects(cache().fetch(KEY), { code: 'CERTIFICATE_ROOT_UNTRUSTED' })
})

test('createCollateralCache: does not take collateral that has already expired', async () => {
  const { state, cache } = createHarness(createWorld())
  state.nowMs = NOW_MS + 100 * DAY_MS
  await assert.rejects(cache().fetch(KEY), { code: 'CRL_EXPIRED' })
})

const setNumber =
  (value: number) =>
  (json: Json): void => {
    json.tcbEvaluationDataNumber = value
  }
const olderBy =
  (ms: number) =>
  (json: Json): void => {
    json.issueDate = new Date(Date.parse(json.issueDate) - ms).toISOString().replace('.000Z', 'Z')
  }

for (const [what, older] of [
  ['TCB info evaluation data number', { tcbInfo: setNumber(19) }],
  ['QE identity evaluation data number', { qeIdentity: setNumber(19) }],
  ['root CRL number', { rootCaCrl: { crlNumber: 6 } }],
  ['PCK CRL number', { pckCrl: { crlNumber: 6 } }],
  ['root CRL date', { rootCaCrl: { thisUpdateMs: NOW_MS - 8 * DAY_MS } }],
  ['PCK CRL date', { pckCrl: { thisUpdateMs: NOW_MS - 8 * DAY_MS } }],
  ['TCB info date', { tcbInfo: olderBy(1_000) }],
  ['QE identity date', { qeIdentity: olderBy(1_000) }],
] as const) {
  test(`createCollateralCache: does not go back to a lower ${what}, and serves what it has`, async () => {
    const world = createWorld()
    const { state, cache } = createHarness(world)
    const collaterals = cache()
    const first = await collaterals.fetch(KEY)
    state.next = createWorld({ ...older, rootDer: world.certificates.root }).collateral
    state.nowMs += DAY_MS
    assert.equal(await collaterals.fetch(KEY), first)
    await settle()
    assert.deepEqual(state.failures, ['COLLATERAL_REGRESSED'])
    assert.equal(await collaterals.fetch(KEY), first)
  })
}

test('createCollateralCache: an expired floor stays a floor', async () => {
  const world = createWorld()
  const { state, cache } = createHarness(world)
  const collaterals = cache()
  await collaterals.fetch(KEY)
  state.nowMs = NOW_MS + 30 * DAY_MS
  state.next = createWorld({
    rootDer: world.certificates.root,
    tcbInfo: (json) => {
      json.tcbEvaluationDataNumber = 19
      json.nextUpdate = '2026-12-01T00:00:00Z'
    },
    qeIdentity: (json) => void Object.assign(json, { nextUpdate: '2026-12-01T00:00:00Z' }),
    rootCaCrl: { nextUpdateMs: NOW_MS + 90 * DAY_MS },
    pckCrl: { nextUpdateMs: NOW_MS + 90 * DAY_MS },
  }).collateral
  await assert.rejects(collaterals.fetch(KEY), { code: 'COLLATERAL_REGRESSED' })
})

test('createCollateralCache: takes newer collateral', async () => {
  const world = createWorld()
  const { state, cache } = createHarness(world)
  const collaterals = cache()
  await collaterals.fetch(KEY)
  const newer = createWorld({ rootDer: world.certificates.root, tcbInfo: setNumber(21) }).collateral
  state.next = newer
  state.nowMs += DAY_MS
  await collaterals.fetch(KEY)
  await settle()
  assert.equal(await collaterals.fetch(KEY), newer)
})

test('createCollateralCache: remembers its floor across restarts, by its files', async (context) => {
  const files = createCollateralFiles({ dir: await temporaryFolder(context) })
  const world = createWorld()
  const { state, cache } = createHarness(world)
  await cache(files).fetch(KEY)
  state.next = createWorld({ rootDer: world.certificates.root, tcbInfo: setNumber(19) }).collateral
  const restarted = cache(files)
  assert.deepEqual(await restarted.fetch(KEY), world.collateral)
  assert.deepEqual(state.failures, ['COLLATERAL_REGRESSED'])
})

test('createCollateralCache: starts without its source from its files', async (context) => {
  const files = createCollateralFiles({ dir: await temporaryFolder(context) })
  const { state, cache } = createHarness(createWorld())
  await cache(files).fetch(KEY)
  state.next = undefined
  assert.ok(await cache(files).fetch(KEY))
})

test('createCollateralCache: a broken file is reported and replaced', async (context) => {
  const dir = await temporaryFolder(context)
  await writeFile(join(dir, 'tdx-b0c06f000000-platform.json'), '{}')
  const { state, cache } = createHarness(createWorld())
  assert.ok(await cache(createCollateralFiles({ dir })).fetch(KEY))
  assert.deepEqual(state.failures, ['COLLATERAL_FILE_INVALID'])
  assert.deepEqual(await readdir(dir), ['tdx-b0c06f000000-platform.json'])
})

async function temporaryFolder(context: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'coalition-collateral-'))
  context.after(() => rm(dir, { recursive: true }))
  return dir
}

/** Lets a refresh in the background come to its end. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
