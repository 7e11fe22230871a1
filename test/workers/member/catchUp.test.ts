import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { encodeEnvelope } from '../../../protocol/wire/envelope.ts'
import { type CatchUpDependencies, createCatchUp } from '../../../workers/member/catchUp.ts'
import { decodeFrame, encodeFrame, type Frame, HEIGHTS_MAX } from '../../../workers/member/frame.ts'
import { createEnvelope, createTestDir, signers, startTestMember, type TestMember } from './chronicle-of-tests.ts'
import { createMemoryNetwork } from './memoryTransport.ts'

const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
}

const HEIGHTS = 100n
// One member decides alone and at once; who has no seat follows it.
const committee = signers.slice(0, 1)
const network = createMemoryNetwork()
const startMember = (index: number) =>
  startTestMember({ index, dir: createTestDir(), transport: network.connect(index), committee })
const decider = await startMember(0)
for (let sequence = 1n; sequence <= HEIGHTS; sequence++) {
  await decider.driver.submit(encodeEnvelope(createEnvelope(sequence, [`{"n":${sequence}}`])))
}
after(() => decider.kill())

/** What one member of the committee sends while it catches up, and what it takes. */
function createAsker(
  over: Partial<Pick<CatchUpDependencies, 'store' | 'self' | 'height' | 'extensionsFor' | 'accept'>> = {},
) {
  const sent: Frame[] = []
  const accepted: string[] = []
  const dropped: string[] = []
  let nowMs = 1_000
  const catchUp = createCatchUp({
    store: over.store ?? decider.store,
    clock: { nowMs: () => nowMs },
    self: over.self ?? signers[0]!,
    signers: () => signers,
    height: over.height ?? (() => BigInt(accepted.length)),
    extensionsFor: over.extensionsFor ?? (() => []),
    send: (frame) => sent.push(frame),
    accept(decided, extensions) {
      if (over.accept !== undefined) over.accept(decided, extensions)
      else if (decided.record !== 'refused') accepted.push(decided.record)
    },
    drop: (reason) => dropped.push(reason),
  })
  return { catchUp, dropped, sent, accepted, pass: (ms: number) => (nowMs += ms) }
}

test('a member that was away gets a hundred heights, in answers of many, from peers asked by name', async () => {
  const frames: Frame[] = []
  await network.connect(9).listen((bytes) => {
    const frame = decodeFrame(bytes)
    if (typeof frame !== 'string') frames.push(frame)
  })
  const late = await startMember(3)
  await until(() => late.replica.state().height === HEIGHTS)
  assert.equal(late.replica.state().parent, decider.replica.state().parent)
  assert.deepEqual(late.faults, [])
  assert.deepEqual([late.driver.status().isJoined, decider.driver.status().isJoined], [false, true])
  late.kill()
  const answers = frames.filter(({ kind }) => kind === 'decided')
  assert.equal(answers.length, Math.ceil(Number(HEIGHTS) / HEIGHTS_MAX), 'one peer answers an ask')
  for (const frame of frames) if (frame.kind === 'behind') assert.equal(frame.peer, committee[0])
})

test('serve: only the peer that was asked answers, and a repeat at once costs it nothing', () => {
  const { catchUp, sent, pass } = createAsker({ height: () => HEIGHTS })
  catchUp.serve({ kind: 'behind', height: 5n, peer: signers[1]! })
  assert.equal(sent.length, 0)
  const asked: Frame = { kind: 'behind', height: 5n, peer: signers[0]! }
  catchUp.serve(asked)
  catchUp.serve(asked)
  assert.equal(sent.length, 1)
  const [answer] = sent
  assert.ok(answer?.kind === 'decided' && answer.first === 6n && answer.heights.length === HEIGHTS_MAX)
  pass(1_000)
  catchUp.serve(asked)
  assert.equal(sent.length, 2)
  catchUp.serve({ kind: 'behind', height: HEIGHTS, peer: signers[0]! })
  assert.equal(sent.length, 2, 'it has no more than the asker')
})

test('serve: a flood of asks is answered up to a bound of bytes, and great heights travel alone', () => {
  const large = new Uint8Array(1 << 20)
  const store = {
    readRecord: () => '{}',
    readBatch: () => [large],
    readExtensions: () => [],
    baseHeight: () => 0n,
  } as unknown as TestMember['store']
  const { catchUp, sent, pass } = createAsker({ store, height: () => 1_000n })
  for (let height = 0n; height < 500n; height++) catchUp.serve({ kind: 'behind', height, peer: signers[0]! })
  assert.equal(sent.length, 2)
  for (const frame of sent) assert.ok(frame.kind === 'decided' && frame.heights.length === 1)
  pass(1_000)
  for (let height = 0n; height < 500n; height++) catchUp.serve({ kind: 'behind', height, peer: signers[0]! })
  assert.equal(sent.length, 4)
})

