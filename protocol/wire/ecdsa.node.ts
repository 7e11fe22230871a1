import { createRequire } from 'node:module'
import { portableEcdsa } from './ecdsa.portable.ts'
import type { Ecdsa } from './ecdsa.ts'

/** What we use of the package secp256k1, which has no types of its own. */
type Bindings = {
  ecdsaSign(digest: Uint8Array, secretKey: Uint8Array): { signature: Uint8Array; recid: number }
  ecdsaRecover(signature: Uint8Array, recid: number, digest: Uint8Array, compressed: boolean): Uint8Array
  publicKeyCreate(secretKey: Uint8Array, compressed: boolean): Uint8Array
}

/**
 * libsecp256k1 where its prebuilt package loads: it recovers some thirty times as fast as the portable one. The package is
 * optional, and its own fallback is not used.
 */
function loadNative(): Ecdsa | undefined {
  let bindings: Bindings
  try {
    bindings = createRequire(import.meta.url)('secp256k1/bindings.js') as Bindings
  } catch {
    return undefined // no prebuilt binary for this platform
  }
  return {
    name: 'native',
    sign(digest, secretKey) {
      const { signature, recid } = bindings.ecdsaSign(digest, secretKey)
      return { compact: signature, recovery: recid }
    },
    recover: ({ compact, recovery }, digest) => bindings.ecdsaRecover(compact, recovery, digest, false),
    derivePublicKey: (secretKey) => bindings.publicKeyCreate(secretKey, false),
  }
}

export const ecdsa: Ecdsa = loadNative() ?? portableEcdsa
