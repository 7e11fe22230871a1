import { isEqualBytes } from '../bytes.ts'
import {
  type Authority,
  assertIssued,
  type Certificate,
  CertificateError,
  decodeCertificate,
  KEY_USAGE,
  toAuthority,
} from './certificate.ts'
import { decodePemBlocks, type PemBlock } from './pem.ts'
import { decodeQeIdentity, type QeIdentity } from './qeIdentity.ts'
import { assertListOf, decodeRevocationList, isRevoked, type RevocationList } from './revocationList.ts'
import { verifySignedJson } from './signedJson.ts'
import { decodeTcbInfo, type TcbInfo } from './tcbInfo.ts'
import type { TrustedRoot } from './trustedRoot.ts'
import type { Validity } from './validity.ts'

/** What Intel publishes to judge the quotes of one platform by, as it was fetched (PCS API v4). Never changed once made. */
export type Collateral = {
  /** DER. */
  readonly rootCaCrl: Uint8Array
  /** DER. */
  readonly pckCrl: Uint8Array
  /** PEM. */
  readonly pckCrlIssuerChain: string
  /** The exact text of the `tcbInfo` object. */
  readonly tcbInfo: string
  /** r and s, 64 bytes. */
  readonly tcbInfoSignature: Uint8Array
  /** PEM. */
  readonly tcbInfoIssuerChain: string
  /** The exact text of the `enclaveIdentity` object. */
  readonly qeIdentity: string
  /** r and s, 64 bytes. */
  readonly qeIdentitySignature: Uint8Array
  /** PEM. */
  readonly qeIdentityIssuerChain: string
}

/** Collateral whose every signature leads to the trusted root; whether it is in force is asked at each use. */
export type VerifiedCollateral = {
  root: TrustedRoot
  rootCaCrl: RevocationList
  pckCa: Authority
  pckCrl: RevocationList
  tcbInfo: TcbInfo
  qeIdentity: QeIdentity
  validities: readonly Validity[]
}

export const PCK_CA_NAMES: ReadonlyMap<string, 'platform' | 'processor'> = new Map([
  ['Intel SGX PCK Platform CA', 'platform'],
  ['Intel SGX PCK Processor CA', 'processor'],
])
const TCB_SIGNING_NAME = 'Intel SGX TCB Signing'

const textEncoder = new TextEncoder()

/**
 * Verifies all signatures of `collateral` up to `root`: root list, TCB signing certificate, TCB info, QE identity, PCK
 * authority and its list. Timeless, so that the result can be kept; `validities` says when it holds.
 *
 * @throws {AttestationError} the first check that fails.
 */
export function verifyCollateral(collateral: Collateral, root: TrustedRoot): VerifiedCollateral {
  const rootCaCrl = decodeRevocationList(collateral.rootCaCrl)
  assertListOf(root, rootCaCrl)

  const tcbSigner = verifyTcbSigner(collateral.tcbInfoIssuerChain, root, rootCaCrl)
  const qeSigner =
    collateral.qeIdentityIssuerChain === collateral.tcbInfoIssuerChain
      ? tcbSigner
      : verifyTcbSigner(collateral.qeIdentityIssuerChain, root, rootCaCrl)
  const tcbInfo = decodeTcbInfo(
    verifySignedJson({
      name: 'TCB info',
      text: collateral.tcbInfo,
      signature: collateral.tcbInfoSignature,
      key: tcbSigner.key,
    }),
  )
  const qeIdentity = decodeQeIdentity(
    verifySignedJson({
      name: 'QE identity',
      text: collateral.qeIdentity,
      signature: collateral.qeIdentitySignature,
      key: qeSigner.key,
    }),
  )

  const [ca] = decodeChain(textEncoder.encode(collateral.pckCrlIssuerChain), root, { count: 2 })
  const { certificate: caCertificate, pem: caPem } = ca!
  assertPckCa(caCertificate)
  assertIssued(root, caCertificate)
  assertCaNotRevoked(rootCaCrl, caCertificate)
  const pckCa = toAuthority(caCertificate, caPem)
  const pckCrl = decodeRevocationList(collateral.pckCrl)
  assertListOf(pckCa, pckCrl)

  const validities: Validity[] = [
    certificateValidity(root.certificate),
    certificateValidity(tcbSigner.certificate),
    certificateValidity(caCertificate),
    { kind: 'CRL', name: 'The root revocation list', fromMs: rootCaCrl.thisUpdateMs, untilMs: rootCaCrl.nextUpdateMs },
    { kind: 'CRL', name: 'The PCK revocation list', fromMs: pckCrl.thisUpdateMs, untilMs: pckCrl.nextUpdateMs },
    { kind: 'TCB_INFO', name: 'The TCB info', fromMs: tcbInfo.issueDateMs, untilMs: tcbInfo.nextUpdateMs },
    { kind: 'QE_IDENTITY', name: 'The QE identity', fromMs: qeIdentity.issueDateMs, untilMs: qeIdentity.nextUpdateMs },
  ]
  if (qeSigner !== tcbSigner) validities.push(certificateValidity(qeSigner.certificate))
  return { root, rootCaCrl, pckCa, pckCrl, tcbInfo, qeIdentity, validities }
}

