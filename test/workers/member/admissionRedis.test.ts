import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { createQuotePool } from '../../../client/quotePool.ts'
import { createQuoteVerifier } from '../../../protocol/attestation/verifyQuote.ts'
import { toHex } from '../../../protocol/bytes.ts'
import { verifyAcknowledgement } from '../../../protocol/wire/acknowledgement.ts'
import { startRedis } from '../../../scripts/services.ts'
import { derivePolicyDigest } from '../../../workers/attestation/policyDigest.ts'
import { createAttestationProcessor } from '../../../workers/attestation/processor.ts'
import { startAttestationWorker } from '../../../workers/attestation/worker.ts'
import { createRedisTransport } from '../../../workers/member/redisTransport.ts'
import { approve, createAttestedWorld, FIRST, keys, platform, policy, rotateTo, signersOf, until } from './attested.ts'
import { createEnvelope, submitter } from './chronicle-of-tests.ts'

test('over Redis, each member by its own pool: a newcomer is admitted, enters, and is needed', async (context) => {
  const service = await startRedis()
  const component = toHex(randomBytes(32))
  const world = createAttestedWorld({ of: component })
  const logger = pino({ level: 'silent' })
  const closers: (() => unknown)[] = [() => service.stop()]
  context.after(async () => {
    for (const close of closers.reverse()) await close()
  })

  async function start(index: number): Promise<void> {
    const { signer, secretKey } = keys[index]!
    const redis = new Redis(service.url, { maxRetriesPerRequest: null })
    closers.push(() => redis.disconnect())
    const process = createAttestationProcessor(
      { collaterals: { fetch: async () => platform.collateral }, clock: world.clock, secretKey },
      { component, policy, verifier: createQuoteVerifier({ root: platform.root }) },
    )
    const worker = startAttestationWorker({ redis, process, logger }, { component, signer })
    closers.push(() => worker.close())
    const pool = createQuotePool(
      { clock: world.clock },
      { redisUrl: service.url, component, signer, policyDigest: derivePolicyDigest(policy) },
    )
    closers.push(() => pool.close())
    const transport = createRedisTransport({ redis, logger }, { component })
    await world.start(index, { transport, verify: pool.verify })
    closers.push(() => transport.close())
  }

  for (const index of FIRST) await start(index)
  await world.submit(0, createEnvelope(1n, ['{}'], submitter, component))
  await start(4)
  await until(() => FIRST.every((index) => world.admittedBy(index, 4)))
  await until(() => world.member(4).replica.state().height === 1n)
  const second = [1, 2, 3, 4]
  for (const index of [0, 1, 2]) await world.submit(index, approve(index, rotateTo(second), component))
  await until(() => second.every((index) => world.member(index).replica.state().epoch === 1n))
  world.stop([0, 3])
  const envelope = createEnvelope(2n, ['{}'], submitter, component)
  const acknowledgement = await world.submit(1, envelope)
  verifyAcknowledgement({ acknowledgement, envelope, signers: signersOf(second) })
  world.stop([1, 2, 4])
})
