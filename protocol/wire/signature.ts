import { ecdsa } from '#ecdsa'
import { fromHex, type Hex, toHex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { keccak256 } from '../hash.ts'

/** Size of one signature on the wire: EIP-2098, `r ‖ (yParity << 255 | s)`, low s only. */
export const SIGNATURE_SIZE_BYTES = 64

/** Half the order of secp256k1, rounded down: the greatest low s (EIP-2). */
const S_MAX: Hex = '0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0'

export class InvalidSignatureError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('INVALID_SIGNATURE', `A signature cannot be used: ${reason}.`, {
      fix: 'Sign the EIP-712 digest with secp256k1 and send 64 bytes as EIP-2098 has them, with low s.',
      kind: 'refused',
    })
  }
}

/** The Ethereum address of an uncompressed secp256k1 public key (65 bytes). */
const deriveAddress = (publicKey: Uint8Array): Hex => toHex(keccak256(publicKey.subarray(1)).subarray(12))

/** The address of a secret key (32 bytes). @throws {Error} it is no key of the curve. */
export const deriveSignerAddress = (secretKey: Uint8Array): Hex => deriveAddress(ecdsa.derivePublicKey(secretKey))

/** Signs a 32-byte digest; deterministic (RFC 6979), low s, 64 bytes as EIP-2098 has them. */
export function signDigest(digest: Hex, secretKey: Uint8Array): Hex {
  const { compact, recovery } = ecdsa.sign(fromHex(digest), secretKey)
  const signature = Uint8Array.from(compact)
  if (recovery === 1) signature[32]! |= 0x80
  return toHex(signature)
}

/**
 * A signature as this protocol carries it, from what wallets give: 64 bytes already, or 65 with `v` at the end.
 *
 * @throws {InvalidSignatureError} neither.
 */
export function toCompactSignature(signature: Hex): Hex {
  const bytes = fromHex(signature)
  if (bytes.length === SIGNATURE_SIZE_BYTES) return signature
  if (bytes.length !== SIGNATURE_SIZE_BYTES + 1) throw new InvalidSignatureError({ reason: 'it is not 64 or 65 bytes' })
  const v = bytes[SIGNATURE_SIZE_BYTES]!
  if (![0, 1, 27, 28].includes(v)) throw new InvalidSignatureError({ reason: 'its last byte is no recovery id' })
  if (bytes[32]! >> 7 === 1) throw new InvalidSignatureError({ reason: 's is not low' })
  const compact = bytes.subarray(0, SIGNATURE_SIZE_BYTES)
  if (v === 1 || v === 28) compact[32]! |= 0x80
  return toHex(compact)
}

/**
 * The address whose key signed `digest`.
 *
 * @throws {InvalidSignatureError} not 64 bytes, high s, or no point of the curve.
 */
export function recoverSigner(digest: Hex, signature: Hex): Hex {
  if (signature.length !== 2 + 2 * SIGNATURE_SIZE_BYTES)
    throw new InvalidSignatureError({ reason: 'it is not 64 bytes' })
  const compact = fromHex(signature)
  const recovery = compact[32]! >> 7
  compact[32]! &= 0x7f
  if (toHex(compact.subarray(32)) > S_MAX) throw new InvalidSignatureError({ reason: 's is not low' })
  try {
    return deriveAddress(ecdsa.recover({ compact, recovery }, fromHex(digest)))
  } catch {
    throw new InvalidSignatureError({ reason: 'it names no point of the curve' })
  }
}
