/** secp256k1 as the wire types need it; package.json `imports` picks who does it. All inputs have been length-checked. */
export type Ecdsa = {
  /** Which implementation this is, for benchmarks and logs. */
  readonly name: 'native' | 'portable'
  /** Signs a 32-byte digest: deterministic (RFC 6979), low s. `compact` is r ‖ s. */
  sign(digest: Uint8Array, secretKey: Uint8Array): { compact: Uint8Array; recovery: number }
  /** The uncompressed public key (65 bytes) that signed `digest`. @throws {Error} no point of the curve. */
  recover(signature: { compact: Uint8Array; recovery: number }, digest: Uint8Array): Uint8Array
  /** The uncompressed public key of a secret key. @throws {Error} zero, or not below the order. */
  derivePublicKey(secretKey: Uint8Array): Uint8Array
}
