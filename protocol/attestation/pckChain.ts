import { isEqualBytes } from '../bytes.ts'
import { type Authority, assertIssued, type Certificate, CertificateError, toAuthority } from './certificate.ts'
import {
  assertCaNotRevoked,
  assertPckCa,
  assertSigner,
  certificateValidity,
  decodeChain,
  type VerifiedCollateral,
} from './collateral.ts'
import type { P256Key } from './p256.ts'
import { isRevoked } from './revocationList.ts'
import { decodeSgxExtension, type SgxExtension } from './sgxExtension.ts'
import type { TrustedRoot } from './trustedRoot.ts'
import type { Validity } from './validity.ts'
import { EXTENSION } from './x509.ts'

const PCK_NAME = 'Intel SGX PCK Certificate'

/** A platform's certificate whose signatures lead to the trusted root; revocation and time are asked at each use. */
export type VerifiedPckChain = {
  leaf: Certificate
  ca: Certificate
  /** The platform's provisioning certification key, which signs QE reports. */
  key: P256Key
  sgx: SgxExtension
  validities: readonly Validity[]
}

/**
 * Verifies the chain that a quote carries: PCK certificate, PCK authority, trusted root, in any order.
 *
 * @param known an authority that is already verified: where the chain has the very same certificate, its signature and key
 *   are not worked out a second time.
 * @throws {AttestationError} the first check that fails.
 */
export function verifyPckChain(pem: Uint8Array, root: TrustedRoot, known?: Authority): VerifiedPckChain {
  const certificates = decodeChain(pem, root, { count: 3, known }).map(({ certificate }) => certificate)
  const ca = certificates.find((certificate) => certificate.isCa)
  const leaf = certificates.find((certificate) => !certificate.isCa)
  if (!ca || !leaf) {
    throw new CertificateError(
      'CERTIFICATE_CHAIN_INCOMPLETE',
      'A PCK chain is not a certificate, its authority and the root',
    )
  }
  if (leaf.subject.commonName !== PCK_NAME) {
    throw new CertificateError('CERTIFICATE_SUBJECT_UNEXPECTED', `"${leaf.subject.commonName}" is not "${PCK_NAME}"`)
  }
  assertPckCa(ca)
  const isKnown = known !== undefined && known.certificate === ca
  if (!isKnown) assertIssued(root, ca)
  assertSigner(leaf)
  assertIssued(isKnown ? known : toAuthority(ca), leaf)
  const extension = leaf.extensions.get(EXTENSION.sgx)
  if (!extension) {
    throw new CertificateError(
      'CERTIFICATE_SUBJECT_UNEXPECTED',
      'The PCK certificate says nothing of its platform (SGX extension)',
    )
  }
  return {
    leaf,
    ca,
    key: toAuthority(leaf).key,
    sgx: decodeSgxExtension(extension.value),
    validities: [certificateValidity(leaf), certificateValidity(ca)],
  }
}

/**
 * Verifies that `collateral` has the revocation list of the chain's own authority, platform or processor, and that neither
 * list names a certificate of the chain.
 *
 * @throws {CertificateError} `PCK_CRL_WRONG_CA`, `PCK_CA_REVOKED` or `PCK_REVOKED`.
 */
export function assertNotRevoked(chain: VerifiedPckChain, collateral: VerifiedCollateral): void {
  const { ca, leaf } = chain
  const listed = collateral.pckCa.certificate
  if (!isEqualBytes(ca.subject.der, listed.subject.der) || !isEqualBytes(ca.publicPoint, listed.publicPoint)) {
    const names = `"${listed.subject.commonName}", the PCK certificate is of "${ca.subject.commonName}"`
    throw new CertificateError('PCK_CRL_WRONG_CA', `The PCK revocation list is of ${names}`)
  }
  assertCaNotRevoked(collateral.rootCaCrl, ca)
  if (isRevoked(collateral.pckCrl, leaf)) {
    throw new CertificateError('PCK_REVOKED', 'The PCK certificate of this platform is revoked')
  }
}
