import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimpleMerkleTree } from '@openzeppelin/merkle-tree'
import fc from 'fast-check'
import { encodeAbiParameters, keccak256, parseAbiParameters } from 'viem'
import type { Hex } from '../../../protocol/bytes.ts'
import {
  deriveStateRoot,
  hashStateItem,
  isStateItemUnder,
  proveStateItem,
  type StateItem,
} from '../../../protocol/wire/stateTree.ts'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b): Hex => `0x${Buffer.from(b).toString('hex')}`)
const anyItems = fc.uniqueArray(fc.record({ typehash: bytes32, key: bytes32, value: bytes32 }), {
  minLength: 1,
  maxLength: 33,
  selector: hashStateItem,
})

test('hashStateItem: is the double keccak-256 of the ABI encoding', () => {
  fc.assert(
    fc.property(bytes32, bytes32, bytes32, (typehash, key, value) => {
      const encoded = encodeAbiParameters(parseAbiParameters('bytes32, bytes32, bytes32'), [typehash, key, value])
      assert.equal(hashStateItem({ typehash, key, value }), keccak256(keccak256(encoded)))
    }),
  )
})

test('deriveStateRoot: builds the tree that OpenZeppelin’s SimpleMerkleTree builds', () => {
  fc.assert(
    fc.property(anyItems, (items) => {
      assert.equal(deriveStateRoot(items), SimpleMerkleTree.of(items.map(hashStateItem)).root)
    }),
  )
})

test('deriveStateRoot: leaves that begin alike are told apart by the rest', () => {
  const word = (value: number): Hex => `0x${value.toString(16).padStart(64, '0')}`
  const toItem = (key: number): StateItem => ({ typehash: word(0), key: word(key), value: word(0) })
  const [one, two] = [80_650, 102_753].map(toItem)
  assert.equal(hashStateItem(one!).slice(0, 10), hashStateItem(two!).slice(0, 10))
  // Two leaves that are one pair have no order: among more and more others they are of two as well.
  for (let count = 0; count < 8; count++) {
    const items = [one!, two!, ...Array.from({ length: count }, (_, index) => toItem(index))]
    const { root } = SimpleMerkleTree.of(items.map(hashStateItem))
    assert.equal(deriveStateRoot(items), root)
    assert.equal(deriveStateRoot([...items].reverse()), root)
  }
})

test('proveStateItem: proves each item, to OpenZeppelin’s verifier as well, and no other value of it', () => {
  fc.assert(
    fc.property(anyItems, (items) => {
      const root = deriveStateRoot(items)
      for (const item of items) {
        const proof = proveStateItem(items, item)
        assert.ok(isStateItemUnder(root, { item, proof }))
        assert.ok(SimpleMerkleTree.verify(root, hashStateItem(item), proof))
        const forged: StateItem = { ...item, value: item.key }
        assert.equal(isStateItemUnder(root, { item: forged, proof }), forged.value === item.value)
      }
    }),
  )
})

test('deriveStateRoot: does not depend on the order of the items', () => {
  fc.assert(
    fc.property(anyItems, (items) => {
      assert.equal(deriveStateRoot([...items].reverse()), deriveStateRoot(items))
    }),
  )
})

test('deriveStateRoot: of nothing is keccak-256 of nothing', () => {
  assert.equal(deriveStateRoot([]), keccak256('0x'))
})
