import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { type CollateralSource, CollateralUnavailableError } from '../../../client/collateral/collateralSource.ts'
import { createQuotePool } from '../../../client/quotePool.ts'
import { deriveBindingReportData } from '../../../protocol/attestation/binding.ts'
import { type AttestationPolicy, decodePolicy } from '../../../protocol/attestation/policy.ts'
import { createQuoteVerifier, type QuoteVerifier } from '../../../protocol/attestation/verifyQuote.ts'
import { fromHex, type Hex, toHex } from '../../../protocol/bytes.ts'
import { deriveVerdictsDigest, recoverVerdictsSigner } from '../../../protocol/wire/quoteVerdict.ts'
import { deriveSignerAddress } from '../../../protocol/wire/signature.ts'
import { startRedis } from '../../../scripts/services.ts'
import { ALARM_AHEAD_MS, createAdmission } from '../../../workers/attestation/admission.ts'
import { derivePolicyDigest } from '../../../workers/attestation/policyDigest.ts'
import { type AttestationProcessor, createAttestationProcessor } from '../../../workers/attestation/processor.ts'
import { startAttestationWorker } from '../../../workers/attestation/worker.ts'
import { createWorld, NOW_MS } from '../../protocol/attestation/factory/world.ts'

const COMPONENT: Hex = `0x${'c0'.repeat(32)}`
const secretKey = fromHex(`0x${'07'.repeat(32)}`)
const signer = deriveSignerAddress(secretKey)
const silent = pino({ level: 'silent' })

function createHarness(policy: AttestationPolicy = {}, changes: Parameters<typeof createWorld>[0] = {}) {
  const world = createWorld(changes)
  const state = { nowMs: NOW_MS, isOut: false, verifications: 0 }
  const inner = createQuoteVerifier({ root: world.root })
  const verifier: QuoteVerifier = {
    ...inner,
    verify: (parameters) => {
      state.verifications++
      return inner.verify(parameters)
    },
  }
  const collaterals: CollateralSource = {
    async fetch(key) {
      if (state.isOut) throw new CollateralUnavailableError({ key, reason: 'an outage' })
      return world.collateral
    },
  }
  const clock = { nowMs: () => state.nowMs }
  const createJudge = (component: Hex) =>
    createAttestationProcessor({ collaterals, clock, secretKey }, { component, policy, verifier })
  return { world, state, judge: createJudge(COMPONENT), createJudge, clock }
}

test('createAttestationProcessor: judges each quote in its order and signs for its member', async () => {
  const { world, judge } = createHarness()
  const garbled = Uint8Array.from(world.quote)
  garbled[200]! ^= 1
  const signed = await judge([world.quote, garbled, Uint8Array.of(1)])
  assert.deepEqual(
    signed.verdicts.map(({ code }) => code),
    ['', 'QUOTE_SIGNATURE_INVALID', 'QUOTE_TRUNCATED'],
  )
  assert.equal(recoverVerdictsSigner(signed), signer)
  assert.ok(signed.verdicts[0]!.expiresAtMs > NOW_MS)
})

test('deriveVerdictsDigest: no field of a verdict can change unseen', async () => {
  const { world, judge } = createHarness()
  const signed = await judge([world.quote])
  const digest = deriveVerdictsDigest(signed)
  const verdict = signed.verdicts[0]!
  const other: Hex = `0x${'ee'.repeat(32)}`
  for (const change of [
    { quoteDigest: other },
    { collateralDigest: other },
    { reportDigest: other },
    { code: 'TCB_REVOKED' },
    { reportData: `${other}${'00'.repeat(32)}` as Hex },
    { expiresAtMs: verdict.expiresAtMs + 1 },
  ]) {
    assert.notEqual(deriveVerdictsDigest({ ...signed, verdicts: [{ ...verdict, ...change }] }), digest)
  }
  assert.notEqual(deriveVerdictsDigest({ ...signed, component: other }), digest)
  assert.notEqual(deriveVerdictsDigest({ ...signed, policyDigest: other }), digest)
  assert.notEqual(deriveVerdictsDigest({ ...signed, judgedAtMs: 1 }), digest)
  assert.notEqual(deriveVerdictsDigest({ ...signed, verdicts: [verdict, verdict] }), digest)
})

