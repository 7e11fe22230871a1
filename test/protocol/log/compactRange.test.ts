import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  appendLeafHash,
  appendLeafHashes,
  type CompactRange,
  EMPTY_RANGE,
  InvalidCompactRangeError,
} from '../../../protocol/log/compactRange.ts'
import { InvalidLogSizeError, LOG_SIZE_MAX } from '../../../protocol/log/logSize.ts'
import { HashLengthError, hashNode } from '../../../protocol/log/treeHash.ts'
import { rootOfRange } from '../../../protocol/log/treeRoot.ts'
import { hexesOf, hexOf, leafHashesOf, naiveRoot } from './naiveTree.ts'

const LEAVES = leafHashesOf(700)

const textOf = ({ size, hashes }: CompactRange) => ({ size, hashes: hexesOf(hashes) })

test('appendLeafHashes: one by one, in parts and at once give the same range', () => {
  const sizes = fc.array(fc.nat({ max: 150 }), { maxLength: 5 })
  fc.assert(
    fc.property(sizes, (parts) => {
      let inParts = EMPTY_RANGE
      let oneByOne = EMPTY_RANGE
      let taken = 0
      for (const part of parts) {
        const leaves = LEAVES.slice(taken, taken + part)
        inParts = appendLeafHashes(inParts, leaves)
        for (const leaf of leaves) oneByOne = appendLeafHash(oneByOne, leaf)
        taken += leaves.length
      }
      const atOnce = appendLeafHashes(EMPTY_RANGE, LEAVES.slice(0, taken))
      assert.deepEqual(textOf(inParts), textOf(atOnce))
      assert.deepEqual(textOf(oneByOne), textOf(atOnce))
      assert.equal(hexOf(rootOfRange(atOnce)), hexOf(naiveRoot(LEAVES.slice(0, taken))))
    }),
    { numRuns: 40 },
  )
})

test('appendLeafHashes: leaves the range that it was given as it was', () => {
  const range = appendLeafHashes(EMPTY_RANGE, LEAVES.slice(0, 255))
  const before = textOf(range)
  appendLeafHashes(range, LEAVES.slice(255, 300))
  assert.deepEqual(textOf(range), before)
})

test('appendLeafHashes: gives a range that later changes of the caller’s arrays do not reach', () => {
  const leaf = Uint8Array.from(LEAVES[0]!)
  const range = appendLeafHash(EMPTY_RANGE, leaf)
  leaf.fill(0)
  assert.equal(hexOf(rootOfRange(range)), hexOf(LEAVES[0]!))
})

test('appendLeafHashes: no leaf gives an equal range', () => {
  const range = appendLeafHashes(EMPTY_RANGE, LEAVES.slice(0, 5))
  assert.deepEqual(textOf(appendLeafHashes(range, [])), textOf(range))
})

test('appendLeafHashes: costs less than one node hash a leaf', () => {
  let nodes = 0
  appendLeafHashes(EMPTY_RANGE, LEAVES, (level) => {
    if (level > 0) nodes++
  })
  assert.ok(nodes < LEAVES.length, `${nodes} hashes for ${LEAVES.length} leaves`)
})

test('appendLeafHashes: closes all 63 subtrees below the largest log, and stops there', () => {
  // Every leaf alike: then the subtrees of one level are alike too, and a log of any size can be written down.
  const subtrees = [LEAVES[0]!]
  for (let level = 1; level < 64; level++) subtrees.push(hashNode(subtrees[level - 1]!, subtrees[level - 1]!))
  const almost: CompactRange = { size: 2n ** 63n - 1n, hashes: subtrees.slice(0, 63).reverse() }
  assert.deepEqual(textOf(appendLeafHash(almost, LEAVES[0]!)), { size: 2n ** 63n, hashes: [hexOf(subtrees[63]!)] })
  const full: CompactRange = { size: LOG_SIZE_MAX, hashes: [...subtrees].reverse() }
  assert.throws(() => appendLeafHash(full, LEAVES[0]!), InvalidLogSizeError)
})

test('appendLeafHashes: counts closed subtrees rightly past 2^32 leaves', () => {
  const subtrees = [LEAVES[0]!]
  for (let level = 1; level < 40; level++) subtrees.push(hashNode(subtrees[level - 1]!, subtrees[level - 1]!))
  const before: CompactRange = { size: 2n ** 33n - 1n, hashes: subtrees.slice(0, 33).reverse() }
  assert.deepEqual(textOf(appendLeafHash(before, LEAVES[0]!)), { size: 2n ** 33n, hashes: [hexOf(subtrees[33]!)] })
  const after: CompactRange = { size: 2n ** 32n, hashes: [subtrees[32]!] }
  assert.deepEqual(textOf(appendLeafHash(after, LEAVES[0]!)), {
    size: 2n ** 32n + 1n,
    hashes: hexesOf([subtrees[32]!, subtrees[0]!]),
  })
})

test('appendLeafHashes: refuses a leaf hash that is not 32 bytes', () => {
  assert.throws(() => appendLeafHash(EMPTY_RANGE, new Uint8Array(31)), HashLengthError)
})

test('appendLeafHashes: refuses a range with fewer hashes than its size says', () => {
  assert.throws(() => appendLeafHash({ size: 3n, hashes: LEAVES.slice(0, 1) }, LEAVES[0]!), InvalidCompactRangeError)
})
