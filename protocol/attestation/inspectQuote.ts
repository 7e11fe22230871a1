import { type Hex, toHex } from '../bytes.ts'
import { type Certificate, CertificateError, decodeCertificate } from './certificate.ts'
import { type Measurements, toMeasurements } from './measurements.ts'
import { decodePemChain } from './pem.ts'
import { decodeQuote, type Quote } from './quote.ts'
import { decodeSgxExtension, type SgxExtension } from './sgxExtension.ts'
import { toRfc3339 } from './validity.ts'
import { EXTENSION } from './x509.ts'

/** What a quote claims of itself. Nothing here is verified: it serves to look, and to know which collateral to fetch. */
export type QuoteInspection = {
  version: 4 | 5
  body: 'td10' | 'td15'
  userData: Hex
  sizeBytes: number
  trailingSizeBytes: number
  measurements: Measurements
  qe: { mrEnclave: Hex; mrSigner: Hex; isvProdId: number; isvSvn: number; attributes: Hex; miscSelect: Hex }
  pck: {
    /** Common name of the authority that issued it. */
    ca: string
    serial: Hex
    notBefore: string
    notAfter: string
    fmspc: Hex
    pceId: Hex
    pceSvn: number
    tcbComponents: readonly number[]
  }
}

/** @throws {AttestationError} the quote or its PCK certificate cannot be read. */
export function inspectQuote(bytes: Uint8Array): QuoteInspection {
  const quote = decodeQuote(bytes)
  const { qeReport } = quote
  const { leaf, sgx } = findLeaf(quote)
  return {
    version: quote.version,
    body: quote.body,
    userData: toHex(quote.userData),
    sizeBytes: bytes.length - quote.trailingBytes.length,
    trailingSizeBytes: quote.trailingBytes.length,
    measurements: toMeasurements(quote.report),
    qe: {
      mrEnclave: toHex(qeReport.mrEnclave),
      mrSigner: toHex(qeReport.mrSigner),
      isvProdId: qeReport.isvProdId,
      isvSvn: qeReport.isvSvn,
      attributes: toHex(qeReport.attributes),
      miscSelect: toHex(qeReport.miscSelect),
    },
    pck: {
      ca: leaf.issuer.commonName,
      serial: toHex(leaf.serial),
      notBefore: toRfc3339(leaf.notBeforeMs),
      notAfter: toRfc3339(leaf.notAfterMs),
      fmspc: toHex(sgx.fmspc),
      pceId: toHex(sgx.pceId),
      pceSvn: sgx.pceSvn,
      tcbComponents: sgx.tcbComponents,
    },
  }
}

/** Which platform a quote claims to come from: all that fetching its collateral takes. @throws {AttestationError} as `inspectQuote`. */
export function inspectPlatform(bytes: Uint8Array): { fmspc: Hex; ca: string } {
  const { leaf, sgx } = findLeaf(decodeQuote(bytes))
  return { fmspc: toHex(sgx.fmspc), ca: leaf.issuer.commonName }
}

function findLeaf({ pckChain }: Quote): { leaf: Certificate; sgx: SgxExtension } {
  for (const der of decodePemChain(pckChain)) {
    const leaf = decodeCertificate(der)
    const extension = leaf.extensions.get(EXTENSION.sgx)
    if (extension) return { leaf, sgx: decodeSgxExtension(extension.value) }
  }
  throw new CertificateError('CERTIFICATE_CHAIN_INCOMPLETE', 'The chain in the quote has no PCK certificate')
}
