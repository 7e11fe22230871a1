import { isEqualBytes } from '../bytes.ts'
import { AttestationError } from './attestationError.ts'
import { type Authority, type Certificate, KEY_USAGE } from './certificate.ts'
import { DER_TAG, DerReader } from './der.ts'
import { verifyP256 } from './p256.ts'
import {
  EXTENSION,
  type Name,
  openSigned,
  readAlgorithm,
  readAuthorityKeyId,
  readExtensions,
  readName,
  type SignedObject,
} from './x509.ts'

/** Intel's PCK lists are 3 KB today; this has room for some 25,000 revoked certificates. */
export const REVOCATION_LIST_SIZE_MAX_BYTES = 1_048_576

export type RevocationListErrorCode =
  | 'CRL_INVALID'
  | 'CRL_TOO_LARGE'
  | 'CRL_ISSUER_MISMATCH'
  | 'CRL_ISSUER_INVALID'
  | 'CRL_SIGNATURE_INVALID'

export class RevocationListError extends AttestationError<RevocationListErrorCode> {
  constructor(code: RevocationListErrorCode, message: string) {
    super(code, `${message}.`, { fix: 'Fetch the revocation list of this certificate authority again, as DER.' })
  }
}

export type RevocationList = SignedObject & {
  issuer: Name
  thisUpdateMs: number
  nextUpdateMs: number
  /** Grows with each list of the authority, where the authority keeps count (Intel's lists say 1 so far). */
  crlNumber: number
  authorityKeyId: Uint8Array
  /** Where the serial numbers stand in `tbs`' own buffer: start and end, start and end, … */
  revoked: { bytes: Uint8Array; spans: readonly number[] }
}

const KNOWN_EXTENSIONS: ReadonlySet<string> = new Set([EXTENSION.crlNumber, EXTENSION.authorityKeyId])
/** Entries carry a reason at most; a critical extension there (certificateIssuer) would change whose serial it is. */
const NO_EXTENSIONS: ReadonlySet<string> = new Set()

/**
 * Decodes an X.509 version 2 revocation list (RFC 5280 §5.1). Nothing is verified here.
 *
 * @throws {RevocationListError} `CRL_TOO_LARGE`, or `CRL_INVALID` for a list without number, authority or end.
 * @throws {DerError} not DER.
 * @throws {X509Error} another algorithm; an extension twice, or critical and unknown (a delta or indirect list).
 */
export function decodeRevocationList(der: Uint8Array): RevocationList {
  if (der.length > REVOCATION_LIST_SIZE_MAX_BYTES) {
    throw new RevocationListError('CRL_TOO_LARGE', `A revocation list of ${der.length} bytes is too large`)
  }
  const { tbs, signature, inside } = openSigned(der)
  if (inside.readSmallUnsigned(255) !== 1)
    throw new RevocationListError('CRL_INVALID', 'A revocation list is not of version 2')
  readAlgorithm(inside)
  const issuer = readName(inside)
  const thisUpdateMs = inside.readTimeMs()
  const next = inside.peekTag()
  if (next !== DER_TAG.utcTime && next !== DER_TAG.generalizedTime) {
    throw new RevocationListError('CRL_INVALID', 'A revocation list does not say when the next one comes')
  }
  const nextUpdateMs = inside.readTimeMs()
  const spans = inside.peekTag() === DER_TAG.sequence ? readRevoked(inside.enter(DER_TAG.sequence)) : []
  const wrapper = inside.enter(0xa0)
  const extensions = readExtensions(wrapper, KNOWN_EXTENSIONS)
  wrapper.finish()
  const number = extensions.get(EXTENSION.crlNumber)
  const authority = extensions.get(EXTENSION.authorityKeyId)
  if (!number || !authority) {
    throw new RevocationListError('CRL_INVALID', 'A revocation list lacks its number or its authority key identifier')
  }
  const numberReader = new DerReader(number.value)
  const crlNumber = numberReader.readSmallUnsigned(2 ** 31 - 1)
  numberReader.finish()
  const authorityKeyId = readAuthorityKeyId(authority.value)
  inside.finish()
  return {
    tbs,
    signature,
    issuer,
    thisUpdateMs,
    nextUpdateMs,
    crlNumber,
    authorityKeyId,
    revoked: { bytes: der, spans },
  }
}

