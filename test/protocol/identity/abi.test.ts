import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeAbiParameters, parseAbiParameters } from 'viem'
import { toHex } from '../../../protocol/bytes.ts'
import {
  address,
  array,
  bytes,
  bytes32,
  bytes32Array,
  dynamicTuple,
  encodeAbi,
  string,
  uint,
} from '../../../protocol/identity/abi.ts'

const anyBytes = (sizeBytes: number) => fc.uint8Array({ minLength: sizeBytes, maxLength: sizeBytes }).map(toHex)
const anyWords = fc.array(anyBytes(32), { maxLength: 4 })

test('encodeAbi: equals viem for flat fields of every kind', () => {
  const types = parseAbiParameters('bytes32, address, uint64, uint32, bytes, string, bytes32[]')
  const anyFields = fc.tuple(
    anyBytes(32),
    anyBytes(20),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.nat(2 ** 32 - 1),
    fc.uint8Array({ maxLength: 100 }),
    fc.string({ unit: 'binary', maxLength: 70 }),
    anyWords,
  )
  fc.assert(
    fc.property(anyFields, ([word, account, long, short, data, text, words]) => {
      const fields = [
        bytes32(word),
        address(account),
        uint(long),
        uint(short),
        bytes(data),
        string(text),
        bytes32Array(words),
      ]
      const expected = encodeAbiParameters(types, [word, account, long, short, toHex(data), text, words])
      assert.equal(toHex(encodeAbi(fields)), expected)
    }),
  )
})

test('encodeAbi: equals viem for arrays of structs', () => {
  const types = parseAbiParameters(['Entry[] entries, uint8 last', 'struct Entry { string name; bytes32[] words; }'])
  const anyEntries = fc.array(fc.record({ name: fc.string({ maxLength: 40 }), words: anyWords }), { maxLength: 5 })
  fc.assert(
    fc.property(anyEntries, (entries) => {
      const structs = entries.map(({ name, words }) => dynamicTuple([string(name), bytes32Array(words)]))
      assert.equal(toHex(encodeAbi([array(structs), uint(7)])), encodeAbiParameters(types, [entries, 7]))
    }),
  )
})
