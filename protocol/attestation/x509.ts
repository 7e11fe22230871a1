import { AttestationError } from './attestationError.ts'
import { DER_TAG, type DerElement, DerReader, isElement } from './der.ts'

export class X509Error extends AttestationError<'X509_UNSUPPORTED' | 'X509_EXTENSION_UNSUPPORTED'> {
  constructor(code: 'X509_UNSUPPORTED' | 'X509_EXTENSION_UNSUPPORTED', message: string) {
    super(code, `${message}.`, {
      fix: 'Use certificates and revocation lists as Intel issues them: X.509 version 3 (lists: 2), P-256, ecdsa-with-SHA256.',
    })
  }
}

/** AlgorithmIdentifier of ecdsa-with-SHA256, no parameters (RFC 5758 §3.2). */
const ECDSA_WITH_SHA256 = Uint8Array.from([0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02])
const COMMON_NAME = Uint8Array.from([0x06, 0x03, 0x55, 0x04, 0x03])

/** What a certificate and a revocation list share: content, algorithm and signature (RFC 5280 §4.1, §5.1). */
export type SignedObject = {
  /** The signed bytes. */
  tbs: Uint8Array
  /** DER of r and s. */
  signature: Uint8Array
}

/** Opens `Certificate` or `CertificateList`; `inside` reads what is signed, and is finished by whoever reads it. */
export function openSigned(der: Uint8Array): SignedObject & { inside: DerReader } {
  const file = new DerReader(der)
  const outer = file.enter(DER_TAG.sequence)
  file.finish()
  const tbs = outer.read(DER_TAG.sequence)
  readAlgorithm(outer)
  const signature = outer.readOctetAlignedBits()
  outer.finish()
  return { tbs: outer.whole(tbs), signature, inside: new DerReader(der, tbs.contentStart, tbs.end) }
}

/** RFC 5280 §4.1.1.2: the algorithm stands inside and outside the signed content; both must say the only one we know. */
export function readAlgorithm(reader: DerReader): void {
  const element = reader.read(DER_TAG.sequence)
  if (!isElement(reader.bytes, element, ECDSA_WITH_SHA256)) {
    throw new X509Error('X509_UNSUPPORTED', 'A signature algorithm is not ecdsa-with-SHA256')
  }
}

export type Name = { der: Uint8Array; commonName: string }

/** A distinguished name: its bytes, which are what names are compared by, and its one common name ('' where it has none). */
export function readName(reader: DerReader): Name {
  const element = reader.read(DER_TAG.sequence)
  const names = new DerReader(reader.bytes, element.contentStart, element.end)
  let commonName = ''
  while (!names.isAtEnd) {
    const set = names.enter(DER_TAG.set)
    const attribute = set.enter(DER_TAG.sequence)
    set.finish()
    const type = attribute.readOid()
    const value = attribute.read()
    attribute.finish()
    assertText(attribute, value)
    if (!isElement(attribute.bytes, type, COMMON_NAME)) continue
    if (commonName !== '') throw new X509Error('X509_UNSUPPORTED', 'A name has two common names')
    commonName = String.fromCharCode.apply(null, attribute.content(value) as unknown as number[])
  }
  return { der: reader.whole(element), commonName }
}

/** Intel's names are ASCII; one that merely looks like one of them must not pass for it. */
function assertText({ bytes }: DerReader, element: DerElement): void {
  if (element.tag !== DER_TAG.utf8String && element.tag !== DER_TAG.printableString) {
    throw new X509Error('X509_UNSUPPORTED', 'A part of a name is neither UTF8String nor PrintableString')
  }
  for (let i = element.contentStart; i < element.end; i++) {
    if (bytes[i]! < 0x20 || bytes[i]! > 0x7e) {
      throw new X509Error('X509_UNSUPPORTED', 'A part of a name is not printable ASCII')
    }
  }
}

export type Extension = { isCritical: boolean; value: Uint8Array }

/**
 * `Extensions`: each kind once, by the hex of its object identifier. Whoever reads them must know every critical one
 * (RFC 5280 §4.2), so `known` lists what the caller understands.
 */
export function readExtensions(reader: DerReader, known: ReadonlySet<string>): ReadonlyMap<string, Extension> {
  const list = reader.enter(DER_TAG.sequence)
  if (list.isAtEnd) throw new X509Error('X509_UNSUPPORTED', 'A list of extensions is empty')
  const extensions = new Map<string, Extension>()
  while (!list.isAtEnd) {
    const entry = list.enter(DER_TAG.sequence)
    const id = oidKey(entry.bytes, entry.readOid())
    const isCritical = entry.readFlag()
    const value = entry.content(entry.read(DER_TAG.octetString))
    entry.finish()
    if (extensions.has(id)) throw new X509Error('X509_EXTENSION_UNSUPPORTED', `Extension ${id} is there twice`)
    if (isCritical && !known.has(id))
      throw new X509Error('X509_EXTENSION_UNSUPPORTED', `Critical extension ${id} is unknown`)
    extensions.set(id, { isCritical, value })
  }
  return extensions
}

/** An object identifier's content as lower-case hex, to compare and to look up by. */
function oidKey(bytes: Uint8Array, { contentStart, end }: DerElement): string {
  let key = ''
  for (let i = contentStart; i < end; i++) key += HEX[bytes[i]!]!
  return key
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export const EXTENSION = {
  subjectKeyId: '551d0e',
  keyUsage: '551d0f',
  basicConstraints: '551d13',
  crlNumber: '551d14',
  crlDistributionPoints: '551d1f',
  authorityKeyId: '551d23',
  /** 1.2.840.113741.1.13.1, Intel's SGX extension (PCK certificate specification §1.3.5). */
  sgx: '2a864886f84d010d01',
} as const

/** `SubjectKeyIdentifier` (RFC 5280 §4.2.1.2). */
export function readSubjectKeyId(value: Uint8Array): Uint8Array {
  const reader = new DerReader(value)
  const id = reader.content(reader.read(DER_TAG.octetString))
  reader.finish()
  return id
}

/** The key identifier of `AuthorityKeyIdentifier` (RFC 5280 §4.2.1.1); issuer and serial number are not used by Intel. */
export function readAuthorityKeyId(value: Uint8Array): Uint8Array {
  const reader = new DerReader(value)
  const sequence = reader.enter(DER_TAG.sequence)
  reader.finish()
  const id = sequence.content(sequence.read(0x80))
  sequence.finish()
  return id
}
