import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Queue, QueueEvents } from 'bullmq'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { createEpochs, currentCommittee } from '../../../client/epochs.ts'
import { createLogReader } from '../../../client/logReader.ts'
import { createSubmitter, NoQuorumError, SubmissionRefusedError } from '../../../client/submit.ts'
import { deriveEnvelopeDigest, signEnvelope } from '../../../protocol/wire/envelope.ts'
import { encodeGovernanceCommand, type GovernanceCommand } from '../../../protocol/wire/governance.ts'
import { ComponentRetiredError } from '../../../protocol/wire/next.ts'
import { startRedis } from '../../../scripts/services.ts'
import { createInbox } from '../../../workers/member/inbox.ts'
import { commandJobId, commandQueueName } from '../../../workers/queues.ts'
import { createTestMembers } from '../../protocol/wire/members.ts'
import {
  component,
  createEnvelope,
  createTestDir,
  members,
  signers,
  startCommittee,
  startTestMember,
  submitter as submitterKey,
} from './chronicle-of-tests.ts'
import { serve } from './serve.ts'

const logger = pino({ level: 'silent' })
const epochs = createEpochs({ component, members: signers.map((signer) => ({ signer })) })

const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Members with their command queues on a real Redis; they talk to each other in memory. */
async function startInboxes(indexes: readonly number[]) {
  const service = await startRedis()
  // Earlier tests of this server left jobs under the same names.
  const redis = new Redis(service.url, { maxRetriesPerRequest: null })
  for (const key of await redis.keys('bull:coalition-commands-*')) await redis.del(key)
  const committee = await startCommittee(indexes)
  const inboxes = committee.running.map(({ driver }, position) =>
    createInbox({ redis, driver, logger }, { component, signer: signers[indexes[position]!]! }),
  )
  const submitter = await createSubmitter({ redisUrl: service.url, epochs })
  const closeInboxes = () => Promise.all(inboxes.splice(0).map((inbox) => inbox.close()))
  const close = async () => {
    await submitter.close()
    await closeInboxes()
    committee.stop()
    redis.disconnect()
    await service.stop()
  }
  return { redis, submitter, committee, closeInboxes, close, url: service.url }
}

/** Members with keys of their own who follow `committee` until a rotation gives them seats. */
async function startNewcomers({ redis, committee }: Awaited<ReturnType<typeof startInboxes>>) {
  const strangers = createTestMembers(9).filter(({ signer }) => ![...signers, submitterKey.signer].includes(signer))
  const running = await Promise.all(
    strangers.map((key, position) => {
      const index = members.length + position
      return startTestMember({ index, dir: createTestDir(), transport: committee.network.connect(index), key })
    }),
  )
  const inboxes = running.map(({ driver, signer }) => createInbox({ redis, driver, logger }, { component, signer }))
  const server = await serve(running[0]!)
  const close = async () => {
    await server.close()
    await Promise.all(inboxes.map((inbox) => inbox.close()))
    for (const member of running) member.kill()
  }
  return { running, keys: strangers, log: createLogReader({ url: server.url }), close }
}

const approve = (key: (typeof members)[number], command: GovernanceCommand, sequence = 1n) =>
  signEnvelope(
    { component, submitter: key.signer, sequence, commands: [encodeGovernanceCommand(command)] },
    key.secretKey,
  )

test('submit: returns an acknowledgement that was proven, through real queues', async () => {
  const { submitter, close } = await startInboxes([0, 1, 2, 3])
  for (let sequence = 1n; sequence <= 5n; sequence++) {
    const envelope = createEnvelope(sequence, ['{}'])
    const { acknowledgement } = await submitter.submit(envelope, { timeoutMs: 20_000 })
    assert.equal(acknowledgement.record.commit.logSize, sequence)
  }
  await close()
})

test('submit: a member that swallows its queue starves nobody', async () => {
  const { submitter, close } = await startInboxes([1, 2, 3])
  const { acknowledgement } = await submitter.submit(createEnvelope(1n, ['{}']), { timeoutMs: 20_000 })
  assert.equal(acknowledgement.record.commit.height, 1n)
  await close()
})

