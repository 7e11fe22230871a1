import { isEqualBytes } from '../bytes.ts'
import { AttestationError } from './attestationError.ts'
import { DER_TAG, DerReader, isElement } from './der.ts'
import { importP256Key, type P256Key, verifyP256 } from './p256.ts'
import type { PemBlock } from './pem.ts'
import {
  EXTENSION,
  type Extension,
  type Name,
  openSigned,
  readAlgorithm,
  readAuthorityKeyId,
  readExtensions,
  readName,
  readSubjectKeyId,
  type SignedObject,
  X509Error,
} from './x509.ts'

/** A PCK certificate is about 1.3 KB. */
const CERTIFICATE_SIZE_MAX_BYTES = 8_192
/** RFC 5280 §4.1.2.2 allows 20 bytes, to which DER may add a leading zero. */
const SERIAL_SIZE_MAX_BYTES = 21

/** AlgorithmIdentifier of a P-256 key (RFC 5480 §2.1.1). */
const P256_ALGORITHM = Uint8Array.from([
  0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
  0x01, 0x07,
])

export type Certificate = SignedObject & {
  der: Uint8Array
  /** Content of the serial number's INTEGER: one serial number, one sequence of bytes. */
  serial: Uint8Array
  issuer: Name
  subject: Name
  notBeforeMs: number
  notAfterMs: number
  /** Uncompressed point, 65 bytes. */
  publicPoint: Uint8Array
  isCa: boolean
  /** How many certificates of authorities may follow; `undefined` is any number. */
  pathLength: number | undefined
  /** First byte of `KeyUsage`: 0x80 digitalSignature, 0x04 keyCertSign, 0x02 cRLSign. */
  keyUsage: number
  subjectKeyId: Uint8Array
  authorityKeyId: Uint8Array
  extensions: ReadonlyMap<string, Extension>
}

export const KEY_USAGE = { digitalSignature: 0x80, keyCertSign: 0x04, crlSign: 0x02 } as const

const KNOWN_EXTENSIONS: ReadonlySet<string> = new Set([
  EXTENSION.subjectKeyId,
  EXTENSION.keyUsage,
  EXTENSION.basicConstraints,
  EXTENSION.crlDistributionPoints,
  EXTENSION.authorityKeyId,
  EXTENSION.sgx,
])
/** Intel's library wants these five in every certificate of a chain (QVL, REQUIRED_X509_EXTENSIONS). */
const REQUIRED_EXTENSIONS = [
  EXTENSION.authorityKeyId,
  EXTENSION.crlDistributionPoints,
  EXTENSION.subjectKeyId,
  EXTENSION.keyUsage,
  EXTENSION.basicConstraints,
] as const

/**
 * Decodes one X.509 version 3 certificate as Intel issues them (RFC 5280 §4.1). Nothing is verified here.
 *
 * @throws {DerError} not DER.
 * @throws {X509Error} another version, algorithm or curve; an extension missing, twice, or critical and unknown.
 */
export function decodeCertificate(der: Uint8Array): Certificate {
  if (der.length > CERTIFICATE_SIZE_MAX_BYTES) {
    throw new X509Error('X509_UNSUPPORTED', `A certificate of ${der.length} bytes is too large`)
  }
  const { tbs, signature, inside } = openSigned(der)
  const version = inside.enter(0xa0)
  if (version.readSmallUnsigned(255) !== 2) throw new X509Error('X509_UNSUPPORTED', 'A certificate is not of version 3')
  version.finish()
  const serial = inside.content(inside.readUnsigned())
  if (serial.length > SERIAL_SIZE_MAX_BYTES) throw new X509Error('X509_UNSUPPORTED', 'A serial number is too long')
  readAlgorithm(inside)
  const issuer = readName(inside)
  const validity = inside.enter(DER_TAG.sequence)
  const notBeforeMs = validity.readTimeMs()
  const notAfterMs = validity.readTimeMs()
  validity.finish()
  const subject = readName(inside)
  const publicPoint = readPublicPoint(inside)
  const wrapper = inside.enter(0xa3)
  const extensions = readExtensions(wrapper, KNOWN_EXTENSIONS)
  wrapper.finish()
  const required = (id: (typeof REQUIRED_EXTENSIONS)[number]): Uint8Array => {
    const extension = extensions.get(id)
    if (!extension) {
      throw new X509Error('X509_EXTENSION_UNSUPPORTED', `Certificate "${subject.commonName}" lacks extension ${id}`)
    }
    return extension.value
  }
  for (const id of REQUIRED_EXTENSIONS) required(id)
  const { isCa, pathLength } = readBasicConstraints(required(EXTENSION.basicConstraints))
  const keyUsage = readKeyUsage(required(EXTENSION.keyUsage))
  const subjectKeyId = readSubjectKeyId(required(EXTENSION.subjectKeyId))
  const authorityKeyId = readAuthorityKeyId(required(EXTENSION.authorityKeyId))
  inside.finish()
  return {
    der,
    tbs,
    signature,
    serial,
    issuer,
    subject,
    notBeforeMs,
    notAfterMs,
    publicPoint,
    isCa,
    pathLength,
    keyUsage,
    subjectKeyId,
    authorityKeyId,
    extensions,
  }
}

