import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INTEL_SGX_ROOT } from '../../../protocol/attestation/intelRoot.ts'
import * as native from '../../../protocol/attestation/p256.node.ts'
import * as portable from '../../../protocol/attestation/p256.portable.ts'
import { encodeP256Signature } from '../../../protocol/attestation/p256.ts'
import { createKey, signDer, signRaw } from './factory/pki.ts'

const { tbs, signature, publicPoint } = INTEL_SGX_ROOT.certificate
const message = Uint8Array.from(Buffer.from('what was said'))

for (const [name, { importP256Key, verifyP256 }] of [
  ['native', native],
  ['portable', portable],
] as const) {
  const verify = (point: Uint8Array, ...rest: [Uint8Array, Uint8Array]): boolean => {
    // The two kinds of key are not interchangeable, and never meet outside this test.
    return (verifyP256 as (key: unknown, ...rest: [Uint8Array, Uint8Array]) => boolean)(importP256Key(point), ...rest)
  }

  test(`verifyP256 (${name}): accepts the root's signature on itself`, () => {
    assert.equal(verify(publicPoint, tbs, signature), true)
  })

  test(`verifyP256 (${name}): accepts s in the upper half too`, () => {
    const key = createKey()
    for (let i = 0; i < 8; i++) assert.equal(verify(key.point, message, signDer(key, message)), true)
  })

  test(`verifyP256 (${name}): refuses another message, another key and a garbled signature`, () => {
    const key = createKey()
    const good = signDer(key, message)
    assert.equal(verify(key.point, tbs, good), false)
    assert.equal(verify(createKey().point, message, good), false)
    assert.equal(verify(key.point, message, good.subarray(1)), false)
    assert.equal(verify(key.point, message, new Uint8Array()), false)
    assert.equal(verify(key.point, message, encodeP256Signature(new Uint8Array(64))), false)
    assert.equal(verify(key.point, message, Uint8Array.from([...good, 0])), false)
  })

  test(`importP256Key (${name}): refuses points that are not on the curve, and other forms`, () => {
    const point = Uint8Array.from(createKey().point)
    point[40]! ^= 1
    assert.equal(importP256Key(point), undefined)
    assert.equal(importP256Key(new Uint8Array(65)), undefined)
    assert.equal(importP256Key(Uint8Array.from(createKey().point.subarray(0, 33))), undefined)
  })
}

test('encodeP256Signature: gives the DER that the signer would have given', () => {
  const key = createKey()
  for (let i = 0; i < 200; i++) {
    const raw = signRaw(key, message)
    const der = encodeP256Signature(raw)
    assert.equal(native.verifyP256(native.importP256Key(key.point)!, message, der), true)
  }
  assert.deepEqual([...encodeP256Signature(new Uint8Array(64))], [0x30, 6, 2, 1, 0, 2, 1, 0])
})

test('encodeP256Signature: writes each number in its shortest form, and as a positive one', () => {
  const number = (...digits: number[]): number[] => [...Array<number>(32 - digits.length).fill(0), ...digits]
  const full = Array<number>(32).fill(0x80)
  for (const [r, s, expected] of [
    [number(0x7f), number(0x80), [0x30, 7, 2, 1, 0x7f, 2, 2, 0, 0x80]],
    [number(0xff, 0), number(1, 0), [0x30, 9, 2, 3, 0, 0xff, 0, 2, 2, 1, 0]],
    [full, number(), [0x30, 38, 2, 33, 0, ...full, 2, 1, 0]],
  ] as const) {
    assert.deepEqual([...encodeP256Signature(Uint8Array.from([...r, ...s]))], expected)
  }
})