test('submit: results that somebody forged beforehand hold up nobody', async () => {
  const { redis, submitter, close } = await startInboxes([0, 1, 2, 3])
  const envelope = createEnvelope(1n, ['{}'])
  const jobId = commandJobId({ envelopeDigest: deriveEnvelopeDigest(envelope) })
  for (const signer of signers) {
    const queue = `bull:${commandQueueName({ component, signer })}`
    const forged = { name: 'command', data: '{}', opts: '{}', timestamp: 1, finishedOn: 2, returnvalue: '"decided"' }
    await redis.hset(`${queue}:${jobId}`, forged)
    await redis.zadd(`${queue}:completed`, 2, jobId)
  }
  const { acknowledgement } = await submitter.submit(envelope, { timeoutMs: 20_000 })
  assert.equal(acknowledgement.record.commit.height, 1n)
  await close()
})

test('submit: a repeat of what was decided is acknowledged with the same commit', async () => {
  const { submitter, committee, close } = await startInboxes([0, 1, 2, 3])
  const envelope = createEnvelope(1n, ['{}'])
  const first = await submitter.submit(envelope, { timeoutMs: 20_000 })
  const second = await submitter.submit(envelope, { timeoutMs: 20_000 })
  assert.deepEqual(second.acknowledgement.record.commit, first.acknowledgement.record.commit)
  assert.equal(committee.running[0]!.replica.state().height, 1n)
  await close()
})

test('submit: a job that was tried again and then done is an acknowledgement, not a refusal', async () => {
  const { submitter, close } = await startInboxes([0, 1, 2, 3])
  // Its members let go of the second until the first has come, and then take it up again.
  const second = submitter.submit(createEnvelope(2n, ['{}']), { timeoutMs: 20_000 })
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  await submitter.submit(createEnvelope(1n, ['{}']), { timeoutMs: 20_000 })
  assert.equal((await second).acknowledgement.record.commit.logSize, 2n)
  await close()
})

test('submit: says that members refuse, and why, when more than can be faulty do', async () => {
  const { submitter, close } = await startInboxes([0, 1, 2, 3])
  const stranger = createEnvelope(1n, ['{}'], members[0]!)
  await assert.rejects(submitter.submit(stranger, { timeoutMs: 20_000 }), (error) => {
    assert.ok(error instanceof SubmissionRefusedError)
    assert.match(error.message, /SUBMITTER_REFUSED/)
    return true
  })
  await close()
})

test('submit: says that there is no quorum when none acknowledges in time', async () => {
  const { submitter, close } = await startInboxes([0, 1])
  await assert.rejects(submitter.submit(createEnvelope(1n, ['{}']), { timeoutMs: 1_500 }), NoQuorumError)
  await close()
})

test('submit: goes on with the members that came by two rotations, when all of those that it knew are gone', async () => {
  const world = await startInboxes([0, 1, 2, 3])
  const newcomers = await startNewcomers(world)
  const early = await createSubmitter({ redisUrl: world.url, epochs, logs: [newcomers.log] })
  const seats = newcomers.keys.map(({ signer }) => ({ signer }))
  for (const key of members.slice(0, 3)) {
    const command: GovernanceCommand = { kind: 'approveRotation', newEpoch: 1n, members: seats }
    await early.submit(approve(key, command), { timeoutMs: 20_000 })
  }
  const first = await early.submit(createEnvelope(1n, ['{}']), { timeoutMs: 20_000 })
  assert.equal(first.verified.commit.epoch, 1n)
  await until(() => newcomers.running.every(({ driver }) => driver.status().isJoined))
  for (const key of newcomers.keys.slice(0, 3)) {
    const command: GovernanceCommand = { kind: 'approveRotation', newEpoch: 2n, members: seats.slice(0, 3) }
    await early.submit(approve(key, command), { timeoutMs: 20_000 })
  }
  await world.closeInboxes()
  for (const { driver } of world.committee.running) driver.stop()
  // It knows the genesis committee alone: whose queues nobody empties.
  const late = await createSubmitter({ redisUrl: world.url, epochs, logs: [newcomers.log] })
  const second = await late.submit(createEnvelope(2n, ['{}']), { timeoutMs: 20_000 })
  assert.equal(second.verified.commit.epoch, 2n)
  assert.equal(currentCommittee(late.epochs()).signers.length, 3)
  // What an older epoch decided is acknowledged with that epoch's certificate.
  const again = await late.submit(createEnvelope(1n, ['{}']), { timeoutMs: 20_000 })
  assert.deepEqual(again.acknowledgement.record.commit, first.acknowledgement.record.commit)
  // Without a log nobody proves to a client who decides now.
  const blind = await createSubmitter({ redisUrl: world.url, epochs })
  await assert.rejects(blind.submit(createEnvelope(2n, ['{}']), { timeoutMs: 1_500 }), NoQuorumError)
  await Promise.all([early, late, blind].map((each) => each.close()))
  await newcomers.close()
  await world.close()
})

