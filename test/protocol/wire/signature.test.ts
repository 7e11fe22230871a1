import assert from 'node:assert/strict'
import { test } from 'node:test'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak256, type Signature, serializeSignature } from 'viem'
import { fromHex, type Hex, toHex } from '../../../protocol/bytes.ts'
import {
  InvalidSignatureError,
  recoverSigner,
  signDigest,
  toCompactSignature,
} from '../../../protocol/wire/signature.ts'
import { createTestMembers } from './members.ts'

const [{ secretKey, signer }] = createTestMembers(1) as [{ secretKey: Uint8Array; signer: Hex }]

test('toCompactSignature: takes what wallets give, with either parity and either way to say it', () => {
  const parities = new Set<number>()
  for (let index = 0; index < 16; index++) {
    const digest = keccak256(new Uint8Array([index]))
    const compact = signDigest(digest, secretKey)
    const bytes = fromHex(compact)
    const yParity = bytes[32]! >> 7
    parities.add(yParity)
    bytes[32]! &= 0x7f
    const parts: Signature = { r: toHex(bytes.subarray(0, 32)), s: toHex(bytes.subarray(32)), yParity }
    const plain: Hex = `${toHex(bytes)}0${yParity}`
    for (const given of [serializeSignature(parts), plain, compact]) {
      assert.equal(toCompactSignature(given), compact)
      assert.equal(recoverSigner(digest, toCompactSignature(given)), signer)
    }
  }
  assert.deepEqual([...parities].sort(), [0, 1])
})

test('toCompactSignature: refuses another length, a recovery id that there is none of, and a high s', () => {
  const digest = keccak256(new Uint8Array([1]))
  const bytes = fromHex(signDigest(digest, secretKey))
  bytes[32]! &= 0x7f
  const low = toHex(bytes)
  const s = BigInt(toHex(bytes.subarray(32)))
  const high = (secp256k1.Point.Fn.ORDER - s).toString(16).padStart(64, '0')
  for (const given of [
    low.slice(0, -2),
    `${low}02`,
    `${low}1d`,
    `${low}0000`,
    `${low.slice(0, 66)}${high}1b`,
  ] as Hex[]) {
    assert.throws(() => toCompactSignature(given), InvalidSignatureError, given)
  }
})
