import { type Authority, decodeCertificate, toAuthority } from './certificate.ts'
import { encodePem, type PemBlock } from './pem.ts'

/** The one certificate that everything else leads up to; the root of each chain must be this one, byte for byte. */
export type TrustedRoot = Authority & { readonly kind: 'trustedRoot'; readonly pem: PemBlock }

/** A root for tests or for another vendor's hardware; production code uses `INTEL_SGX_ROOT`. */
export function createTrustedRoot(der: Uint8Array): TrustedRoot {
  return { ...toAuthority(decodeCertificate(der)), kind: 'trustedRoot', pem: encodePem(der) }
}