/** The certificate that signs TCB info and identities: an end entity right under the root. */
function verifyTcbSigner(chain: string, root: TrustedRoot, rootCaCrl: RevocationList): Authority {
  const [first] = decodeChain(textEncoder.encode(chain), root, { count: 2 })
  const signer = first!.certificate
  if (signer.subject.commonName !== TCB_SIGNING_NAME) {
    const found = signer.subject.commonName
    throw new CertificateError(
      'CERTIFICATE_SUBJECT_UNEXPECTED',
      `TCB collateral is signed by "${found}", not by "${TCB_SIGNING_NAME}"`,
    )
  }
  assertSigner(signer)
  assertIssued(root, signer)
  if (isRevoked(rootCaCrl, signer))
    throw new CertificateError('TCB_SIGNING_REVOKED', 'The TCB signing certificate is revoked')
  return toAuthority(signer)
}

/** @throws {CertificateError} `certificate` is an authority, or not meant for signatures on data. */
export function assertSigner(certificate: Certificate): void {
  if (!certificate.isCa && (certificate.keyUsage & KEY_USAGE.digitalSignature) !== 0) return
  const name = certificate.subject.commonName
  throw new CertificateError('CERTIFICATE_USAGE_INVALID', `"${name}" is not a certificate for signing data`)
}

/** @throws {CertificateError} `certificate` is not of one of Intel's two authorities for PCK certificates. */
export function assertPckCa(certificate: Certificate): void {
  if (PCK_CA_NAMES.has(certificate.subject.commonName)) return
  const found = certificate.subject.commonName
  throw new CertificateError(
    'CERTIFICATE_SUBJECT_UNEXPECTED',
    `"${found}" is neither the Platform nor the Processor CA for PCK certificates`,
  )
}

/** @throws {CertificateError} the root has revoked the PCK authority. */
export function assertCaNotRevoked(rootCaCrl: RevocationList, certificate: Certificate): void {
  if (!isRevoked(rootCaCrl, certificate)) return
  throw new CertificateError('PCK_CA_REVOKED', `"${certificate.subject.commonName}" is revoked`)
}

export const certificateValidity = (certificate: Certificate): Validity => ({
  kind: 'CERTIFICATE',
  name: `Certificate "${certificate.subject.commonName}"`,
  fromMs: certificate.notBeforeMs,
  untilMs: certificate.notAfterMs,
})

/** A certificate of a chain, and how it stands there. */
export type ChainLink = { certificate: Certificate; pem: PemBlock }

const isEqualBlock = (block: PemBlock, { certificate, pem }: Authority): boolean =>
  block === pem || isEqualBytes(block.der, certificate.der)

/**
 * The certificates of a chain other than the root, which must be there, once, and be the trusted one. Their order is free,
 * as in Intel's library: who issued what is proven by signatures, not by position. `known` is not decoded a second time.
 *
 * @throws {CertificateError} `CERTIFICATE_CHAIN_INCOMPLETE`: not `count` certificates. `CERTIFICATE_ROOT_UNTRUSTED`: another root.
 */
export function decodeChain(
  pem: Uint8Array,
  root: TrustedRoot,
  { count, known }: { count: number; known?: Authority | undefined },
): readonly ChainLink[] {
  const blocks = decodePemBlocks(pem, known?.pem ? [root.pem, known.pem] : [root.pem])
  if (blocks.length !== count) {
    throw new CertificateError(
      'CERTIFICATE_CHAIN_INCOMPLETE',
      `A chain has ${blocks.length} certificate(s), not ${count}`,
    )
  }
  const others = blocks.filter((block) => !isEqualBlock(block, root))
  if (others.length === count) {
    const name = root.certificate.subject.commonName
    throw new CertificateError('CERTIFICATE_ROOT_UNTRUSTED', `A chain does not end in the trusted root "${name}"`)
  }
  if (others.length !== count - 1) {
    throw new CertificateError('CERTIFICATE_CHAIN_INCOMPLETE', 'A chain has its root more than once')
  }
  return others.map((block) => ({
    certificate: known && isEqualBlock(block, known) ? known.certificate : decodeCertificate(block.der),
    pem: block,
  }))
}
