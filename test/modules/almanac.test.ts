import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Batch, createGenesis, execute } from '../../committee/execution.ts'
import { encodeExtension } from '../../committee/extension.ts'
import { type AlmanacState, almanac } from '../../modules/almanac/machine.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { decodeAlmanacParameters, encodeAlmanacParameters } from '../../protocol/wire/almanacParameters.ts'
import {
  type AlmanacTick,
  decodeAlmanacTick,
  decodeObservation,
  encodeAlmanacTick,
  encodeObservation,
} from '../../protocol/wire/almanacTick.ts'
import { deriveStateRoot } from '../../protocol/wire/stateTree.ts'
import { testMachine } from './machineHarness.ts'

const component: Hex = `0x${'c0'.repeat(32)}`
const [one, two, three]: readonly Hex[] = ['11', '22', '33'].map((byte): Hex => `0x${byte.repeat(20)}`)
const rules = { tickEveryMs: 1_000, anchorEveryCommits: 4, anchorEverySeconds: 60 }
const parameters = encodeAlmanacParameters(rules)

testMachine({
  name: 'almanac',
  machine: almanac,
  parameters,
  commands: [],
  refused: [{ component, submitter: one!, sequence: 1n, index: 0, payload: new Uint8Array(0) }],
})

type Observed = readonly (readonly [Hex, bigint | Uint8Array])[]

const members = [{ signer: `0x${'11'.repeat(20)}` as const }]

/** Runs commits through the committee's own execution, and gives the ticks that its log then holds. */
function run(commits: readonly { timestampMs: bigint; observed?: Observed }[]) {
  let state = createGenesis(almanac, { component, parameters, members })
  const ticks: AlmanacTick[] = []
  const anchors: bigint[] = []
  for (const { timestampMs, observed = [] } of commits) {
    const extensions = observed.map(([signer, said]) =>
      encodeExtension({
        component,
        height: state.height,
        round: 0,
        commitDigest: state.parent,
        signer,
        data: typeof said === 'bigint' ? encodeObservation(said) : said,
        signature: `0x${'01'.repeat(64)}`,
      }),
    )
    const batch: Batch = { envelopes: [], timestampMs, extensions }
    const executed = execute(almanac, { state, batch })
    state = executed.state
    if (executed.commit.anchor) anchors.push(executed.commit.height)
    for (const entry of executed.entries) ticks.push(decodeAlmanacTick(entry)!)
  }
  return { state, ticks, anchors }
}

test('almanac: a tick is opened by the commit that is due and published, with what members observed, by the next', () => {
  const { ticks } = run([
    { timestampMs: 5_000n },
    {
      timestampMs: 5_010n,
      observed: [
        [two!, 5_003n],
        [one!, 5_002n],
        [three!, 4_990n],
      ],
    },
  ])
  assert.deepEqual(ticks, [
    {
      seq: 1n,
      timestampMs: 5_000n,
      observedAt: [
        { member: one, observedAtMs: 5_002n },
        { member: two, observedAtMs: 5_003n },
        { member: three, observedAtMs: 4_990n },
      ],
    },
  ])
})

test('almanac: ticks count from 1 and their times only grow, whatever members observe', () => {
  const { ticks } = run([
    { timestampMs: 5_000n },
    { timestampMs: 5_001n, observed: [[one!, 9_000_000n]] },
    { timestampMs: 5_999n }, // not due
    { timestampMs: 6_000n },
    { timestampMs: 7_000n, observed: [[one!, 1n]] }, // publishes the second and opens the third
    { timestampMs: 7_001n, observed: [[one!, 2n ** 64n - 1n]] },
  ])
  assert.deepEqual(
    ticks.map(({ seq, timestampMs }) => [seq, timestampMs]),
    [
      [1n, 5_000n],
      [2n, 6_000n],
      [3n, 7_000n],
    ],
  )
})

test('almanac: a member that attaches something else is left out, and stops nothing', () => {
  const { ticks } = run([
    { timestampMs: 1_000n },
    {
      timestampMs: 1_001n,
      observed: [
        [one!, new Uint8Array(7)],
        [two!, new Uint8Array(0)],
        [three!, 1_000n],
      ],
    },
  ])
  assert.deepEqual(ticks[0]?.observedAt, [{ member: three, observedAtMs: 1_000n }])
})