test('createAttestationProcessor: uses a verdict again while it holds, and not after', async () => {
  const { world, judge, state } = createHarness()
  await judge([world.quote, world.quote])
  assert.equal(state.verifications, 1)
  state.nowMs += 1
  await judge([world.quote])
  assert.equal(state.verifications, 1)
  state.nowMs = NOW_MS + 100 * 86_400_000
  const [verdict] = (await judge([world.quote])).verdicts
  assert.equal(verdict?.code, 'CRL_EXPIRED')
  assert.equal(state.verifications, 2)
})

test('createAttestationProcessor: gives no verdict without collateral', async () => {
  const { world, judge, state } = createHarness()
  state.isOut = true
  await assert.rejects(judge([world.quote]), { code: 'COLLATERAL_UNAVAILABLE', isRetryable: true })
})

test('derivePolicyDigest: depends on the rules, not on the order in which they are written', () => {
  const a = derivePolicyDigest(decodePolicy({ graceDays: 1, acceptedStatuses: ['UpToDate'] }))
  assert.equal(derivePolicyDigest(decodePolicy({ acceptedStatuses: ['UpToDate'], graceDays: 1 })), a)
  assert.notEqual(derivePolicyDigest(decodePolicy({ acceptedStatuses: ['UpToDate'], graceDays: 2 })), a)
})

/** A pool, and workers that judge for its component; the hooks of a test run in the order of their making, so one closes all. */
async function startPool(
  context: TestContext,
  createProcess: (component: Hex) => AttestationProcessor,
  options: { waitingMax?: number; workers?: number; timeoutMs?: number } = {},
) {
  const service = await startRedis()
  // A queue of its own: other tests use the same server.
  const component = toHex(randomBytes(32))
  const process = createProcess(component)
  const workers = Array.from({ length: options.workers ?? 1 }, () => {
    const redis = new Redis(service.url, { maxRetriesPerRequest: null })
    return { redis, worker: startAttestationWorker({ redis, process, logger: silent }, { component, signer }) }
  })
  const pool = createQuotePool(
    { clock: { nowMs: Date.now } },
    {
      redisUrl: service.url,
      component,
      signer,
      policyDigest: derivePolicyDigest({}),
      timeoutMs: options.timeoutMs ?? 20_000,
      ...(options.waitingMax !== undefined && { waitingMax: options.waitingMax }),
    },
  )
  context.after(async () => {
    await pool.close()
    for (const { redis, worker } of workers) {
      await worker.close()
      redis.disconnect()
    }
    await service.stop()
  })
  return pool
}

test('createQuotePool: has quotes judged by two workers, through Redis', async (context) => {
  const harness = createHarness()
  const pool = await startPool(context, harness.createJudge, { workers: 2 })
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => pool.verify([harness.world.quote, Uint8Array.of(9)])),
  )
  for (const verdicts of answers) {
    assert.deepEqual(
      verdicts.map(({ code }) => code),
      ['', 'QUOTE_TRUNCATED'],
    )
  }
})

test('createQuotePool: refuses at once where too many jobs wait', async (context) => {
  const harness = createHarness()
  const pool = await startPool(context, harness.createJudge, { workers: 0, waitingMax: 3, timeoutMs: 1_000 })
  const asked = Array.from({ length: 6 }, (_, i) => pool.verify([Uint8Array.of(i)]))
  const outcomes = await Promise.allSettled(asked)
  const refused = outcomes.filter(
    (outcome) => outcome.status === 'rejected' && outcome.reason.code === 'QUOTE_POOL_FULL',
  )
  assert.equal(refused.length, 3)
})

