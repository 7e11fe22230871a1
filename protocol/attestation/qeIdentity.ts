import { AttestationError } from './attestationError.ts'
import type { EnclaveReport } from './quote.ts'
import type { JsonObject } from './signedJson.ts'
import { decodeModuleLevels, type ModuleTcbLevel } from './tcbInfo.ts'

export type QeIdentityErrorCode =
  | 'QE_IDENTITY_UNSUPPORTED'
  | 'QE_MISCSELECT_MISMATCH'
  | 'QE_ATTRIBUTES_MISMATCH'
  | 'QE_MRSIGNER_MISMATCH'
  | 'QE_ISVPRODID_MISMATCH'
  | 'QE_TCB_LEVEL_UNMATCHED'

export class QeIdentityError extends AttestationError<QeIdentityErrorCode> {
  constructor(code: QeIdentityErrorCode, message: string) {
    super(code, `${message}.`, {
      fix: "Quote with Intel's own TDX quoting enclave, and fetch its identity from PCS API version 4.",
    })
  }
}

export type QeIdentity = {
  issueDateMs: number
  nextUpdateMs: number
  evaluationDataNumber: number
  miscSelect: Uint8Array
  miscSelectMask: Uint8Array
  attributes: Uint8Array
  attributesMask: Uint8Array
  mrSigner: Uint8Array
  isvProdId: number
  /** Newest first. */
  levels: readonly ModuleTcbLevel[]
}

const UINT32_MAX = 2 ** 32 - 1

/**
 * Decodes the identity of the TDX quoting enclave, version 2 (PCS API v4, `GET /tdx/certification/v4/qe/identity`).
 *
 * @throws {QeIdentityError} `QE_IDENTITY_UNSUPPORTED`: another id or version. @throws {SignedJsonError} a field is missing.
 */
export function decodeQeIdentity(json: JsonObject): QeIdentity {
  const id = json.string('id')
  const version = json.unsigned('version', UINT32_MAX)
  if (id !== 'TD_QE' || version !== 2) {
    throw new QeIdentityError(
      'QE_IDENTITY_UNSUPPORTED',
      `The QE identity is "${id}" version ${version}, not "TD_QE" version 2`,
    )
  }
  return {
    issueDateMs: json.dateMs('issueDate'),
    nextUpdateMs: json.dateMs('nextUpdate'),
    evaluationDataNumber: json.unsigned('tcbEvaluationDataNumber', UINT32_MAX),
    miscSelect: json.hex('miscselect', 4),
    miscSelectMask: json.hex('miscselectMask', 4),
    attributes: json.hex('attributes', 16),
    attributesMask: json.hex('attributesMask', 16),
    mrSigner: json.hex('mrsigner', 32),
    isvProdId: json.unsigned('isvprodid', 65_535),
    levels: decodeModuleLevels(json),
  }
}

/**
 * Verifies that `report` is of the enclave that `identity` describes (QVL 4.1.2.9), and finds its TCB level: the newest
 * that its ISVSVN reaches.
 *
 * @throws {QeIdentityError} whichever field differs; `QE_TCB_LEVEL_UNMATCHED` where the ISVSVN reaches no level.
 */
export function matchQeIdentity(identity: QeIdentity, report: EnclaveReport): ModuleTcbLevel {
  if (!isMaskedEqual(report.miscSelect, identity.miscSelectMask, identity.miscSelect)) {
    throw new QeIdentityError('QE_MISCSELECT_MISMATCH', 'MISCSELECT of the quoting enclave is not that of its identity')
  }
  if (!isMaskedEqual(report.attributes, identity.attributesMask, identity.attributes)) {
    throw new QeIdentityError(
      'QE_ATTRIBUTES_MISMATCH',
      'ATTRIBUTES of the quoting enclave are not those of its identity',
    )
  }
  if (!isMaskedEqual(report.mrSigner, undefined, identity.mrSigner)) {
    throw new QeIdentityError('QE_MRSIGNER_MISMATCH', 'The quoting enclave is not signed by Intel (MRSIGNER)')
  }
  if (report.isvProdId !== identity.isvProdId) {
    const { isvProdId } = identity
    throw new QeIdentityError(
      'QE_ISVPRODID_MISMATCH',
      `ISVPRODID of the quoting enclave is ${report.isvProdId}, not ${isvProdId}`,
    )
  }
  const level = identity.levels.find((candidate) => candidate.isvSvn <= report.isvSvn)
  if (!level) {
    const lowest = identity.levels.at(-1)!.isvSvn
    throw new QeIdentityError(
      'QE_TCB_LEVEL_UNMATCHED',
      `ISVSVN of the quoting enclave is ${report.isvSvn}; the lowest level needs ${lowest}`,
    )
  }
  return level
}

/** Whether `value`, of which only the bits of `mask` count, is `expected`. Like Intel's library, `expected` is not masked. */
export function isMaskedEqual(value: Uint8Array, mask: Uint8Array | undefined, expected: Uint8Array): boolean {
  if (value.length !== expected.length) return false
  for (let i = 0; i < value.length; i++) if ((value[i]! & (mask ? mask[i]! : 255)) !== expected[i]) return false
  return true
}