function readRevoked(list: DerReader): readonly number[] {
  if (list.isAtEnd) throw new RevocationListError('CRL_INVALID', 'A revocation list has an empty list of entries')
  const spans: number[] = []
  while (!list.isAtEnd) {
    if (readUsualEntry(list, spans)) continue
    const entry = list.enter(DER_TAG.sequence)
    const serial = entry.readUnsigned()
    spans.push(serial.contentStart, serial.end)
    entry.readTimeMs()
    if (!entry.isAtEnd) readExtensions(entry, NO_EXTENSIONS)
    entry.finish()
  }
  return spans
}

/** `Extensions` of one CRLReason, all that Intel's entries carry, up to the reason (RFC 5280 §5.3.1). */
const REASON_CODE = Uint8Array.from([0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01])
const UTC_TIME_SIZE_BYTES = 15

/**
 * Reads an entry of the one form that Intel's have (serial number, UTCTime, reason): the short way for lists of thousands.
 * False, and nothing read, for any other; what is wrong with it, if anything, is for the long way to say.
 */
function readUsualEntry(list: DerReader, spans: number[]): boolean {
  const { bytes, end, offset: start } = list
  const serialStart = start + 4
  if (serialStart + 1 >= end) return false
  const serialSize = bytes[start + 3]!
  const serialEnd = serialStart + serialSize
  const reasonStart = serialEnd + UTC_TIME_SIZE_BYTES
  const entryEnd = reasonStart + REASON_CODE.length + 1
  if (bytes[start] !== DER_TAG.sequence || bytes[start + 2] !== DER_TAG.integer) return false
  if (entryEnd > end || entryEnd - start > 0x81 || bytes[start + 1] !== entryEnd - start - 2) return false
  const first = bytes[serialStart]!
  if (serialSize === 0 || first >= 0x80 || (serialSize > 1 && first === 0 && bytes[serialStart + 1]! < 0x80))
    return false
  if (bytes[serialEnd] !== DER_TAG.utcTime || bytes[serialEnd + 1] !== UTC_TIME_SIZE_BYTES - 2) return false
  for (let i = 0; i < REASON_CODE.length; i++) if (bytes[reasonStart + i] !== REASON_CODE[i]) return false
  list.offset = serialEnd
  list.readTimeMs()
  list.offset = entryEnd
  spans.push(serialStart, serialEnd)
  return true
}

/** How many certificates `list` names. */
export const revokedCount = (list: RevocationList): number => list.revoked.spans.length / 2

/**
 * Whether `list` names `certificate`, which must be of the list's issuer; the caller has checked that. The list is read
 * through: building an index would cost more than a quote's one look into a list of hundreds.
 */
export function isRevoked(list: RevocationList, { serial }: Pick<Certificate, 'serial'>): boolean {
  const { bytes, spans } = list.revoked
  for (let i = 0; i < spans.length; i += 2) {
    const start = spans[i]!
    if (spans[i + 1]! - start !== serial.length) continue
    let at = 0
    while (at < serial.length && bytes[start + at] === serial[at]) at++
    if (at === serial.length) return true
  }
  return false
}

/**
 * Verifies that `list` is the authority's own (RFC 5280 §6.3.3): name, key identifier, right to sign lists, signature.
 * Validity in time is not judged here.
 *
 * @throws {RevocationListError} `CRL_ISSUER_MISMATCH`, `CRL_ISSUER_INVALID` or `CRL_SIGNATURE_INVALID`.
 */
export function assertListOf(authority: Authority, list: RevocationList): void {
  const { certificate, key } = authority
  const name = certificate.subject.commonName
  if (!isEqualBytes(list.issuer.der, certificate.subject.der)) {
    const found = list.issuer.commonName
    throw new RevocationListError('CRL_ISSUER_MISMATCH', `The revocation list is of "${found}", not of "${name}"`)
  }
  if (!isEqualBytes(list.authorityKeyId, certificate.subjectKeyId)) {
    throw new RevocationListError('CRL_ISSUER_MISMATCH', `The revocation list of "${name}" names another key`)
  }
  if ((certificate.keyUsage & KEY_USAGE.crlSign) === 0) {
    throw new RevocationListError('CRL_ISSUER_INVALID', `"${name}" may not sign revocation lists`)
  }
  if (!verifyP256(key, list.tbs, list.signature)) {
    throw new RevocationListError('CRL_SIGNATURE_INVALID', `The signature on the revocation list of "${name}" is wrong`)
  }
}
