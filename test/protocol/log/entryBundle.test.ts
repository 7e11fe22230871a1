import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  assertEntry,
  decodeEntryBundle,
  ENTRY_SIZE_MAX_BYTES,
  EntryTooLargeError,
  encodeEntryBundle,
  InvalidEntryBundleError,
} from '../../../protocol/log/entryBundle.ts'
import { hexesOf } from './naiveTree.ts'

const entries = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 256 })

test('decodeEntryBundle: is the exact inverse of encodeEntryBundle', () => {
  fc.assert(
    fc.property(entries, (list) => {
      assert.deepEqual(hexesOf(decodeEntryBundle(encodeEntryBundle(list), { width: list.length })), hexesOf(list))
    }),
  )
})

test('decodeEntryBundle: reads nothing but what encodeEntryBundle writes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (bytes, width) => {
      let decoded: Uint8Array[]
      try {
        decoded = decodeEntryBundle(bytes, { width })
      } catch (error) {
        assert.ok(error instanceof InvalidEntryBundleError)
        return
      }
      assert.equal(decoded.length, width)
      assert.deepEqual(hexesOf([encodeEntryBundle(decoded)]), hexesOf([bytes]))
    }),
  )
})

test('encodeEntryBundle: writes the length first, big-endian', () => {
  assert.deepEqual([...encodeEntryBundle([Uint8Array.of(7), new Uint8Array(0)])], [0, 1, 7, 0, 0])
  const [high, low] = encodeEntryBundle([new Uint8Array(ENTRY_SIZE_MAX_BYTES)])
  assert.deepEqual([high, low], [0xff, 0xff])
})

test('encodeEntryBundle: refuses an entry of 65,536 bytes, as assertEntry does', () => {
  const tooLarge = new Uint8Array(ENTRY_SIZE_MAX_BYTES + 1)
  assert.throws(() => encodeEntryBundle([tooLarge]), EntryTooLargeError)
  assert.throws(() => assertEntry(tooLarge), { code: 'ENTRY_TOO_LARGE', message: 'A log entry has 65536 bytes.' })
  assertEntry(new Uint8Array(ENTRY_SIZE_MAX_BYTES))
})

test('encodeEntryBundle: refuses no entry, and 257', () => {
  assert.throws(() => encodeEntryBundle([]), InvalidEntryBundleError)
  assert.throws(() => encodeEntryBundle(new Array(257).fill(new Uint8Array(1))), InvalidEntryBundleError)
})

const TWO = encodeEntryBundle([Uint8Array.of(1, 2), Uint8Array.of(3)])

for (const { name, bytes, width } of [
  { name: 'fewer entries than its width', bytes: TWO, width: 3 },
  { name: 'more entries than its width', bytes: TWO, width: 1 },
  { name: 'a cut entry', bytes: TWO.slice(0, -1), width: 2 },
  { name: 'a cut length', bytes: TWO.slice(0, 5), width: 2 },
  { name: 'a trailing byte', bytes: Uint8Array.of(...TWO, 0), width: 2 },
  { name: 'no bytes', bytes: new Uint8Array(0), width: 1 },
  { name: 'width 0', bytes: new Uint8Array(0), width: 0 },
  { name: 'width 257', bytes: new Uint8Array(2 * 257), width: 257 },
]) {
  test(`decodeEntryBundle: refuses ${name}`, () => {
    assert.throws(() => decodeEntryBundle(bytes, { width }), InvalidEntryBundleError)
  })
}
