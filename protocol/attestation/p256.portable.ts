import { p256 } from '@noble/curves/nist.js'

/** A P-256 public key ready for use; made by `importP256Key` alone. */
export type P256Key = { readonly point: Uint8Array }

/** The key of an uncompressed point (65 bytes, 0x04 first), or `undefined` where it is not on the curve. */
export function importP256Key(point: Uint8Array): P256Key | undefined {
  if (point.length !== 65 || point[0] !== 4) return undefined
  try {
    p256.Point.fromBytes(point).assertValidity()
    return { point }
  } catch {
    return undefined
  }
}

/** ECDSA with SHA-256 over `message`, `signature` in DER. Intel's signers do not keep s low, so neither may this. */
export function verifyP256(key: P256Key, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return p256.verify(signature, message, key.point, { format: 'der', lowS: false, prehash: true })
  } catch {
    return false
  }
}
