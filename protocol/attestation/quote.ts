import type { CoalitionError } from '../errors.ts'
import { AttestationError } from './attestationError.ts'

/** Real quotes are about 5 KB; drivers hand them out in buffers of up to 16 KB, padded with zeros. */
export const QUOTE_SIZE_MAX_BYTES = 65_536

export type QuoteErrorCode =
  | 'QUOTE_TOO_LARGE'
  | 'QUOTE_TRUNCATED'
  | 'QUOTE_VERSION_UNSUPPORTED'
  | 'QUOTE_KEY_TYPE_UNSUPPORTED'
  | 'QUOTE_NOT_TDX'
  | 'QUOTE_VENDOR_UNKNOWN'
  | 'QUOTE_BODY_UNSUPPORTED'
  | 'QUOTE_CERTIFICATION_UNSUPPORTED'
  | 'QUOTE_SIZES_DISAGREE'

export class QuoteError extends AttestationError<QuoteErrorCode> {
  constructor(code: QuoteErrorCode, message: string, kind: CoalitionError['kind'] = 'refused') {
    super(code, `${message}.`, {
      kind,
      fix: 'Pass the bytes of a TDX quote, version 4 or 5, as the quoting service gave them.',
    })
  }
}

/** A TD report as a quote carries it (Intel TDX DCAP quoting library, appendix A.3; all fields as raw bytes). */
export type TdReport = {
  /** The whole report, of which the fields are parts. */
  bytes: Uint8Array
  teeTcbSvn: Uint8Array
  mrSeam: Uint8Array
  mrSignerSeam: Uint8Array
  seamAttributes: Uint8Array
  tdAttributes: Uint8Array
  xfam: Uint8Array
  mrTd: Uint8Array
  mrConfigId: Uint8Array
  mrOwner: Uint8Array
  mrOwnerConfig: Uint8Array
  /** RTMR0–3. */
  rtMr: readonly Uint8Array[]
  reportData: Uint8Array
  /** TD 1.5 only: the TCB of the module as it is now, which may have been updated under the TD. */
  teeTcbSvn2?: Uint8Array
  /** TD 1.5 only. */
  mrServiceTd?: Uint8Array
}

/** An SGX enclave report: the quoting enclave's. */
export type EnclaveReport = {
  /** The signed 384 bytes. */
  bytes: Uint8Array
  cpuSvn: Uint8Array
  miscSelect: Uint8Array
  attributes: Uint8Array
  mrEnclave: Uint8Array
  mrSigner: Uint8Array
  isvProdId: number
  isvSvn: number
  reportData: Uint8Array
}

export type Quote = {
  version: 4 | 5
  body: 'td10' | 'td15'
  userData: Uint8Array
  report: TdReport
  /** Header and body, which the attestation key signed. */
  signedBytes: Uint8Array
  /** r and s. */
  signature: Uint8Array
  /** x and y. */
  attestationKey: Uint8Array
  qeReport: EnclaveReport
  qeReportSignature: Uint8Array
  qeAuthenticationData: Uint8Array
  /** PEM chain of the PCK certificate. */
  pckChain: Uint8Array
  /** Bytes behind the last that the quote accounts for. */
  trailingBytes: Uint8Array
}

const HEADER_SIZE_BYTES = 48
const BODY_SIZE_BYTES = { td10: 584, td15: 648 } as const
const ENCLAVE_REPORT_SIZE_BYTES = 384
const KEY_TYPE_ECDSA_P256 = 2
const TEE_TYPE_TDX = 0x81
const BODY_TYPE = { td10: 2, td15: 3 } as const
const CERTIFICATION = { pckChain: 5, qeReport: 6 } as const
/** 939a7233-f79c-4ca9-940a-0db3957f0607. */
const INTEL_QE_VENDOR_ID = Uint8Array.from([
  0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
])

/**
 * Decodes a TDX quote, version 4 or 5 (Intel TDX DCAP quoting library, appendix A), into views of `bytes`. Every size
 * inside is checked against what holds it and must be used up exactly; what follows the quote is handed back as it is.
 * Nothing is verified here.
 *
 * @throws {QuoteError} naming the first field that is not as it must be; unusable input where it is no quote at all, and
 *   refused where it is one.
 */
