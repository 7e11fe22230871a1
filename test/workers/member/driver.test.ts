import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SubmitterRefusedError } from '../../../modules/chronicle/machine.ts'
import { verifyAcknowledgement } from '../../../protocol/wire/acknowledgement.ts'
import { EnvelopeRefusedError, encodeEnvelope, SequenceRefusedError } from '../../../protocol/wire/envelope.ts'
import { UndecidedError } from '../../../workers/member/driverErrors.ts'
import { encodeFrame } from '../../../workers/member/frame.ts'
import {
  createEnvelope,
  createTestDir,
  members,
  signers,
  startCommittee,
  startTestMember,
  submitter,
} from './chronicle-of-tests.ts'
import { createMemoryNetwork } from './memoryTransport.ts'

const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
}

test('a committee of four acknowledges what one member was given, with a proof the client checks', async () => {
  const { running, stop } = await startCommittee([0, 1, 2, 3])
  const envelope = createEnvelope(1n, ['{"a":1}', '{"a":2}'])
  const acknowledgement = await running[2]!.driver.submit(encodeEnvelope(envelope))
  const verified = verifyAcknowledgement({ acknowledgement, envelope, signers })
  assert.equal(verified.commit.height, 1n)
  assert.equal(verified.commit.logSize, 2n)
  await until(() => running.every(({ replica }) => replica.state().height === 1n))
  assert.equal(new Set(running.map(({ replica }) => replica.state().parent)).size, 1)
  stop()
})

for (const left of [0, 1, 2, 3])
  test(`a committee of four without member ${left} still decides`, async () => {
    const { running, stop } = await startCommittee([0, 1, 2, 3].filter((index) => index !== left))
    const envelope = createEnvelope(1n, ['{}'])
    const acknowledgement = await running[0]!.driver.submit(encodeEnvelope(envelope))
    verifyAcknowledgement({ acknowledgement, envelope, signers })
    stop()
  })

test('two members of four decide nothing', async () => {
  const { running, stop } = await startCommittee([0, 1])
  let isDecided = false
  // It is refused in the end, ten seconds on: by then this test is over, and must not fail another.
  running[0]!.driver.submit(encodeEnvelope(createEnvelope(1n, ['{}']))).then(
    () => (isDecided = true),
    () => {},
  )
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  assert.equal(isDecided, false)
  assert.ok(running.every(({ replica }) => replica.state().height === 0n))
  stop()
})

test('a repeat of a decided envelope is acknowledged again and changes nothing', async () => {
  const { running, stop } = await startCommittee([0, 1, 2, 3])
  const bytes = encodeEnvelope(createEnvelope(1n, ['{}']))
  const first = await running[0]!.driver.submit(bytes)
  const second = await running[0]!.driver.submit(bytes)
  assert.deepEqual(second, first)
  assert.equal(running[0]!.replica.state().height, 1n)
  stop()
})

test('envelopes that come out of order are decided in the order of their sequences', async () => {
  const { running, stop } = await startCommittee([0, 1, 2, 3])
  const later = encodeEnvelope(createEnvelope(2n, ['{"n":2}']))
  await assert.rejects(running[1]!.driver.submit(later), UndecidedError)
  const first = await running[2]!.driver.submit(encodeEnvelope(createEnvelope(1n, ['{"n":1}'])))
  // It was kept where it came first, and is decided without being sent again.
  await until(() => running[1]!.replica.state().sequences.get(submitter.signer) === 2n)
  const second = await running[1]!.driver.submit(later)
  const place = ({ record, index }: typeof first) => [record.commit.height, BigInt(index)]
  assert.ok(place(first).join() < place(second).join())
  stop()
})

test('what no submitter signed, a stranger signed, or was decided otherwise is refused by its own error', async () => {
  const { running, stop } = await startCommittee([0, 1, 2, 3])
  const { driver } = running[0]!
  const forged = encodeEnvelope({ ...createEnvelope(1n, ['{}']), sequence: 2n })
  await assert.rejects(driver.submit(forged), EnvelopeRefusedError)
  await assert.rejects(driver.submit(encodeEnvelope(createEnvelope(1n, ['{}'], members[0]!))), SubmitterRefusedError)
  await driver.submit(encodeEnvelope(createEnvelope(1n, ['{"first":true}'])))
  await assert.rejects(driver.submit(encodeEnvelope(createEnvelope(1n, ['{"first":false}']))), SequenceRefusedError)
  stop()
})

