import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromHex, type Hex, isEqualBytes, toHex } from '../../protocol/bytes.ts'
import { keccak256 } from '../../protocol/keccak256.node.ts'
import { keccak256 as portableKeccak256 } from '../../protocol/keccak256.portable.ts'

test('keccak256: gives in WebAssembly what the portable one gives, at and around each block', () => {
  for (const size of [0, 1, 31, 32, 64, 135, 136, 137, 271, 272, 273, 100_000]) {
    const bytes = Uint8Array.from({ length: size }, (_, index) => index * 7)
    assert.equal(toHex(keccak256(bytes)), toHex(portableKeccak256(bytes)))
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_000 }), (bytes) => {
      assert.equal(toHex(keccak256(bytes)), toHex(portableKeccak256(bytes)))
    }),
  )
})

test('keccak256: a digest stays what it is when the next is made', () => {
  const first = keccak256(Uint8Array.of(1))
  const text = toHex(first)
  keccak256(Uint8Array.of(2))
  assert.equal(toHex(first), text)
})

test('fromHex, toHex and isEqualBytes: give the same on both sides of the length where the runtime takes over', () => {
  for (const size of [0, 1, 127, 128, 129, 5_000]) {
    const bytes = Uint8Array.from({ length: size }, (_, index) => index * 11)
    const hex: Hex = `0x${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`
    assert.equal(toHex(bytes), hex)
    assert.deepEqual(fromHex(hex), bytes)
    assert.equal(Object.getPrototypeOf(fromHex(hex)), Uint8Array.prototype)
    assert.equal(isEqualBytes(fromHex(hex), bytes), true)
    if (size > 0) assert.equal(isEqualBytes(bytes, bytes.with(size - 1, bytes[size - 1]! ^ 1)), false)
    assert.equal(toHex(bytes.subarray(size >> 1)), `0x${hex.slice(2 + 2 * (size >> 1))}`, 'of a view, too')
  }
  assert.throws(() => fromHex(`0x${'0'.repeat(400)}zz`))
  assert.throws(() => fromHex('0x0g'))
})