test('createQuotePool: does not take a verdict that another key signed', async (context) => {
  const harness = createHarness()
  const createForger = (component: Hex) =>
    createAttestationProcessor(
      {
        collaterals: { fetch: async () => harness.world.collateral },
        clock: harness.clock,
        secretKey: fromHex(`0x${'08'.repeat(32)}`),
      },
      { component, policy: {} },
    )
  const pool = await startPool(context, createForger)
  await assert.rejects(pool.verify([harness.world.quote]), { code: 'VERDICT_UNTRUSTED' })
})

test('createQuotePool: ends within its limit although its Redis has ended', async () => {
  const redis = await startRedis({ isPrivate: true })
  const pool = createQuotePool(
    { clock: { nowMs: Date.now } },
    { redisUrl: redis.url, component: COMPONENT, signer, policyDigest: derivePolicyDigest({}), timeoutMs: 100 },
  )
  await assert.rejects(pool.verify([Uint8Array.of(1)]), { code: 'QUOTE_POOL_FAILED' })
  await redis.stop()
  await pool.close()
})

const PEER: Hex = `0x${'51'.repeat(20)}`

async function createGate(members: readonly Hex[]) {
  const binding = {
    componentId: COMPONENT,
    signer: PEER,
    notAfterMs: NOW_MS + 2 * ALARM_AHEAD_MS,
    nonce: `0x${'ab'.repeat(32)}`,
  } as const
  const harness = createHarness({}, { report: { reportData: fromHex(deriveBindingReportData(binding)) } })
  const told = { disconnected: [] as Hex[], rotations: [] as Hex[] }
  const admission = createAdmission({
    verify: async (quotes) => (await harness.judge(quotes)).verdicts,
    clock: harness.clock,
    currentMembers: () => members,
    disconnect: (peer) => void told.disconnected.push(peer),
    requestRotation: (peer) => void told.rotations.push(peer),
  })
  return { admission, told, binding, ...harness }
}

test('createAdmission: admits a peer until its binding ends, then disconnects it', async () => {
  const { admission, told, binding, world, state } = await createGate([])
  assert.equal(admission.isConnected(PEER), false)
  assert.equal(await admission.admit({ quote: world.quote, binding, nonceTimeMs: NOW_MS }), binding.notAfterMs)
  assert.equal(admission.mayEnter(PEER), true)
  state.nowMs = binding.notAfterMs + 1
  assert.equal(admission.isConnected(PEER), false)
  admission.tick()
  assert.deepEqual(told, { disconnected: [PEER], rotations: [] })
})

test('createAdmission: a member of the current epoch stays connected; its end asks for a rotation once', async () => {
  const { admission, told, binding, world, state } = await createGate([PEER])
  await admission.admit({ quote: world.quote, binding, nonceTimeMs: NOW_MS })
  admission.tick()
  assert.deepEqual(told.rotations, [])
  state.nowMs = binding.notAfterMs - ALARM_AHEAD_MS
  admission.tick()
  admission.tick()
  state.nowMs = binding.notAfterMs + 1
  admission.tick()
  assert.deepEqual(told, { disconnected: [], rotations: [PEER] })
  assert.equal(admission.isConnected(PEER), true)
  assert.equal(admission.mayEnter(PEER), false)
})

test('createAdmission: refuses a quote that is refused, and one that binds someone else', async () => {
  const { admission, binding, world } = await createGate([])
  await assert.rejects(admission.admit({ quote: Uint8Array.of(1), binding, nonceTimeMs: NOW_MS }), {
    code: 'PEER_REFUSED',
  })
  const other = { ...binding, signer: `0x${'52'.repeat(20)}` as Hex }
  await assert.rejects(admission.admit({ quote: world.quote, binding: other, nonceTimeMs: NOW_MS }), {
    code: 'QUOTE_BINDING_MISMATCH',
  })
  assert.equal(admission.isConnected(PEER), false)
})
