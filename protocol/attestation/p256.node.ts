import { createPublicKey, type KeyObject, verify } from 'node:crypto'

/** A P-256 public key ready for use; made by `importP256Key` alone. */
export type P256Key = { readonly point: Uint8Array; readonly handle: KeyObject }

/** SubjectPublicKeyInfo of a P-256 key up to the uncompressed point (RFC 5480 §2). */
const SPKI_PREFIX = Uint8Array.from([
  0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
  0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
])

/**
 * The key of an uncompressed point (65 bytes, 0x04 first), or `undefined` where it is not on the curve. Through PEM, because
 * that is text: that an object (DER, JWK, a raw point) is no key already, Node.js finds out by two errors that it throws and
 * catches, which take longer than OpenSSL does.
 */
export function importP256Key(point: Uint8Array): P256Key | undefined {
  if (point.length !== 65 || point[0] !== 4) return undefined
  const der = Buffer.allocUnsafe(SPKI_PREFIX.length + point.length)
  der.set(SPKI_PREFIX)
  der.set(point, SPKI_PREFIX.length)
  try {
    const pem = `-----BEGIN PUBLIC KEY-----\n${der.toString('base64')}\n-----END PUBLIC KEY-----\n`
    return { point, handle: createPublicKey(pem) }
  } catch {
    return undefined
  }
}

/**
 * ECDSA with SHA-256 over `message`, `signature` in DER: one of r and s would need an options object around the key, which
 * costs as above (docs/integrators/attestation.md).
 */
export const verifyP256 = (key: P256Key, message: Uint8Array, signature: Uint8Array): boolean =>
  verify('sha256', message, key.handle, signature)
