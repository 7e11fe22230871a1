import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromHex, type Hex, InvalidHexError, toHex } from '../../../protocol/bytes.ts'
import { CoalitionError } from '../../../protocol/errors.ts'
import { AddressCountError, AddressesOutOfOrderError, ZeroAddressError } from '../../../protocol/wire/addressList.ts'
import {
  type ChronicleParameters,
  decodeChronicleParameters,
  encodeChronicleParameters,
  InvalidCadenceError,
  InvalidChronicleParametersError,
} from '../../../protocol/wire/chronicleParameters.ts'

const address = (byte: string): Hex => `0x${byte.repeat(20)}`
const sample: ChronicleParameters = {
  submitters: [address('aa'), address('bb')],
  anchorEveryCommits: 16,
  anchorEverySeconds: 60,
}
const anyCadence = fc.integer({ min: 1, max: 2 ** 32 - 1 })
const anyParameters = fc.record(
  {
    submitters: fc
      .uniqueArray(fc.bigInt({ min: 1n, max: 2n ** 160n - 1n }), { minLength: 1, maxLength: 20 })
      .map((values) => values.map((value): Hex => `0x${value.toString(16).padStart(40, '0')}`).sort()),
    anchorEveryCommits: anyCadence,
    anchorEverySeconds: anyCadence,
  },
  { noNullPrototype: true },
)

test('encodeChronicleParameters: gives the ABI words that spec §3 hashes', () => {
  const word = (value: string) => value.padStart(64, '0')
  const words = [word('60'), word('10'), word('3c'), word('2'), word('aa'.repeat(20)), word('bb'.repeat(20))]
  assert.equal(toHex(encodeChronicleParameters(sample)), `0x${words.join('')}`)
})

test('encodeChronicleParameters and decodeChronicleParameters: are exact inverses', () => {
  fc.assert(
    fc.property(anyParameters, (parameters) => {
      assert.deepEqual(decodeChronicleParameters(encodeChronicleParameters(parameters)), parameters)
    }),
  )
})

test('decodeChronicleParameters: gives no two strings one meaning, and refuses with errors of its own', () => {
  const bytes = encodeChronicleParameters(sample)
  for (let index = 0; index < bytes.length; index++) {
    const changed = Uint8Array.from(bytes)
    changed[index]! ^= 0x80
    try {
      assert.notDeepEqual(decodeChronicleParameters(changed), sample, `byte ${index}`)
    } catch (error) {
      assert.ok(error instanceof CoalitionError, `byte ${index}: ${error}`)
    }
  }
})

test('decodeChronicleParameters: refuses every truncation and any byte after the end', () => {
  const bytes = encodeChronicleParameters(sample)
  for (let size = 0; size < bytes.length; size++) {
    assert.throws(() => decodeChronicleParameters(bytes.subarray(0, size)), InvalidChronicleParametersError)
  }
  assert.throws(() => decodeChronicleParameters(new Uint8Array([...bytes, 0])), InvalidChronicleParametersError)
  const word = new Uint8Array([...bytes, ...new Uint8Array(32)])
  assert.throws(() => decodeChronicleParameters(word), InvalidChronicleParametersError)
})

test('decodeChronicleParameters: refuses a list that begins behind a gap', () => {
  const hex = toHex(encodeChronicleParameters(sample)).slice(2)
  const gap = fromHex(`0x${'80'.padStart(64, '0')}${hex.slice(64, 192)}${'0'.repeat(64)}${hex.slice(192)}`)
  assert.throws(() => decodeChronicleParameters(gap), InvalidChronicleParametersError)
})

test('encodeChronicleParameters: refuses a cadence that is zero, not whole or above 2^32 − 1', () => {
  for (const cadence of [0, -1, 1.5, 2 ** 32, Number.NaN]) {
    assert.throws(() => encodeChronicleParameters({ ...sample, anchorEveryCommits: cadence }), InvalidCadenceError)
    assert.throws(() => encodeChronicleParameters({ ...sample, anchorEverySeconds: cadence }), InvalidCadenceError)
  }
})

test('encodeChronicleParameters: refuses no submitter, the zero address, disorder and mixed case', () => {
  const encode = (...submitters: Hex[]) => encodeChronicleParameters({ ...sample, submitters })
  assert.throws(() => encode(), AddressCountError)
  assert.throws(() => encode(address('00')), ZeroAddressError)
  assert.throws(() => encode(address('bb'), address('aa')), AddressesOutOfOrderError)
  assert.throws(() => encode(address('aA')), InvalidHexError)
})