test('a member that was away catches up from its peers', async () => {
  const { running, start, stop } = await startCommittee([0, 1, 2])
  for (let sequence = 1n; sequence <= 5n; sequence++) {
    await running[0]!.driver.submit(encodeEnvelope(createEnvelope(sequence, [`{"n":${sequence}}`])))
  }
  const late = await start(3)
  await until(() => late.replica.state().height === running[0]!.replica.state().height)
  assert.equal(late.replica.state().parent, running[0]!.replica.state().parent)
  assert.deepEqual(late.faults, [])
  late.kill()
  stop()
})

test('a member that was killed comes back with everything it decided', async () => {
  const { running, start, stop } = await startCommittee([0, 1, 2, 3])
  await running[0]!.driver.submit(encodeEnvelope(createEnvelope(1n, ['{"n":1}'])))
  running[3]!.kill()
  await running[0]!.driver.submit(encodeEnvelope(createEnvelope(2n, ['{"n":2}'])))
  running[3] = await start(3, false)
  await until(() => running[3]!.replica.state().height === 2n)
  const acknowledgement = await running[3].driver.submit(encodeEnvelope(createEnvelope(1n, ['{"n":1}'])))
  assert.equal(acknowledgement.record.commit.height, 1n)
  stop()
})

test('two envelopes of one sequence: one is decided, and nobody waits for the other', async () => {
  const { running, stop } = await startCommittee()
  const outcomes = await Promise.allSettled(
    ['{"a":1}', '{"b":1}'].map((text, index) =>
      running[index]!.driver.submit(encodeEnvelope(createEnvelope(1n, [text]))),
    ),
  )
  const fulfilled = outcomes.filter(({ status }) => status === 'fulfilled')
  const reasons = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason.code] : []))
  assert.equal(fulfilled.length, 1)
  assert.ok(['SEQUENCE_REFUSED', 'POOL_FULL'].includes(reasons[0]), reasons[0])
  stop()
})

test('a certified commit served with another batch is dropped, and the member goes on', async () => {
  const { network, running, start, stop } = await startCommittee([0, 1, 2])
  await running[0]!.driver.submit(encodeEnvelope(createEnvelope(1n, ['{"n":1}'])))
  const liar = network.connect(9)
  const record = running[0]!.store.readRecord(1n)!
  const late = await start(3)
  await liar.broadcast(
    encodeFrame({ kind: 'decided', first: 1n, heights: [{ record, envelopes: [], extensions: [] }], extensions: [] }),
  )
  await until(() => late.replica.state().height === 1n)
  assert.deepEqual(late.faults, [])
  late.kill()
  stop()
})

test('a committee of one decides alone, before its caller begins to wait', async () => {
  const committee = [signers[0]!]
  const transport = createMemoryNetwork().connect(0)
  const member = await startTestMember({ index: 0, dir: createTestDir(), transport, committee })
  const envelope = createEnvelope(1n, ['{}'])
  const acknowledgement = await member.driver.submit(encodeEnvelope(envelope))
  verifyAcknowledgement({ acknowledgement, envelope, signers: committee })
  member.kill()
})

test('envelopes of one submitter that arrive in the wrong order are all acknowledged', async () => {
  const { running, stop } = await startCommittee([0, 1, 2, 3])
  const sequences = [3n, 2n, 1n]
  const acknowledgements = await Promise.all(
    sequences.map((sequence, index) =>
      running[index]!.driver.submit(encodeEnvelope(createEnvelope(sequence, [`{"n":${sequence}}`]))),
    ),
  )
  assert.deepEqual([...new Set(acknowledgements.map(({ record }) => record.commit.logSize))].sort().at(-1), 3n)
  stop()
})

test('a caller whose envelope waits for one that does not come is told so, and few of them wait', async () => {
  const { running, stop } = await startCommittee([0, 1, 2, 3])
  const { driver } = running[0]!
  const asked = Array.from({ length: 70 }, (_, index) =>
    driver.submit(encodeEnvelope(createEnvelope(BigInt(index + 2), ['{}']))),
  )
  const outcomes = await Promise.allSettled(asked)
  const isGap = (outcome: PromiseSettledResult<unknown>): boolean =>
    outcome.status === 'rejected' &&
    outcome.reason instanceof UndecidedError &&
    /before it/.test(outcome.reason.message)
  assert.ok(outcomes.every(isGap))
  // The one that was missing lets all of them through.
  await driver.submit(encodeEnvelope(createEnvelope(1n, ['{}'])))
  await until(() => running[0]!.replica.state().sequences.get(submitter.signer) === 71n)
  stop()
})
