import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { type CollateralSource, CollateralUnavailableError } from '../../../client/collateral/collateralSource.ts'
import { createQuotePool } from '../../../client/quotePool.ts'
import { deriveBindingReportData, NONCE_AGE_MAX_MS } from '../../../protocol/attestation/binding.ts'
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
const PIN = { mrTd: `0x${'11'.repeat(48)}`, rtMr: ['a0', 'a1', 'a2'].map((byte) => `0x${byte.repeat(48)}`) } as const
const RULE = { class: 'tdx', policy: decodePolicy({ measurements: [PIN] }) } as const

async function createGate(members: readonly Hex[]) {
  const binding = {
    componentId: COMPONENT,
    signer: PEER,
    notAfterMs: NOW_MS + 2 * ALARM_AHEAD_MS,
    nonce: `0x${'ab'.repeat(32)}`,
  } as const
  const harness = createHarness(RULE.policy, { report: { reportData: fromHex(deriveBindingReportData(binding)) } })
  const told = { disconnected: [] as Hex[], rotations: [] as Hex[], judgedCount: 0 }
  const admission = createAdmission(
    {
      verify: async (quotes) => {
        told.judgedCount += quotes.length
        return (await harness.judge(quotes)).verdicts
      },
      clock: harness.clock,
      currentMembers: () => members,
      disconnect: (peer) => void told.disconnected.push(peer),
      requestRotation: (peer) => void told.rotations.push(peer),
    },
    { componentId: COMPONENT, rules: [RULE] },
  )
  const { quote } = harness.world
  const ticket = { class: 'tdx', quote, notAfterMs: binding.notAfterMs, nonce: binding.nonce } as const
  const nonceTimeMs = (nonce: Hex) => (nonce === binding.nonce ? NOW_MS : undefined)
  const admit = (change: Partial<typeof ticket> = {}, signer: Hex = PEER) =>
    admission.admit({ signer, tickets: [{ ...ticket, ...change }], nonceTimeMs })
  return { admission, told, binding, admit, ...harness }
}

test('createAdmission: admits a peer until its binding ends, then disconnects it', async () => {
  const { admission, told, binding, admit, state } = await createGate([])
  assert.equal(admission.isConnected(PEER), false)
  assert.equal(await admit(), binding.notAfterMs)
  assert.equal(admission.endOf(PEER), binding.notAfterMs)
  assert.deepEqual(admission.list(), [{ signer: PEER, endsAtMs: binding.notAfterMs, isEnding: false }])
  state.nowMs = binding.notAfterMs + 1
  assert.equal(admission.isConnected(PEER), false)
  assert.equal(admission.endOf(PEER), undefined)
  admission.tick()
  assert.deepEqual([told.disconnected, told.rotations, admission.list()], [[PEER], [], []])
})

test('createAdmission: a member of the current epoch stays connected; its end asks for a rotation once', async () => {
  const { admission, told, binding, admit, state } = await createGate([PEER])
  await admit()
  admission.tick()
  assert.deepEqual(told.rotations, [])
  state.nowMs = binding.notAfterMs - ALARM_AHEAD_MS
  admission.tick()
  admission.tick()
  state.nowMs = binding.notAfterMs + 1
  admission.tick()
  assert.deepEqual([told.disconnected, told.rotations], [[], [PEER]])
  assert.equal(admission.list()[0]?.isEnding, true)
  assert.equal(admission.isConnected(PEER), true)
  assert.equal(admission.endOf(PEER), undefined)
})

test('createAdmission: refuses a quote that is none, and one that binds someone else, before the pool is asked', async () => {
  const { admission, told, admit } = await createGate([])
  await assert.rejects(admit({ quote: Uint8Array.of(1) }), { code: 'QUOTE_TRUNCATED' })
  await assert.rejects(admit({}, `0x${'52'.repeat(20)}`), { code: 'QUOTE_BINDING_MISMATCH' })
  await assert.rejects(admit({ nonce: `0x${'ac'.repeat(32)}` }), { code: 'TICKET_NONCE_UNKNOWN' })
  assert.equal(told.judgedCount, 0)
  assert.equal(admission.isConnected(PEER), false)
})

test('createAdmission: refuses what the pool refuses, by its code', async () => {
  const { admission, told, admit, world } = await createGate([])
  const garbled = Uint8Array.from(world.quote)
  garbled[200]! ^= 1
  await assert.rejects(admit({ quote: garbled }), { code: 'PEER_REFUSED', refusal: 'QUOTE_SIGNATURE_INVALID' })
  assert.equal(told.judgedCount, 1)
  assert.equal(admission.isConnected(PEER), false)
})

test('createAdmission: a nonce must be fresh when the pool has answered, not when it was asked', async () => {
  const { admission, admit, judge, state, world } = await createGate([])
  const verify = async (quotes: readonly Uint8Array[]) => {
    state.nowMs += NONCE_AGE_MAX_MS + 1
    return (await judge(quotes)).verdicts
  }
  const slow = createAdmission(
    {
      ...{ verify, clock: { nowMs: () => state.nowMs }, currentMembers: () => [] },
      ...{ disconnect: () => {}, requestRotation: () => {} },
    },
    { componentId: COMPONENT, rules: [RULE] },
  )
  assert.ok(await admit())
  const ticket = { class: 'tdx', quote: world.quote, notAfterMs: NOW_MS + 2 * ALARM_AHEAD_MS } as const
  const tickets = [{ ...ticket, nonce: `0x${'ab'.repeat(32)}` } as const]
  await assert.rejects(slow.admit({ signer: PEER, tickets, nonceTimeMs: () => NOW_MS }), {
    code: 'QUOTE_BINDING_STALE',
  })
  assert.notEqual(admission.endOf(PEER), undefined)
})

test('createAdmission: an admission is not shortened by older tickets, and 1,024 peers are enough', async () => {
  const seconds = NOW_MS / 1_000
  const issuer = generateKeyPairSync('ed25519')
  const publicKey = toHex(Uint8Array.from(issuer.publicKey.export({ type: 'spki', format: 'der' }).subarray(12)))
  const tokenOf = (lifetimeSeconds: number): string => {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = { iss: 'issuer', aud: 'committee', iat: seconds, exp: seconds + lifetimeSeconds }
    const message = `${encode({ alg: 'EdDSA' })}.${encode(claims)}`
    return `${message}.${sign(null, Buffer.from(message), issuer.privateKey).toString('base64url')}`
  }
  const admission = createAdmission(
    {
      clock: { nowMs: () => NOW_MS },
      currentMembers: () => [],
      disconnect: () => {},
      requestRotation: () => {},
    },
    {
      componentId: COMPONENT,
      rules: [
        {
          ...{ class: 'jwt', issuer: 'issuer', audience: 'committee', lifetimeMaxMs: 3_600_000 },
          keys: [{ algorithm: 'EdDSA', publicKey }],
        },
      ],
    },
  )
  const admit = (signer: Hex, lifetimeSeconds: number) =>
    admission.admit({
      signer,
      tickets: [{ class: 'jwt', token: tokenOf(lifetimeSeconds) }],
      nonceTimeMs: () => undefined,
    })
  assert.equal(await admit(PEER, 600), NOW_MS + 600_000)
  assert.equal(await admit(PEER, 60), NOW_MS + 600_000)
  for (let n = 1; n < 1_024; n++) await admit(`0x${n.toString(16).padStart(40, '0')}`, 60)
  await assert.rejects(admit(`0x${'ff'.repeat(20)}`, 60), { code: 'ADMISSION_FULL', isRetryable: true })
  assert.equal(await admit(PEER, 1_200), NOW_MS + 1_200_000)
})
