import type { SignatureCheck } from '../../committee/authenticate.ts'
import type { Hex } from '../../protocol/bytes.ts'

/**
 * Stands in for secp256k1, which would cost milliseconds a check. A signature holds exactly if the world remembers that its
 * key made it: inside a simulation nobody can forge one, because `signerOf` is handed to a key's owner alone, and a
 * signature copied from elsewhere names another digest. Deterministic, as RFC 6979 is. The real curve is used in the
 * tests of authenticate, of the handshake and of certificates.
 */
export class Keyring {
  readonly #made = new Set<Hex>()

  signerOf(address: Hex): (digest: Hex) => Hex {
    return (digest) => {
      const signature = spell(digest, address)
      this.#made.add(signature)
      return signature
    }
  }

  /** Whether the key of `signer` was ever used on `digest`. */
  hasSigned(digest: Hex, signer: Hex): boolean {
    return this.#made.has(spell(digest, signer))
  }

  readonly isSigned: SignatureCheck = ({ digest, signature, signer }) =>
    this.#made.has(signature) && signature === spell(digest, signer)
}

/** 64 bytes: the digest, then the address. */
const spell = (digest: Hex, address: Hex): Hex => `${digest}${address.slice(2).padStart(64, '0')}`
