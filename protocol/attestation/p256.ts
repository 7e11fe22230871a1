/**
 * P-256 for certificates, revocation lists, collateral and quotes: by the runtime's own cryptography in Node.js, by
 * @noble/curves in a browser (package.json `imports`).
 */

export { importP256Key, type P256Key, verifyP256 } from '#p256'

/**
 * A raw signature (r and s, 32 bytes each, as quotes and Intel's JSON carry it) in DER, which is what the faster of
 * the two native entries takes. Exact: each pair has one DER form.
 */
export function encodeP256Signature(raw: Uint8Array): Uint8Array {
  const r = trimInteger(raw.subarray(0, 32))
  const s = trimInteger(raw.subarray(32, 64))
  const rPad = r[0]! >> 7
  const sPad = s[0]! >> 7
  const size = 4 + r.length + rPad + s.length + sPad
  const der = new Uint8Array(2 + size)
  der[0] = 0x30
  der[1] = size
  der[2] = 0x02
  der[3] = r.length + rPad
  der.set(r, 4 + rPad)
  const sStart = 4 + rPad + r.length
  der[sStart] = 0x02
  der[sStart + 1] = s.length + sPad
  der.set(s, sStart + 2 + sPad)
  return der
}

function trimInteger(bytes: Uint8Array): Uint8Array {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  return bytes.subarray(start)
}
