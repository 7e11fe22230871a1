/**
 * P-256 for certificates, revocation lists, collateral and quotes: by the runtime's own cryptography in Node.js, by
 * @noble/curves in a browser (package.json `imports`).
 */

export { importP256Key, type P256Key, verifyP256 } from '#p256'

/**
 * A raw signature (r and s, 32 bytes each, as quotes and Intel's JSON carry it) in DER, which is what the faster native
 * call takes. Exact: each pair has one DER form.
 */
export function encodeP256Signature(raw: Uint8Array): Uint8Array {
  const rStart = skipZeros(raw, 0)
  const sStart = skipZeros(raw, 32)
  // A zero byte more where the first bit is set, which would make the number negative.
  const rSize = 32 - rStart + (raw[rStart]! >> 7)
  const sSize = 64 - sStart + (raw[sStart]! >> 7)
  const der = new Uint8Array(6 + rSize + sSize)
  der[0] = 0x30
  der[1] = 4 + rSize + sSize
  der[2] = 0x02
  der[3] = rSize
  der[4 + rSize] = 0x02
  der[5 + rSize] = sSize
  const rEnd = 4 + rSize
  for (let i = rStart; i < 32; i++) der[rEnd - 32 + i] = raw[i]!
  for (let i = sStart; i < 64; i++) der[der.length - 64 + i] = raw[i]!
  return der
}

/** Where the number of 32 bytes at `start` has its first digit; its last where it is zero. */
function skipZeros(raw: Uint8Array, start: number): number {
  let at = start
  while (at < start + 31 && raw[at] === 0) at++
  return at
}