function readPublicPoint(tbs: DerReader): Uint8Array {
  const info = tbs.enter(DER_TAG.sequence)
  if (!isElement(tbs.bytes, info.read(DER_TAG.sequence), P256_ALGORITHM)) {
    throw new X509Error('X509_UNSUPPORTED', 'A public key is not of P-256')
  }
  const point = info.readOctetAlignedBits()
  info.finish()
  if (point.length !== 65 || point[0] !== 4)
    throw new X509Error('X509_UNSUPPORTED', 'A public key is not an uncompressed point')
  return point
}

function readBasicConstraints(value: Uint8Array): { isCa: boolean; pathLength: number | undefined } {
  const reader = new DerReader(value)
  const sequence = reader.enter(DER_TAG.sequence)
  reader.finish()
  const isCa = sequence.readFlag()
  const pathLength = isCa && !sequence.isAtEnd ? sequence.readSmallUnsigned(255) : undefined
  sequence.finish()
  return { isCa, pathLength }
}

function readKeyUsage(value: Uint8Array): number {
  const reader = new DerReader(value)
  const bits = reader.content(reader.read(DER_TAG.bitString))
  reader.finish()
  if (bits.length < 2 || bits.length > 3 || bits[0]! > 7)
    throw new X509Error('X509_UNSUPPORTED', 'A key usage is not a list of uses')
  return bits[1]!
}

export type CertificateErrorCode =
  | 'CERTIFICATE_KEY_INVALID'
  | 'CERTIFICATE_ISSUER_MISMATCH'
  | 'CERTIFICATE_AUTHORITY_INVALID'
  | 'CERTIFICATE_SIGNATURE_INVALID'
  | 'CERTIFICATE_USAGE_INVALID'
  | 'CERTIFICATE_SUBJECT_UNEXPECTED'
  | 'CERTIFICATE_CHAIN_INCOMPLETE'
  | 'CERTIFICATE_ROOT_UNTRUSTED'
  | 'TCB_SIGNING_REVOKED'
  | 'PCK_CA_REVOKED'
  | 'PCK_REVOKED'
  | 'PCK_CRL_WRONG_CA'

export class CertificateError extends AttestationError<CertificateErrorCode> {
  constructor(code: CertificateErrorCode, message: string) {
    super(code, `${message}.`, {
      fix: 'Take quote and collateral from the platform and from Intel unchanged; nothing that fails here can be trusted.',
    })
  }
}

/**
 * A certificate of an authority together with its key, ready to check what it signed; `pem` is its text where that is known,
 * to recognise it by in other chains.
 */
export type Authority = { certificate: Certificate; key: P256Key; pem?: PemBlock }

/** @throws {CertificateError} the certificate's key is not a point of the curve. */
export function toAuthority(certificate: Certificate, pem?: PemBlock): Authority {
  const key = importP256Key(certificate.publicPoint)
  if (!key) {
    const { commonName } = certificate.subject
    throw new CertificateError('CERTIFICATE_KEY_INVALID', `The key of certificate "${commonName}" is not on the curve`)
  }
  return pem ? { certificate, key, pem } : { certificate, key }
}

/**
 * Verifies that `authority` issued `certificate` (RFC 5280 §6.1.3, §6.1.4): names and key identifiers meet, the authority
 * may sign certificates and is not out of path length, the signature is good. Validity in time is not judged here.
 *
 * @throws {CertificateError} whichever of these fails.
 */
export function assertIssued(authority: Authority, certificate: Certificate): void {
  const issuer = authority.certificate
  const names = `"${certificate.subject.commonName}" and its issuer "${issuer.subject.commonName}"`
  if (!isEqualBytes(certificate.issuer.der, issuer.subject.der)) {
    throw new CertificateError('CERTIFICATE_ISSUER_MISMATCH', `The names of ${names} do not meet`)
  }
  if (!isEqualBytes(certificate.authorityKeyId, issuer.subjectKeyId)) {
    throw new CertificateError('CERTIFICATE_ISSUER_MISMATCH', `The key identifiers of ${names} do not meet`)
  }
  if (!issuer.isCa || (issuer.keyUsage & KEY_USAGE.keyCertSign) === 0) {
    throw new CertificateError(
      'CERTIFICATE_AUTHORITY_INVALID',
      `"${issuer.subject.commonName}" may not sign certificates`,
    )
  }
  if (certificate.isCa && issuer.pathLength === 0) {
    throw new CertificateError(
      'CERTIFICATE_AUTHORITY_INVALID',
      `"${issuer.subject.commonName}" may not sign authorities`,
    )
  }
  if (!verifyP256(authority.key, certificate.tbs, certificate.signature)) {
    throw new CertificateError(
      'CERTIFICATE_SIGNATURE_INVALID',
      `The signature on "${certificate.subject.commonName}" is wrong`,
    )
  }
}