test('submit: a component that retired says so, with its successor, once a log proves it', async () => {
  const world = await startInboxes([0, 1, 2, 3])
  const server = await serve(world.committee.running[0]!)
  const logs = [createLogReader({ url: server.url })]
  const submitter = await createSubmitter({ redisUrl: world.url, epochs, logs })
  const successor = `0x${'5c'.repeat(32)}` as const
  for (const key of members.slice(0, 3)) {
    const command: GovernanceCommand = { kind: 'approveRetirement', epoch: 0n, successor, reason: 'replaced' }
    await submitter.submit(approve(key, command), { timeoutMs: 20_000 })
  }
  await assert.rejects(submitter.submit(createEnvelope(1n, ['{}']), { timeoutMs: 20_000 }), (error) => {
    assert.ok(error instanceof ComponentRetiredError)
    assert.equal(error.successor, successor)
    return true
  })
  await assert.rejects(world.submitter.submit(createEnvelope(1n, ['{}']), { timeoutMs: 20_000 }), /COMPONENT_RETIRED/)
  await submitter.close()
  await server.close()
  await world.close()
})

test('submit: an acknowledgement that somebody else wrote into Redis is not believed', async () => {
  const { redis, submitter, committee, close } = await startInboxes([1, 2, 3])
  // Whoever reaches Redis takes member 0's jobs and answers them with another envelope's acknowledgement.
  const decided = createEnvelope(1n, ['{"decided":true}'])
  const { acknowledgement } = await submitter.submit(decided, { timeoutMs: 20_000 })
  const { encodeAcknowledgement } = await import('../../../protocol/wire/acknowledgement.ts')
  const { Worker } = await import('bullmq')
  const liar = new Worker(
    commandQueueName({ component, signer: signers[0]! }),
    async () => encodeAcknowledgement(acknowledgement),
    { connection: redis },
  )
  for (const { driver } of committee.running) driver.stop()
  await assert.rejects(submitter.submit(createEnvelope(2n, ['{}']), { timeoutMs: 2_000 }), NoQuorumError)
  await liar.close(true)
  await close()
})

test('an inbox fails a job that is not of its type, and goes on', async () => {
  const { redis, submitter, close } = await startInboxes([0, 1, 2, 3])
  const name = commandQueueName({ component, signer: signers[0]! })
  const queue = new Queue(name, { connection: redis })
  const listener = redis.duplicate()
  const events = new QueueEvents(name, { connection: listener })
  await events.waitUntilReady()
  for (const data of [null, 7, {}, { envelope: '0xZZ' }, { envelope: '0x00' }, { envelope: [] }]) {
    const job = await queue.add('command', data)
    await assert.rejects(job.waitUntilFinished(events, 10_000), /MALFORMED_JOB|ENVELOPE_REFUSED/)
  }
  await submitter.submit(createEnvelope(1n, ['{}']), { timeoutMs: 20_000 })
  await events.close()
  await queue.close()
  listener.disconnect()
  await close()
})

test('a submitter whose Redis is gone says so, and its process goes on', async () => {
  const service = await startRedis({ isPrivate: true })
  const submitter = await createSubmitter({ redisUrl: service.url, epochs })
  await service.stop()
  // More than one command of a submission fails: a rejection that nobody handles ends the process, and this test.
  for (const sequence of [1n, 2n]) {
    await assert.rejects(
      submitter.submit(createEnvelope(sequence, ['{}']), { timeoutMs: 5_000 }),
      (error: { code?: string }) => error.code === 'REDIS_UNREACHABLE' || error.code === 'NO_QUORUM',
    )
  }
  await submitter.close()
})