test('serve: the last height of an answer comes with the vote extensions for it, however many heights there are', () => {
  const extensionsFor = (height: bigint) => [new TextEncoder().encode(`for ${height}`)]
  const { catchUp, sent, pass } = createAsker({ height: () => HEIGHTS, extensionsFor })
  for (const [height, last] of [
    [5n, 5n + BigInt(HEIGHTS_MAX)],
    [90n, HEIGHTS],
  ] as const) {
    catchUp.serve({ kind: 'behind', height, peer: signers[0]! })
    const answer = sent.at(-1)
    assert.ok(answer?.kind === 'decided')
    assert.deepEqual(answer.extensions, extensionsFor(last))
    pass(1_000)
  }
})

test('receive: a height comes with the extensions of the proposal after it, the last with those of the answer', () => {
  const taken: string[] = []
  const text = (bytes: readonly Uint8Array[]): string => bytes.map((each) => new TextDecoder().decode(each)).join()
  const bytes = (of: string): Uint8Array => new TextEncoder().encode(of)
  const { catchUp } = createAsker({
    accept: ({ record }, extensions) => taken.push(`${record}: ${text(extensions)}`),
    height: () => BigInt(taken.length),
  })
  const heights = ['one', 'two', 'three'].map((record, index) => ({
    record,
    envelopes: [],
    extensions: [bytes(`for ${index}`)],
  }))
  catchUp.receive({ kind: 'decided', first: 1n, heights, extensions: [bytes('for 3')] })
  catchUp.stop()
  assert.deepEqual(taken, ['one: for 1', 'two: for 2', 'three: for 3'])
})

const heights = (...records: string[]) => records.map((record) => ({ record, envelopes: [], extensions: [] }))

test('receive: what was decided here, leaves a gap or follows a refused height is not executed', () => {
  const { catchUp, sent, accepted, dropped } = createAsker()
  catchUp.receive({ kind: 'decided', first: 2n, heights: heights('b'), extensions: [] })
  catchUp.receive({ kind: 'decided', first: 1n, heights: heights('refused', 'b'), extensions: [] })
  assert.equal(accepted.length + sent.length, 0)
  catchUp.receive({ kind: 'decided', first: 1n, heights: heights('a', 'b', 'refused', 'd'), extensions: [] })
  catchUp.receive({ kind: 'decided', first: 1n, heights: heights('a', 'b'), extensions: [] })
  catchUp.receive({ kind: 'decided', first: 2n, heights: heights('b', 'c'), extensions: [] })
  assert.deepEqual(accepted, ['a', 'b', 'c'])
  assert.deepEqual(dropped, ['heightAhead', 'heightBehind'])
  assert.ok(sent.every((frame) => frame.kind === 'behind'))
  catchUp.stop()
})

test('a peer that does not deliver, or delivers height by height, loses its turn to the next', async () => {
  const silent = createAsker()
  silent.catchUp.heardOf(9n)
  await until(() => silent.sent.length === 3)
  silent.catchUp.stop()
  const asked = silent.sent.map((frame) => frame.kind === 'behind' && frame.peer)
  assert.deepEqual(new Set(asked), new Set(signers.slice(1)), 'every other member was asked')

  const slow = createAsker()
  for (let first = 1n; first <= 40n; first++) {
    slow.catchUp.receive({ kind: 'decided', first, heights: heights(`${first}`), extensions: [] })
  }
  slow.catchUp.stop()
  assert.ok(new Set(slow.sent.map((frame) => frame.kind === 'behind' && frame.peer)).size > 1)
})

test('a peer that lies costs a member nothing but the answer', async () => {
  const liar = network.connect(8)
  const record = decider.store.readRecord(2n)!
  const envelopes = decider.store.readBatch(1n)
  await liar.listen((bytes) => {
    const frame = decodeFrame(bytes)
    if (typeof frame === 'string' || frame.kind !== 'behind') return
    const heights = [{ record, envelopes, extensions: [] }]
    const lie: Frame = { kind: 'decided', first: frame.height + 1n, heights, extensions: [] }
    void liar.broadcast(encodeFrame(lie))
  })
  const late = await startMember(3)
  await until(() => late.replica.state().height === HEIGHTS)
  assert.deepEqual(late.faults, [])
  assert.deepEqual([late.driver.status().isJoined, decider.driver.status().isJoined], [false, true])
  late.kill()
  await liar.close()
})
