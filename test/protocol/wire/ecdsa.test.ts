import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ecdsa } from '#ecdsa'
import { portableEcdsa } from '../../../protocol/wire/ecdsa.portable.ts'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
/** Below the order whatever the other bytes are, and never zero. */
const secretKey = bytes32.map((bytes) => Uint8Array.from(bytes).fill(1, 0, 1))

const outcome = (act: () => Uint8Array): string => {
  try {
    return String(act())
  } catch {
    return 'refused'
  }
}

test('ecdsa: the native implementation signs and recovers what the portable one does', (t) => {
  if (ecdsa.name === 'portable') t.diagnostic('no native implementation for this platform: compared with itself')
  fc.assert(
    fc.property(bytes32, secretKey, (digest, key) => {
      const [signature, expected] = [ecdsa.sign(digest, key), portableEcdsa.sign(digest, key)]
      assert.deepEqual(Uint8Array.from(signature.compact), expected.compact)
      assert.equal(signature.recovery, expected.recovery)
      const publicKey = String(portableEcdsa.derivePublicKey(key))
      assert.equal(String(ecdsa.derivePublicKey(key)), publicKey)
      assert.equal(String(ecdsa.recover(signature, digest)), publicKey)
    }),
    { numRuns: 50 },
  )
})

test('ecdsa: both implementations agree on which made-up signatures name a point, and on which', () => {
  const made = fc.record({ r: bytes32, s: bytes32, recovery: fc.integer({ min: 0, max: 1 }) })
  fc.assert(
    fc.property(bytes32, made, (digest, { r, s, recovery }) => {
      const compact = new Uint8Array([...r, ...s])
      const [one, other] = [ecdsa, portableEcdsa].map((each) =>
        outcome(() => each.recover({ compact, recovery }, digest)),
      )
      assert.equal(one, other)
    }),
    { numRuns: 100 },
  )
})

test('ecdsa: both implementations refuse the edges of r and s', () => {
  const order = Buffer.from('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141', 'hex')
  const zero = Buffer.alloc(32)
  const one = Buffer.from(`${'00'.repeat(31)}01`, 'hex')
  const all = Buffer.alloc(32, 0xff)
  for (const r of [zero, one, order, all])
    for (const s of [zero, one, order, all])
      for (const recovery of [0, 1]) {
        const compact = new Uint8Array(Buffer.concat([r, s]))
        const run = (each: typeof ecdsa) =>
          outcome(() => each.recover({ compact, recovery }, new Uint8Array(32).fill(7)))
        assert.equal(run(ecdsa), run(portableEcdsa), `${r.toString('hex')} ${s.toString('hex')} ${recovery}`)
      }
})