export function decodeQuote(bytes: Uint8Array): Quote {
  const kind = isOfIntel(bytes) ? 'refused' : 'input'
  if (bytes.length > QUOTE_SIZE_MAX_BYTES) {
    const reason = `A quote of ${bytes.length} bytes is larger than ${QUOTE_SIZE_MAX_BYTES}`
    throw new QuoteError('QUOTE_TOO_LARGE', reason, kind)
  }
  const reader = new QuoteReader(bytes)
  const { version, userData } = readHeader(reader, kind)
  const body = version === 4 ? 'td10' : readBodyType(reader)
  const report = readTdReport(reader.take(BODY_SIZE_BYTES[body], 'the TD report'), body)
  const signedBytes = bytes.subarray(0, reader.offset)
  const authentication = new QuoteReader(reader.takeSized('the signature data'))
  const trailingBytes = bytes.subarray(reader.offset)
  const signature = authentication.take(64, 'the quote signature')
  const attestationKey = authentication.take(64, 'the attestation key')
  const outer = new QuoteReader(readCertification(authentication, CERTIFICATION.qeReport))
  const qeReport = readEnclaveReport(outer.take(ENCLAVE_REPORT_SIZE_BYTES, 'the QE report'))
  const qeReportSignature = outer.take(64, 'the QE report signature')
  const qeAuthenticationData = outer.take(outer.uint16('the QE authentication data size'), 'the QE authentication data')
  const pckChain = readCertification(outer, CERTIFICATION.pckChain)
  return {
    version,
    body,
    userData,
    report,
    signedBytes,
    signature,
    attestationKey,
    qeReport,
    qeReportSignature,
    qeAuthenticationData,
    pckChain,
    trailingBytes,
  }
}

const VENDOR_OFFSET_BYTES = 12

/** Whether its header names Intel's vendor, as every quote of its libraries does, of any version and technology. */
const isOfIntel = (bytes: Uint8Array): boolean =>
  bytes.length >= HEADER_SIZE_BYTES &&
  INTEL_QE_VENDOR_ID.every((byte, index) => bytes[VENDOR_OFFSET_BYTES + index] === byte)

/** @param kind what a header is that is not of a quote. */
function readHeader(reader: QuoteReader, kind: CoalitionError['kind']): { version: 4 | 5; userData: Uint8Array } {
  const header = reader.take(HEADER_SIZE_BYTES, 'the header', kind)
  const view = new QuoteReader(header)
  const version = view.uint16('the version')
  if (version !== 4 && version !== 5) {
    throw new QuoteError('QUOTE_VERSION_UNSUPPORTED', `The quote is of version ${version}, not 4 or 5`, kind)
  }
  const keyType = view.uint16('the attestation key type')
  if (keyType !== KEY_TYPE_ECDSA_P256) {
    const reason = `The attestation key is of type ${keyType}, not ECDSA P-256 (2)`
    throw new QuoteError('QUOTE_KEY_TYPE_UNSUPPORTED', reason, kind)
  }
  const teeType = view.uint32('the TEE type')
  if (teeType !== TEE_TYPE_TDX) {
    throw new QuoteError('QUOTE_NOT_TDX', `The TEE type is 0x${teeType.toString(16)}, not TDX (0x81)`, kind)
  }
  // Four reserved bytes: version 3 kept the SVNs of QE and PCE there. They are signed, mean nothing here, and Intel's library lets them be.
  view.take(4, 'the reserved bytes')
  const vendor = view.take(16, 'the QE vendor')
  for (let i = 0; i < vendor.length; i++) {
    if (vendor[i] !== INTEL_QE_VENDOR_ID[i]) {
      throw new QuoteError('QUOTE_VENDOR_UNKNOWN', "The quoting enclave's vendor is not Intel")
    }
  }
  return { version, userData: view.take(20, 'the user data') }
}

