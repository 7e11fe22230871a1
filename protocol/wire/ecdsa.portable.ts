import { secp256k1 } from '@noble/curves/secp256k1.js'
import type { Ecdsa } from './ecdsa.ts'

/** @noble/curves: everywhere, and the native one's oracle. */
export const portableEcdsa: Ecdsa = {
  name: 'portable',
  sign(digest, secretKey) {
    const recovered = secp256k1.sign(digest, secretKey, { prehash: false, format: 'recovered' })
    return { compact: recovered.slice(1), recovery: recovered[0]! }
  },
  recover({ compact, recovery }, digest) {
    const bytes = new Uint8Array(65)
    bytes[0] = recovery
    bytes.set(compact, 1)
    return secp256k1.Signature.fromBytes(bytes, 'recovered').recoverPublicKey(digest).toBytes(false)
  },
  derivePublicKey: (secretKey) => secp256k1.getPublicKey(secretKey, false),
}

export const ecdsa: Ecdsa = portableEcdsa
