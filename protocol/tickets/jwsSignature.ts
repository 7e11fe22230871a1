import { ecdsa } from '#ecdsa'
import { fromHex, type Hex, toHex } from '../bytes.ts'
import { keccak256, sha256 } from '../hash.ts'
import { encodeBase64Url } from './jws.ts'

/** One entry of `signatures` in JWS JSON (RFC 7515 §7.2.1). */
export type JwsSignature = {
  /** The protected header, base64url. */
  protected: string
  /** r ‖ s, 64 bytes, base64url. */
  signature: string
}

const textEncoder = new TextEncoder()

/** The header under which `signer` signs: base64url of `{"alg":"ES256K","kid":"0x…"}`, its address (RFC 8812 §3.2). */
export const encodeJwsHeader = (signer: Hex): string =>
  encodeBase64Url(textEncoder.encode(JSON.stringify({ alg: 'ES256K', kid: signer })))

/**
 * Signs a JWS payload as a member of a committee.
 *
 * The key is the one that signs votes and commits, and neither kind of signature can pass for the other. What is signed here
 * is SHA-256 of ASCII text, `header.payload`; all else that the key signs is keccak-256 of bytes that begin with 0x1901
 * (EIP-712). For one signature to serve as both, the two hashes would have to meet: a collision across two functions of 256
 * bits, with nothing of either input for an attacker to choose freely, because a member derives each itself.
 *
 * @param deps.sign what the member signs votes with: takes a digest, gives 64 bytes as EIP-2098 has them.
 */
export function signJws(
  { sign }: { sign(digest: Hex): Hex },
  { payload, signer }: { payload: string; signer: Hex },
): JwsSignature {
  const header = encodeJwsHeader(signer)
  const compact = fromHex(sign(toHex(hashSigningInput(header, payload))))
  // EIP-2098 keeps the parity in the highest bit of s, which a low s leaves free; ES256K has no parity.
  compact[32]! &= 0x7f
  return { protected: header, signature: encodeBase64Url(compact) }
}

/** Whether `signature` (r ‖ s, 64 bytes) over a JWS is that of an address's key. Never throws. */
export function isJwsSignedBy(
  address: Hex,
  { header, payload, signature }: { header: string; payload: string; signature: Uint8Array },
): boolean {
  if (signature.length !== 64) return false
  const digest = hashSigningInput(header, payload)
  // ES256K does not say which of two keys signed; either may be the address's.
  return [0, 1].some((recovery) => {
    try {
      const publicKey = ecdsa.recover({ compact: signature, recovery }, digest)
      return toHex(keccak256(publicKey.subarray(1)).subarray(12)) === address
    } catch {
      return false
    }
  })
}

/** SHA-256 of the JWS signing input (RFC 7515 §5.1). */
const hashSigningInput = (header: string, payload: string): Uint8Array =>
  sha256(textEncoder.encode(`${header}.${payload}`))
