import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeAbiParameters, parseAbiParameters } from 'viem'
import { fromHex, type Hex, isEqualBytes, toHex } from '../../../protocol/bytes.ts'
import { decodeFrame, encodeFrame, type Frame, HEIGHTS_MAX } from '../../../workers/member/frame.ts'
import { FRAME_SIZE_MAX_BYTES } from '../../../workers/member/transport.ts'

const peer: Hex = `0x${'51'.repeat(20)}`
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const decided: Frame = {
  kind: 'decided',
  first: 7n,
  heights: [
    { record: '{"height":"7"}', envelopes: [bytes('one'), bytes('')], extensions: [] },
    { record: 'é', envelopes: [], extensions: [bytes('seen')] },
  ],
  extensions: [],
}
const extended: Frame = { ...decided, extensions: [bytes('at seven'), bytes('')] }

const list = fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 4 })
const plain = { noNullPrototype: true }
const heights = fc.array(
  fc.record({ record: fc.string({ unit: 'grapheme', maxLength: 50 }), envelopes: list, extensions: list }, plain),
  { minLength: 1, maxLength: 4 },
)
const frames: fc.Arbitrary<Frame> = fc.oneof(
  fc.record(
    { kind: fc.constant('behind' as const), height: fc.bigInt(0n, 2n ** 64n - 1n), peer: fc.constant(peer) },
    plain,
  ),
  fc.record(
    { kind: fc.constant('decided' as const), first: fc.bigInt(1n, 2n ** 63n), heights, extensions: list },
    plain,
  ),
  fc.record(
    {
      kind: fc.constantFrom('consensus' as const, 'envelope' as const, 'handshake' as const),
      bytes: fc.uint8Array({ maxLength: 100 }),
    },
    plain,
  ),
)

test('decodeFrame: gives back every frame that encodeFrame writes', () => {
  fc.assert(fc.property(frames, (frame) => assert.deepEqual(decodeFrame(encodeFrame(frame)), frame)))
})

test('encodeFrame: writes a decided frame as the ABI has it', () => {
  const inner = parseAbiParameters('bytes record, bytes[] envelopes, bytes[] extensions')
  const heights = decided.kind === 'decided' ? decided.heights : []
  const expected = encodeAbiParameters(parseAbiParameters('uint64 first, bytes[] heights'), [
    7n,
    heights.map(({ record, envelopes, extensions }) =>
      encodeAbiParameters(inner, [toHex(bytes(record)), envelopes.map(toHex), extensions.map(toHex)]),
    ),
  ])
  assert.equal(toHex(encodeFrame(decided)), `0x03${expected.slice(2)}`)
})

test('encodeFrame: gives a decided frame with vote extensions a form of its own, and leaves the other as it is', () => {
  const [payload, other] = [extended, decided].map((frame) => encodeFrame(frame).subarray(1))
  const read = (form: number, rest: Uint8Array) => decodeFrame(new Uint8Array([form, ...rest]))
  assert.deepEqual(read(5, payload!), extended)
  assert.equal(read(3, payload!), 'malformed')
  assert.equal(read(5, other!), 'malformed')
  const none = parseAbiParameters('uint64 first, bytes[] heights, bytes[] extensions')
  assert.equal(read(5, fromHex(encodeAbiParameters(none, [1n, [height], []]))), 'malformed')
  const many = encodeAbiParameters(none, [1n, [height], Array(257).fill('0x')])
  assert.equal(read(5, fromHex(many)), 'malformed')
})

test('decodeFrame: a frame with any byte changed, cut short or lengthened is another frame or none', () => {
  for (const frame of [decided, extended]) assertOneEncoding(encodeFrame(frame))
})

function assertOneEncoding(whole: Uint8Array): void {
  for (let at = 1; at < whole.length; at++) {
    for (const bit of [1, 128]) {
      const changed = Uint8Array.from(whole)
      changed[at]! ^= bit
      const frame = decodeFrame(changed)
      if (typeof frame !== 'string') assert.ok(isEqualBytes(encodeFrame(frame), changed), `byte ${at}`)
    }
    assert.equal(decodeFrame(whole.subarray(0, at)), 'malformed')
  }
  assert.equal(decodeFrame(new Uint8Array([...whole, 0])), 'malformed')
}

const fields = parseAbiParameters('uint64 first, bytes[] heights')
const rawDecided = (first: bigint, heights: Hex[]): Uint8Array =>
  new Uint8Array([3, ...fromHex(encodeAbiParameters(fields, [first, heights]))])
const height = encodeAbiParameters(parseAbiParameters('bytes, bytes[], bytes[]'), ['0x7b7d', [], []])
const badText = encodeAbiParameters(parseAbiParameters('bytes, bytes[], bytes[]'), ['0xff', [], []])
const refused: [string, Uint8Array, string?][] = [
  ['nothing', new Uint8Array(0)],
  ['an unknown kind', new Uint8Array([9, 1, 2])],
  ['no height at all', rawDecided(1n, [])],
  ['height 0', rawDecided(0n, [height])],
  ['heights beyond uint64', rawDecided(2n ** 64n - 1n, [height, height])],
  ['more heights than an answer has', rawDecided(1n, Array(HEIGHTS_MAX + 1).fill(height))],
  ['a record that is no text', rawDecided(1n, [badText])],
  ['more bytes than a frame has', new Uint8Array(FRAME_SIZE_MAX_BYTES + 1), 'oversized'],
]
for (const [name, raw, reason = 'malformed'] of refused)
  test(`decodeFrame: refuses ${name}`, () => assert.equal(decodeFrame(raw), reason))

test('decodeFrame: takes as many heights as an answer has', () => {
  const frame = decodeFrame(rawDecided(1n, Array(HEIGHTS_MAX).fill(height)))
  assert.ok(typeof frame !== 'string' && frame.kind === 'decided')
  assert.equal(frame.heights.length, HEIGHTS_MAX)
})