test('almanac: what is open is due at once, then nothing until the cadence', () => {
  const opened = run([{ timestampMs: 5_000n }]).state
  assert.equal(almanac.dueAtMs(opened.machine, { logSize: 0n }), 5_000n)
  const published = run([{ timestampMs: 5_000n }, { timestampMs: 5_001n }]).state
  assert.equal(almanac.dueAtMs(published.machine, { logSize: 1n }), 6_000n)
})

test('almanac: anchors at its cadence, and never an empty anchor', () => {
  const commits = Array.from({ length: 12 }, (_, index) => ({ timestampMs: 1_000n * BigInt(index + 1) }))
  assert.deepEqual(run(commits).anchors, [4n, 8n, 12n])
  assert.deepEqual(run([{ timestampMs: 1_000n }]).anchors, [])
})

test('almanac: takes no command of anybody', () => {
  const { machine } = run([{ timestampMs: 1_000n }]).state
  const command = { component, submitter: one!, sequence: 1n, index: 0, payload: Uint8Array.of(1) }
  assert.throws(() => almanac.validate(machine, command), { code: 'ALMANAC_TAKES_NO_COMMAND' })
  assert.throws(() => almanac.apply(machine, command, { height: 2n, timestampMs: 1_001n }), {
    code: 'ALMANAC_TAKES_NO_COMMAND',
  })
})

test('almanac: a batch whose extensions cannot be read is refused as a whole', () => {
  const state = createGenesis(almanac, { component, parameters, members })
  const batch: Batch = { envelopes: [], timestampMs: 1n, extensions: [new Uint8Array(3)] }
  assert.throws(() => execute(almanac, { state, batch }), { code: 'BATCH_REFUSED' })
})

test('almanac: a snapshot taken anywhere restores to the same future, and the state root covers it', () => {
  const commits = Array.from({ length: 9 }, (_, index) => ({ timestampMs: 600n * BigInt(index + 1) }))
  const rootsBySnapshot = new Map<string, string>()
  for (let cut = 0; cut <= commits.length; cut++) {
    const { machine } = run(commits.slice(0, cut)).state
    const snapshot = almanac.snapshot(machine)
    assert.deepEqual(almanac.restore(snapshot), machine)
    rootsBySnapshot.set(toHex(snapshot), deriveStateRoot(almanac.items(machine)))
    for (let at = 0; at < snapshot.length; at += 3) {
      assert.throws(() => almanac.restore(snapshot.subarray(0, at)), CoalitionError)
    }
  }
  assert.equal(new Set(rootsBySnapshot.values()).size, rootsBySnapshot.size)
  const dirty = almanac.snapshot({ ...run(commits).state.machine } satisfies AlmanacState)
  dirty[128 + 64] = 1 // the flag has 31 bytes that must be zero
  assert.throws(() => almanac.restore(dirty), { code: 'MALFORMED_SNAPSHOT' })
})

test('decodeAlmanacTick: is the exact inverse of encoding, and leaves other leaves alone', () => {
  const tick: AlmanacTick = {
    seq: 2n ** 64n - 1n,
    timestampMs: 7n,
    observedAt: [{ member: one!, observedAtMs: 8n }],
  }
  const bytes = encodeAlmanacTick(tick)
  assert.deepEqual(decodeAlmanacTick(bytes), tick)
  for (let size = 0; size < bytes.length; size += 3) assert.equal(decodeAlmanacTick(bytes.subarray(0, size)), undefined)
  const flipped = Uint8Array.from(bytes)
  flipped[0]! ^= 1
  assert.equal(decodeAlmanacTick(flipped), undefined)
})

test('decodeObservation: takes eight bytes and nothing else', () => {
  assert.equal(decodeObservation(encodeObservation(2n ** 64n - 1n)), 2n ** 64n - 1n)
  assert.equal(decodeObservation(new Uint8Array(9)), undefined)
  assert.equal(toHex(almanac.observe!({ nowMs: 258 })), '0x0000000000000102')
})

test('decodeAlmanacParameters: is the exact inverse of encoding, and refuses all else', () => {
  assert.deepEqual(decodeAlmanacParameters(parameters), rules)
  for (const bytes of [new Uint8Array(0), new Uint8Array(95), new Uint8Array(96), new Uint8Array(128).fill(1)]) {
    assert.throws(() => decodeAlmanacParameters(bytes), { code: 'INVALID_ALMANAC_PARAMETERS' })
  }
  const tooLong = Uint8Array.from(parameters)
  tooLong[0] = 1
  assert.throws(() => decodeAlmanacParameters(tooLong), { code: 'INVALID_ALMANAC_PARAMETERS' })
})
