import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type Checkpoint,
  decodeCheckpoint,
  encodeCheckpoint,
  MalformedCheckpointError,
} from '../../../protocol/log/checkpoint.ts'
import { LOG_SIZE_MAX } from '../../../protocol/log/logSize.ts'
import { hexOf } from './naiveTree.ts'

const CHECKPOINT: Checkpoint = {
  origin: 'example.com/log',
  size: 20852163n,
  root: new Uint8Array(32).fill(7),
  extensions: [],
}
const ROOT = 'BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc='

const plain = ({ root, ...rest }: Checkpoint) => ({ ...rest, root: hexOf(root) })

test('encodeCheckpoint: writes origin, size, root and extensions, a line each', () => {
  assert.equal(encodeCheckpoint(CHECKPOINT), `example.com/log\n20852163\n${ROOT}\n`)
  assert.equal(
    encodeCheckpoint({ ...CHECKPOINT, extensions: ['a', 'b c'] }),
    `example.com/log\n20852163\n${ROOT}\na\nb c\n`,
  )
})

test('decodeCheckpoint: is the exact inverse of encodeCheckpoint', () => {
  const line = fc.string({ minLength: 1 }).filter((text) => !text.includes('\n'))
  const checkpoint = fc.record({
    origin: line,
    size: fc.bigInt({ min: 0n, max: LOG_SIZE_MAX }),
    root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    extensions: fc.array(line, { maxLength: 3 }),
  })
  fc.assert(
    fc.property(checkpoint, (value) =>
      assert.deepEqual(plain(decodeCheckpoint(encodeCheckpoint(value))), plain(value)),
    ),
  )
})

for (const { name, text } of [
  { name: 'no text', text: '' },
  { name: 'two lines', text: 'example.com/log\n5\n' },
  { name: 'no last newline', text: `example.com/log\n5\n${ROOT}` },
  { name: 'an empty origin', text: `\n5\n${ROOT}\n` },
  { name: 'an empty size', text: `example.com/log\n\n${ROOT}\n` },
  { name: 'a size with a leading zero', text: `example.com/log\n05\n${ROOT}\n` },
  { name: 'a negative size', text: `example.com/log\n-5\n${ROOT}\n` },
  { name: 'a signed size', text: `example.com/log\n+5\n${ROOT}\n` },
  { name: 'a hexadecimal size', text: `example.com/log\n0x5\n${ROOT}\n` },
  { name: 'a fractional size', text: `example.com/log\n5.0\n${ROOT}\n` },
  { name: 'a size with a space', text: `example.com/log\n5 \n${ROOT}\n` },
  { name: 'a size of 2^64', text: `example.com/log\n18446744073709551616\n${ROOT}\n` },
  { name: 'a root of 31 bytes', text: 'example.com/log\n5\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw==\n' },
  { name: 'a root without padding', text: `example.com/log\n5\n${ROOT.slice(0, -1)}\n` },
  { name: 'a root in hex', text: `example.com/log\n5\n${'07'.repeat(32)}\n` },
  { name: 'an empty extension line', text: `example.com/log\n5\n${ROOT}\n\n` },
  { name: 'an empty line between extensions', text: `example.com/log\n5\n${ROOT}\na\n\nb\n` },
]) {
  test(`decodeCheckpoint: refuses ${name}`, () => assert.throws(() => decodeCheckpoint(text), MalformedCheckpointError))
}

for (const { name, change } of [
  { name: 'an origin of two lines', change: { origin: 'a\nb' } },
  { name: 'an empty extension', change: { extensions: [''] } },
  { name: 'an extension that would forge a line', change: { extensions: ['a\nb'] } },
  { name: 'a negative size', change: { size: -1n } },
  { name: 'a root of 31 bytes', change: { root: new Uint8Array(31) } },
]) {
  test(`encodeCheckpoint: refuses ${name}`, () => {
    assert.throws(() => encodeCheckpoint({ ...CHECKPOINT, ...change }), MalformedCheckpointError)
  })
}
