import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { appendLeafHashes, EMPTY_RANGE, InvalidCompactRangeError } from '../../../protocol/log/compactRange.ts'
import { HashLengthError, hashLeaf } from '../../../protocol/log/treeHash.ts'
import { rootOf, rootOfRange } from '../../../protocol/log/treeRoot.ts'
import generated from '../../vectors/tlog/generated-600.json' with { type: 'json' }
import reference from '../../vectors/tlog/rfc6962-tree8.json' with { type: 'json' }
import { fromBase64, hexOf, leafHashesOf, naiveRoot } from './naiveTree.ts'

test('rootOf: is the reference root at each size from 0 to 8', () => {
  const leaves = reference.leavesHex.map((hex) => hashLeaf(Uint8Array.from(Buffer.from(hex, 'hex'))))
  const roots = [reference.emptyRootHex, ...reference.rootsHexBySize1to8]
  roots.forEach((root, size) => {
    assert.equal(hexOf(rootOf(leaves.slice(0, size))), root, `size ${size}`)
  })
})

test('rootOf and rootOfRange: are the generated roots up to 600 leaves', () => {
  const leaves = leafHashesOf(600)
  for (const { size, root } of generated.roots) {
    const expected = hexOf(fromBase64(root))
    assert.equal(hexOf(rootOf(leaves.slice(0, size))), expected, `list of ${size}`)
    const range = appendLeafHashes(EMPTY_RANGE, leaves.slice(0, size))
    assert.equal(hexOf(rootOfRange(range)), expected, `range of ${size}`)
  }
})

test('rootOf and rootOfRange: are the RFC’s recursive root of any list', () => {
  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
  fc.assert(
    fc.property(fc.array(hash, { maxLength: 80 }), (leaves) => {
      const expected = hexOf(naiveRoot(leaves))
      assert.equal(hexOf(rootOf(leaves)), expected)
      assert.equal(hexOf(rootOfRange(appendLeafHashes(EMPTY_RANGE, leaves))), expected)
    }),
  )
})

test('rootOf: refuses a leaf hash that is not 32 bytes, alone or among others', () => {
  assert.throws(() => rootOf([new Uint8Array(31)]), HashLengthError)
  assert.throws(() => rootOf([...leafHashesOf(3), new Uint8Array(33)]), HashLengthError)
})

test('rootOfRange: refuses a range with a hash too few or too many', () => {
  const range = appendLeafHashes(EMPTY_RANGE, leafHashesOf(7))
  assert.throws(() => rootOfRange({ ...range, hashes: range.hashes.slice(1) }), InvalidCompactRangeError)
  assert.throws(() => rootOfRange({ ...range, size: 8n }), InvalidCompactRangeError)
  assert.throws(() => rootOfRange({ size: 0n, hashes: leafHashesOf(1) }), InvalidCompactRangeError)
})

test('rootOfRange: of a single leaf is not the range’s own array', () => {
  const range = appendLeafHashes(EMPTY_RANGE, leafHashesOf(1))
  rootOfRange(range).fill(0)
  assert.equal(hexOf(rootOfRange(range)), hexOf(leafHashesOf(1)[0]!))
})