/** Version 5 says which body follows, and how long it is; both must agree. */
function readBodyType(reader: QuoteReader): 'td10' | 'td15' {
  const type = reader.uint16('the body type')
  const sizeBytes = reader.uint32('the body size')
  const body = type === BODY_TYPE.td10 ? 'td10' : type === BODY_TYPE.td15 ? 'td15' : undefined
  if (!body) throw new QuoteError('QUOTE_BODY_UNSUPPORTED', `The body is of type ${type}, not TD 1.0 (2) or TD 1.5 (3)`)
  if (sizeBytes !== BODY_SIZE_BYTES[body]) {
    throw new QuoteError(
      'QUOTE_SIZES_DISAGREE',
      `The body has ${sizeBytes} bytes, not the ${BODY_SIZE_BYTES[body]} of type ${type}`,
    )
  }
  return body
}

function readTdReport(bytes: Uint8Array, body: 'td10' | 'td15'): TdReport {
  const report: TdReport = {
    bytes,
    teeTcbSvn: bytes.subarray(0, 16),
    mrSeam: bytes.subarray(16, 64),
    mrSignerSeam: bytes.subarray(64, 112),
    seamAttributes: bytes.subarray(112, 120),
    tdAttributes: bytes.subarray(120, 128),
    xfam: bytes.subarray(128, 136),
    mrTd: bytes.subarray(136, 184),
    mrConfigId: bytes.subarray(184, 232),
    mrOwner: bytes.subarray(232, 280),
    mrOwnerConfig: bytes.subarray(280, 328),
    rtMr: [bytes.subarray(328, 376), bytes.subarray(376, 424), bytes.subarray(424, 472), bytes.subarray(472, 520)],
    reportData: bytes.subarray(520, 584),
  }
  return body === 'td10'
    ? report
    : { ...report, teeTcbSvn2: bytes.subarray(584, 600), mrServiceTd: bytes.subarray(600, 648) }
}

function readEnclaveReport(bytes: Uint8Array): EnclaveReport {
  return {
    bytes,
    cpuSvn: bytes.subarray(0, 16),
    miscSelect: bytes.subarray(16, 20),
    attributes: bytes.subarray(48, 64),
    mrEnclave: bytes.subarray(64, 96),
    mrSigner: bytes.subarray(128, 160),
    isvProdId: bytes[256]! | (bytes[257]! << 8),
    isvSvn: bytes[258]! | (bytes[259]! << 8),
    reportData: bytes.subarray(320, 384),
  }
}

/** Certification data: a type, a size and that many bytes, up to the end of what holds it. */
function readCertification(reader: QuoteReader, expectedType: number): Uint8Array {
  const type = reader.uint16('the certification data type')
  if (type !== expectedType) {
    throw new QuoteError(
      'QUOTE_CERTIFICATION_UNSUPPORTED',
      `Certification data is of type ${type} where ${expectedType} belongs`,
    )
  }
  const data = reader.takeSized('the certification data')
  if (reader.offset !== reader.bytes.length) {
    throw new QuoteError(
      'QUOTE_SIZES_DISAGREE',
      `${reader.bytes.length - reader.offset} byte(s) follow the certification data`,
    )
  }
  return data
}

class QuoteReader {
  readonly bytes: Uint8Array
  offset = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  take(sizeBytes: number, name: string, kind?: CoalitionError['kind']): Uint8Array {
    const start = this.offset
    const left = this.bytes.length - start
    if (sizeBytes > left)
      throw new QuoteError(
        'QUOTE_TRUNCATED',
        `The quote ends in ${name}: ${left} of ${sizeBytes} bytes are there`,
        kind,
      )
    this.offset = start + sizeBytes
    return this.bytes.subarray(start, this.offset)
  }

  uint16(name: string): number {
    const bytes = this.take(2, name)
    return bytes[0]! | (bytes[1]! << 8)
  }

  uint32(name: string): number {
    const bytes = this.take(4, name)
    return (bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24)) >>> 0
  }

  /** A 32-bit size and that many bytes. */
  takeSized(name: string): Uint8Array {
    return this.take(this.uint32(`the size of ${name}`), name)
  }
}
