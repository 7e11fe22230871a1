import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { HashLengthError, hashEmptyTree, hashLeaf, hashNode } from '../../../protocol/log/treeHash.ts'
import vectors from '../../vectors/tlog/rfc6962-tree8.json' with { type: 'json' }
import { hexOf } from './naiveTree.ts'

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))

for (const { what, inputHex, hashHex } of vectors.hashing.filter(({ what }) => what === 'leaf')) {
  test(`hashLeaf: ${what} ${inputHex || '(empty)'}`, () => assert.equal(hexOf(hashLeaf(bytesOf(inputHex!))), hashHex))
}

test('hashEmptyTree: is the root of the reference tree without leaves', () => {
  assert.equal(hexOf(hashEmptyTree()), vectors.emptyRootHex)
})

test('hashNode: is SHA-256 over 0x01 and both children', () => {
  const [left, right] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
  const expected = createHash('sha256').update(Uint8Array.of(1)).update(left).update(right).digest('hex')
  assert.equal(hexOf(hashNode(left, right)), expected)
})

test('hashLeaf: hashes a short entry after a long one, and one of any length, as if it were the first', () => {
  for (const length of [4000, 3, 1023, 1024, 1025, 70_000, 0]) {
    const entry = new Uint8Array(length).fill(length % 251)
    const expected = createHash('sha256').update(Uint8Array.of(0)).update(entry).digest('hex')
    assert.equal(hexOf(hashLeaf(entry)), expected, `${length} bytes`)
  }
})

test('hashNode: gives a new array each time', () => {
  const child = new Uint8Array(32)
  const first = hashNode(child, child)
  const before = hexOf(first)
  hashNode(first, child)
  assert.equal(hexOf(first), before)
})

test('hashNode: refuses a child that is not 32 bytes, such as the four of the reference example', () => {
  const example = vectors.hashing.find(({ what }) => what === 'node')!
  assert.throws(() => hashNode(bytesOf(example.leftHex!), bytesOf(example.rightHex!)), HashLengthError)
  assert.throws(() => hashNode(new Uint8Array(32), new Uint8Array(33)), HashLengthError)
})

test('HashLengthError: names the field and its length', () => {
  assert.throws(() => hashNode(new Uint8Array(31), new Uint8Array(32)), {
    code: 'HASH_LENGTH',
    message: 'left has 31 bytes.',
  })
})
