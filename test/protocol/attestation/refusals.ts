import { type AttestationPolicy, decodePolicy } from '../../../protocol/attestation/policy.ts'
import { concat, integer, oid, sequence } from './factory/der.ts'
import { createSgxExtension, toPem } from './factory/pki.ts'
import { attributeBits, svn } from './factory/quote.ts'
import { createWorld, defaultSgx, type Json, keys, NOW_MS, type World, type WorldChanges } from './factory/world.ts'

/** One thing wrong, and the code it is refused with. docs/integrators/attestation.md has the same rows. */
export type Refusal = {
  check: string
  code: string
  changes?: WorldChanges
  /** Changes to what is already made and signed. */
  after?: (world: World) => World
  policy?: AttestationPolicy
  nowMs?: number
}

const bytes = (size: number, byte: number): Uint8Array => new Uint8Array(size).fill(byte)
const serial = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text))
const withQuote = (change: (quote: Uint8Array) => Uint8Array) => (world: World) => ({
  ...world,
  quote: change(world.quote),
})
const withCollateral =
  (change: Partial<World['collateral']>) =>
  (world: World): World => ({ ...world, collateral: { ...world.collateral, ...change } })
/** Sets the field at `path` (dots between names and indexes) before the JSON is signed. */
const set =
  (path: string, value: unknown) =>
  (json: Json): void => {
    const names = path.split('.')
    const last = names.pop()!
    const holder = names.reduce<Json>((object, name) => object[name], json)
    holder[last] = value
  }
const hex48 = (byte: string) => `0x${byte.repeat(48)}` as const
const unknownCritical = { id: '1.2.3.4', isCritical: true, value: sequence() }
const OFF_CURVE = concat(Uint8Array.of(4), bytes(64, 1))

export const REFUSALS: readonly Refusal[] = [
  // The quote's format.
  { check: 'a quote over 64 KB', code: 'QUOTE_TOO_LARGE', changes: { quote: { trailing: bytes(65_536, 0) } } },
  {
    check: 'a quote cut off',
    code: 'QUOTE_TRUNCATED',
    after: withQuote((quote) => quote.subarray(0, quote.length - 1)),
  },
  { check: 'an empty quote', code: 'QUOTE_TRUNCATED', after: withQuote(() => new Uint8Array()) },
  { check: 'quote version 3', code: 'QUOTE_VERSION_UNSUPPORTED', changes: { quote: { version: 3 } } },
  { check: 'quote version 6', code: 'QUOTE_VERSION_UNSUPPORTED', changes: { quote: { version: 6 } } },
  { check: 'an ECDSA P-384 attestation key', code: 'QUOTE_KEY_TYPE_UNSUPPORTED', changes: { quote: { keyType: 3 } } },
  { check: 'the SGX TEE type', code: 'QUOTE_NOT_TDX', changes: { quote: { teeType: 0 } } },
  {
    check: 'a QE of another vendor than Intel',
    code: 'QUOTE_VENDOR_UNKNOWN',
    changes: { quote: { vendorId: bytes(16, 7) } },
  },
  { check: 'an SGX body in a version 5 quote', code: 'QUOTE_BODY_UNSUPPORTED', changes: { quote: { bodyType: 1 } } },
  {
    check: "a body size that is not its type's",
    code: 'QUOTE_SIZES_DISAGREE',
    changes: { quote: { bodySizeBytes: 584 } },
  },
  {
    check: 'certification data 5 without a QE report',
    code: 'QUOTE_CERTIFICATION_UNSUPPORTED',
    changes: { quote: { outerType: 5 } },
  },
  {
    check: 'a PPID instead of a PCK chain',
    code: 'QUOTE_CERTIFICATION_UNSUPPORTED',
    changes: { quote: { innerType: 3 } },
  },
  { check: 'bytes behind the certification data', code: 'QUOTE_SIZES_DISAGREE', after: withQuote(growSignatureData) },
  {
    check: 'trailing bytes that are not zero',
    code: 'QUOTE_TRAILING_BYTES',
    changes: { quote: { trailing: Uint8Array.of(0, 1) } },
  },

  // Certificates.
  { check: 'a chain that is not PEM', code: 'PEM_INVALID', changes: { pckChain: () => 'not a chain' } },
  {
    check: 'a chain of five certificates',
    code: 'PEM_INVALID',
    changes: { pckChain: ({ pck }) => toPem(pck, pck, pck, pck, pck) },
  },
  {
    check: 'base64 with stray bits',
    code: 'PEM_INVALID',
    changes: { pckChain: () => '-----BEGIN CERTIFICATE-----\nAB==\n-----END CERTIFICATE-----\n' },
  },
  {
    check: 'text behind the chain',
    code: 'PEM_INVALID',
    changes: { pckChain: (all) => `${toPem(all.pck, all.pckCa, all.root)}\0x` },
  },
  {
    check: 'a length that is not in its shortest form',
    code: 'DER_INVALID',
    changes: { pckChain: (all) => toPem(lengthen(all.pck), all.pckCa, all.root) },
  },
  {
    check: 'bytes behind a certificate',
    code: 'DER_INVALID',
    changes: { pckChain: (all) => toPem(concat(all.pck, Uint8Array.of(0)), all.pckCa, all.root) },
  },
  { check: 'an X.509 certificate of version 1', code: 'X509_UNSUPPORTED', changes: { pck: { version: 0 } } },
  {
    check: 'another signature algorithm inside than outside',
    code: 'X509_UNSUPPORTED',
    changes: { pck: { algorithm: sequence(oid('1.2.840.10045.4.3.3')) } },
  },
  {
    check: 'an unknown critical extension',
    code: 'X509_EXTENSION_UNSUPPORTED',
    changes: { tcbSigning: { extraExtensions: [unknownCritical] } },
  },
  {
    check: 'a certificate without key usage',
    code: 'X509_EXTENSION_UNSUPPORTED',
    changes: { pck: { omittedExtensions: ['2.5.29.15'] } },
  },
  {
    check: 'an extension that is there twice',
    code: 'X509_EXTENSION_UNSUPPORTED',
    changes: { pck: { extraExtensions: [createSgxExtension(defaultSgx()), createSgxExtension(defaultSgx())] } },
  },
  {
    check: 'a PCK key that is not on the curve',
    code: 'CERTIFICATE_KEY_INVALID',
    changes: { pck: { publicPoint: OFF_CURVE } },
  },
  {
    check: 'a chain without its authority',
    code: 'CERTIFICATE_CHAIN_INCOMPLETE',
    changes: { pckChain: ({ pck, root }) => toPem(pck, root) },
  },
  {
    check: 'a chain of two end entities',
    code: 'CERTIFICATE_CHAIN_INCOMPLETE',
    changes: { pckChain: ({ pck, root }) => toPem(pck, pck, root) },
  },
  {
    check: 'a chain that ends in another root',
    code: 'CERTIFICATE_ROOT_UNTRUSTED',
    changes: { pckChain: ({ pck, pckCa }) => toPem(pck, pckCa, pckCa) },
  },
  {
    check: "another root's whole world",
    code: 'CRL_SIGNATURE_INVALID',
    after: (world) => ({
      ...world,
      root: createWorld({ root: { key: keys.otherRoot, issuerKey: keys.otherRoot } }).root,
    }),
  },
  {
    check: "an issuer's name that is not the authority's",
    code: 'CERTIFICATE_ISSUER_MISMATCH',
    changes: { pck: { issuer: 'Intel SGX PCK Processor CA' } },
  },
  {
    check: "a key identifier that is not the authority's",
    code: 'CERTIFICATE_ISSUER_MISMATCH',
    changes: { pck: { authorityKeyId: bytes(20, 3) } },
  },
  {
    check: 'a PCK authority that may not sign certificates',
    code: 'CERTIFICATE_AUTHORITY_INVALID',
    changes: { pckCa: { keyUsage: 0x02 } },
  },
  {
    check: 'a root whose path is too short',
    code: 'CERTIFICATE_AUTHORITY_INVALID',
    changes: { root: { pathLength: 0 } },
  },
  {
    check: 'a PCK certificate that its authority has not signed',
    code: 'CERTIFICATE_SIGNATURE_INVALID',
    changes: { pck: { issuerKey: keys.stranger } },
  },
  {
    check: 'a PCK authority that the root has not signed',
    code: 'CERTIFICATE_SIGNATURE_INVALID',
    changes: { pckCa: { issuerKey: keys.stranger } },
  },
  {
    check: 'a TCB signing certificate that the root has not signed',
    code: 'CERTIFICATE_SIGNATURE_INVALID',
    changes: { tcbSigning: { issuerKey: keys.stranger } },
  },
  {
    check: 'a PCK certificate that is not for signatures',
    code: 'CERTIFICATE_USAGE_INVALID',
    changes: { pck: { keyUsage: 0x20 } },
  },
  {
    check: 'a TCB signing certificate of an authority',
    code: 'CERTIFICATE_USAGE_INVALID',
    changes: { tcbSigning: { isCa: true, keyUsage: 0x84 } },
  },
  {
    check: 'a certificate that is not called a PCK certificate',
    code: 'CERTIFICATE_SUBJECT_UNEXPECTED',
    changes: { pck: { subject: 'Intel SGX TCB Signing' } },
  },
  {
    check: 'TCB collateral that another certificate signed',
    code: 'CERTIFICATE_SUBJECT_UNEXPECTED',
    changes: { tcbSigning: { subject: 'Intel SGX PCK Certificate' } },
  },
  {
    check: 'a PCK certificate without SGX extension',
    code: 'CERTIFICATE_SUBJECT_UNEXPECTED',
    changes: { sgxExtension: null },
  },
  { check: 'an FMSPC of five bytes', code: 'SGX_EXTENSION_INVALID', changes: { sgx: { fmspc: bytes(5, 1) } } },
  {
    check: 'fifteen SVN components',
    code: 'SGX_EXTENSION_INVALID',
    changes: { sgx: { components: Array.from({ length: 15 }, () => 3) } },
  },

  // Revocation.
  {
    check: 'a revoked PCK certificate',
    code: 'PCK_REVOKED',
    changes: { pck: { serial: serial('p') }, pckCrl: { revoked: [{ serial: serial('p') }] } },
  },
  {
    check: 'a PCK certificate revoked with a reason',
    code: 'PCK_REVOKED',
    changes: {
      pck: { serial: serial('p') },
      pckCrl: { revoked: [{ serial: serial('p'), extensions: [{ id: '2.5.29.21', value: integer(1, 0x0a) }] }] },
    },
  },
  {
    check: 'a revoked PCK authority',
    code: 'PCK_CA_REVOKED',
    changes: { pckCa: { serial: serial('c') }, rootCaCrl: { revoked: [{ serial: serial('c') }] } },
  },
  {
    check: 'a revoked TCB signing certificate',
    code: 'TCB_SIGNING_REVOKED',
    changes: { tcbSigning: { serial: serial('t') }, rootCaCrl: { revoked: [{ serial: serial('t') }] } },
  },
  {
    check: "the other authority's revocation list",
    code: 'PCK_CRL_WRONG_CA',
    changes: {
      listedPckCa: { subject: 'Intel SGX PCK Processor CA', key: keys.otherPckCa, publicPoint: keys.otherPckCa.point },
      pckCrl: { issuer: 'Intel SGX PCK Processor CA', issuerKey: keys.otherPckCa },
    },
  },
  { check: 'a revocation list of version 1', code: 'CRL_INVALID', changes: { pckCrl: { version: 0 } } },
  {
    check: 'a revocation list without an end',
    code: 'CRL_INVALID',
    changes: { rootCaCrl: { nextUpdateMs: undefined } },
  },
  { check: 'a revocation list without a number', code: 'CRL_INVALID', changes: { pckCrl: { crlNumber: undefined } } },
  {
    check: 'a revocation list over 1 MB',
    code: 'CRL_TOO_LARGE',
    after: withCollateral({ pckCrl: bytes(1_048_577, 0x30) }),
  },
  { check: 'a garbage revocation list', code: 'DER_INVALID', after: withCollateral({ pckCrl: bytes(600, 0x41) }) },
  {
    check: 'a delta revocation list',
    code: 'X509_EXTENSION_UNSUPPORTED',
    changes: { pckCrl: { extraExtensions: [{ id: '2.5.29.27', isCritical: true, value: integer(1) }] } },
  },
  {
    check: 'a root list that is of the PCK authority',
    code: 'CRL_ISSUER_MISMATCH',
    changes: { rootCaCrl: { issuer: 'Intel SGX PCK Platform CA' } },
  },
  {
    check: 'a list that names another key',
    code: 'CRL_ISSUER_MISMATCH',
    changes: { pckCrl: { authorityKeyId: bytes(20, 9) } },
  },
  { check: 'an authority that may not sign lists', code: 'CRL_ISSUER_INVALID', changes: { pckCa: { keyUsage: 0x04 } } },
  {
    check: 'a root list that the root has not signed',
    code: 'CRL_SIGNATURE_INVALID',
    changes: { rootCaCrl: { issuerKey: keys.stranger } },
  },
  {
    check: 'a PCK list that its authority has not signed',
    code: 'CRL_SIGNATURE_INVALID',
    changes: { pckCrl: { issuerKey: keys.stranger } },
  },

  // Validity in time.
  {
    check: 'a PCK certificate that has expired',
    code: 'CERTIFICATE_EXPIRED',
    changes: { pck: { notAfterMs: NOW_MS - 1_000 } },
  },
  {
    check: 'a PCK certificate that is not yet valid',
    code: 'CERTIFICATE_NOT_YET_VALID',
    changes: { pck: { notBeforeMs: NOW_MS + 1_000 } },
  },
  {
    check: 'a PCK authority that has expired',
    code: 'CERTIFICATE_EXPIRED',
    changes: { pckCa: { notAfterMs: NOW_MS - 1_000 } },
  },
  {
    check: 'a TCB signing certificate that has expired',
    code: 'CERTIFICATE_EXPIRED',
    changes: { tcbSigning: { notAfterMs: NOW_MS - 1_000 } },
  },
  { check: 'a root that has expired', code: 'CERTIFICATE_EXPIRED', changes: { root: { notAfterMs: NOW_MS - 1_000 } } },
  {
    check: 'a root list that has expired',
    code: 'CRL_EXPIRED',
    changes: { rootCaCrl: { nextUpdateMs: NOW_MS - 1_000 } },
  },
  { check: 'a PCK list that has expired', code: 'CRL_EXPIRED', changes: { pckCrl: { nextUpdateMs: NOW_MS - 1_000 } } },
  {
    check: 'a PCK list of the future',
    code: 'CRL_NOT_YET_VALID',
    changes: { pckCrl: { thisUpdateMs: NOW_MS + 1_000 } },
  },
  {
    check: 'TCB info that has expired',
    code: 'TCB_INFO_EXPIRED',
    changes: { tcbInfo: set('nextUpdate', '2026-05-31T23:59:59Z') },
  },
  {
    check: 'TCB info of the future',
    code: 'TCB_INFO_NOT_YET_VALID',
    changes: { tcbInfo: set('issueDate', '2026-06-01T00:00:01Z') },
  },
  {
    check: 'a QE identity that has expired',
    code: 'QE_IDENTITY_EXPIRED',
    changes: { qeIdentity: set('nextUpdate', '2026-05-31T23:59:59Z') },
  },
  {
    check: 'a QE identity of the future',
    code: 'QE_IDENTITY_NOT_YET_VALID',
    changes: { qeIdentity: set('issueDate', '2026-06-01T00:00:01Z') },
  },
  { check: 'a time that is no number', code: 'CERTIFICATE_EXPIRED', nowMs: Number.NaN },

  // TCB info and QE identity.
  {
    check: 'TCB info over 256 KB',
    code: 'COLLATERAL_TOO_LARGE',
    changes: { tcbInfo: set('more', 'x'.repeat(262_144)) },
  },
  {
    check: 'TCB info that Intel has not signed',
    code: 'COLLATERAL_SIGNATURE_INVALID',
    changes: { tcbInfoKey: keys.stranger },
  },
  {
    check: 'a QE identity that Intel has not signed',
    code: 'COLLATERAL_SIGNATURE_INVALID',
    changes: { qeIdentityKey: keys.stranger },
  },
  {
    check: 'signed text that is not JSON',
    code: 'COLLATERAL_JSON_INVALID',
    changes: { tcbInfoText: (text) => text.slice(0, -1) },
  },
  {
    check: 'signed text that nests without end',
    code: 'COLLATERAL_JSON_INVALID',
    changes: { tcbInfoText: (text) => text.replace('{', `{"a":${'['.repeat(30_000)}${']'.repeat(30_000)},`) },
  },
  {
    check: 'a key that is there twice',
    code: 'COLLATERAL_JSON_INVALID',
    changes: { tcbInfoText: (text) => text.replace('{', '{"id":"SGX",') },
  },
  {
    check: 'TCB info with a date that is none',
    code: 'COLLATERAL_JSON_INVALID',
    changes: { tcbInfo: set('nextUpdate', '2026-06-31T00:00:00Z') },
  },
  {
    check: 'an SVN component over 255',
    code: 'COLLATERAL_JSON_INVALID',
    changes: { tcbInfo: set('tcbLevels.0.tcb.sgxtcbcomponents.0.svn', 256) },
  },
  {
    check: 'TCB info without levels',
    code: 'COLLATERAL_JSON_INVALID',
    changes: { tcbInfo: set('tcbLevels', []) },
  },
  { check: 'SGX TCB info', code: 'TCB_INFO_UNSUPPORTED', changes: { tcbInfo: set('id', 'SGX') } },
  {
    check: 'TCB info of version 2',
    code: 'TCB_INFO_UNSUPPORTED',
    changes: { tcbInfo: set('version', 2) },
  },
  {
    check: 'TCB info of another type',
    code: 'TCB_INFO_UNSUPPORTED',
    changes: { tcbInfo: set('tcbType', 1) },
  },
  {
    check: 'fifteen components in a level',
    code: 'TCB_INFO_UNSUPPORTED',
    changes: { tcbInfo: (json) => void json.tcbLevels[0].tcb.tdxtcbcomponents.pop() },
  },
  {
    check: 'a level that is there twice',
    code: 'TCB_INFO_LEVEL_DUPLICATE',
    changes: { tcbInfo: (json) => void json.tcbLevels.push(json.tcbLevels[0]) },
  },
  {
    check: 'a TCB status that nobody knows',
    code: 'TCB_STATUS_UNKNOWN',
    changes: { tcbInfo: set('tcbLevels.1.tcbStatus', 'Fine') },
  },
  {
    check: 'a QE status that nobody knows',
    code: 'TCB_STATUS_UNKNOWN',
    changes: { qeIdentity: set('tcbLevels.0.tcbStatus', 'SWHardeningNeeded') },
  },
  {
    check: 'TCB info for another FMSPC',
    code: 'TCB_INFO_FMSPC_MISMATCH',
    changes: { tcbInfo: set('fmspc', '00806F050000') },
  },
  {
    check: 'TCB info for another PCE',
    code: 'TCB_INFO_PCEID_MISMATCH',
    changes: { tcbInfo: set('pceId', '0001') },
  },
  {
    check: 'the identity of the SGX quoting enclave',
    code: 'QE_IDENTITY_UNSUPPORTED',
    changes: { qeIdentity: set('id', 'QE') },
  },
  {
    check: 'a QE identity of version 3',
    code: 'QE_IDENTITY_UNSUPPORTED',
    changes: { qeIdentity: set('version', 3) },
  },

  // The TDX module.
  {
    check: 'a TDX module that is not listed',
    code: 'TDX_MODULE_UNKNOWN',
    changes: { report: { teeTcbSvn: svn(6, 2, 3) } },
  },
  {
    check: 'a TDX module of another signer',
    code: 'TDX_MODULE_MRSIGNER_MISMATCH',
    changes: { report: { mrSignerSeam: bytes(48, 1) } },
  },
  {
    check: 'a TDX module of version 0 and another signer',
    code: 'TDX_MODULE_MRSIGNER_MISMATCH',
    changes: { report: { teeTcbSvn: svn(6, 0, 3), mrSignerSeam: bytes(48, 1) } },
  },
  {
    check: 'TDX module attributes other than listed',
    code: 'TDX_MODULE_ATTRIBUTES_MISMATCH',
    changes: { tcbInfo: set('tdxModuleIdentities.0.attributes', '0100000000000000') },
  },
  {
    check: 'TDX module attributes outside the mask',
    code: 'TDX_MODULE_ATTRIBUTES_NOT_ZERO',
    changes: {
      report: { seamAttributes: bytes(8, 1) },
      tcbInfo: set('tdxModuleIdentities.0.attributesMask', '00'.repeat(8)),
    },
  },
  {
    check: 'a TDX module older than every level',
    code: 'TDX_MODULE_LEVEL_UNMATCHED',
    changes: { report: { teeTcbSvn: svn(1, 1, 3) } },
  },
  {
    check: 'a current TDX module that is not listed',
    code: 'TDX_MODULE_UNKNOWN',
    changes: { report: { teeTcbSvn: svn(4, 1, 3), teeTcbSvn2: svn(9, 9, 9) } },
  },

  // The quoting enclave.
  {
    check: 'a QE report that the platform has not signed',
    code: 'QE_REPORT_SIGNATURE_INVALID',
    changes: { quote: { qeSigningKey: keys.stranger } },
  },
  {
    check: 'a QE report for another attestation key',
    code: 'QE_REPORT_DATA_MISMATCH',
    changes: { quote: { qeReportData: bytes(64, 0) } },
  },
  {
    check: 'a QE report with more than the digest',
    code: 'QE_REPORT_DATA_MISMATCH',
    changes: { quote: { qeReportData: bytes(64, 1) } },
  },
  { check: 'another MISCSELECT', code: 'QE_MISCSELECT_MISMATCH', changes: { qeReport: { miscSelect: bytes(4, 1) } } },
  {
    check: 'a quoting enclave in debug mode',
    code: 'QE_ATTRIBUTES_MISMATCH',
    changes: { qeReport: { attributes: concat(Uint8Array.of(0x13), bytes(15, 0)) } },
  },
  {
    check: 'a quoting enclave that Intel has not signed',
    code: 'QE_MRSIGNER_MISMATCH',
    changes: { qeReport: { mrSigner: bytes(32, 1) } },
  },
  { check: 'another product', code: 'QE_ISVPRODID_MISMATCH', changes: { qeReport: { isvProdId: 1 } } },
  {
    check: 'a quoting enclave older than every level',
    code: 'QE_TCB_LEVEL_UNMATCHED',
    changes: { qeReport: { isvSvn: 1 } },
  },

  // The quote itself.
  {
    check: 'an attestation key that is not on the curve',
    code: 'QUOTE_ATTESTATION_KEY_INVALID',
    changes: { quote: { attestationKey: OFF_CURVE.subarray(1) } },
  },
  {
    check: 'a quote that its attestation key has not signed',
    code: 'QUOTE_SIGNATURE_INVALID',
    changes: { quote: { signingKey: keys.stranger } },
  },
  { check: 'a TD in debug mode', code: 'TD_DEBUG', changes: { report: { tdAttributes: attributeBits(0, 28) } } },
  {
    check: 'a reserved TUD bit',
    code: 'TD_ATTRIBUTES_RESERVED',
    changes: { report: { tdAttributes: attributeBits(1) } },
  },
  {
    check: 'a TD that can be migrated',
    code: 'TD_ATTRIBUTES_RESERVED',
    changes: { report: { tdAttributes: attributeBits(29) } },
  },
  {
    check: 'a reserved upper bit',
    code: 'TD_ATTRIBUTES_RESERVED',
    changes: { report: { tdAttributes: attributeBits(62) } },
  },

  // TCB levels.
  {
    check: 'a CPUSVN component below every level',
    code: 'TCB_LEVEL_UNMATCHED',
    changes: { sgx: { components: [3, 1, ...Array.from({ length: 14 }, () => 0)] } },
  },
  { check: 'a PCESVN below every level', code: 'TCB_LEVEL_UNMATCHED', changes: { sgx: { pceSvn: 10 } } },
  {
    check: 'a TEE TCB SVN component below every level',
    code: 'TCB_LEVEL_UNMATCHED',
    changes: { report: { teeTcbSvn: svn(6, 1, 1) } },
  },
  {
    check: 'component 0 below every level where the module is of version 0',
    code: 'TCB_LEVEL_UNMATCHED',
    changes: { report: { teeTcbSvn: svn(4, 0, 3) } },
  },

  // Policy.
  {
    check: 'a platform that is out of date',
    code: 'TCB_STATUS_REFUSED',
    changes: { sgx: { components: [2, 2, ...Array.from({ length: 14 }, () => 0)] } },
  },
  {
    check: 'a status that the policy does not list',
    code: 'TCB_STATUS_REFUSED',
    policy: { acceptedStatuses: ['OutOfDate'] },
  },
  {
    check: 'a revoked TDX module, whatever the policy',
    code: 'TCB_REVOKED',
    changes: { report: { teeTcbSvn: svn(2, 1, 3) } },
    policy: { acceptedStatuses: ['Revoked', 'OutOfDate'] },
  },
  {
    check: 'a platform whose grace has ended',
    code: 'TCB_GRACE_ENDED',
    changes: { sgx: { components: [2, 2, ...Array.from({ length: 14 }, () => 0)] } },
    policy: { acceptedStatuses: ['UpToDate', 'OutOfDate'], graceDays: 364 },
  },
  {
    check: 'collateral below the evaluation data number',
    code: 'TCB_EVALUATION_TOO_OLD',
    policy: { minEvaluationDataNumber: 21 },
  },
  {
    check: 'a QE identity below the evaluation data number',
    code: 'TCB_EVALUATION_TOO_OLD',
    changes: { qeIdentity: set('tcbEvaluationDataNumber', 19) },
    policy: { minEvaluationDataNumber: 20 },
  },
  {
    check: 'an advisory that the policy refuses',
    code: 'TCB_ADVISORY_REFUSED',
    changes: { tcbInfo: set('tcbLevels.0.advisoryIDs', ['INTEL-SA-01111']) },
    policy: { refusedAdvisories: ['INTEL-SA-01111'] },
  },
  {
    check: 'an advisory that the policy does not accept',
    code: 'TCB_ADVISORY_NOT_ACCEPTED',
    changes: { tcbInfo: set('tcbLevels.0.advisoryIDs', ['INTEL-SA-01111']) },
    policy: { acceptedAdvisories: ['INTEL-SA-01036'] },
  },
  {
    check: 'SEPT_VE_DISABLE off',
    code: 'TD_ATTRIBUTE_REFUSED',
    changes: { report: { tdAttributes: attributeBits() } },
    policy: { tdAttributes: { septVeDisable: true } },
  },
  {
    check: 'PKS on',
    code: 'TD_ATTRIBUTE_REFUSED',
    changes: { report: { tdAttributes: attributeBits(30) } },
    policy: { tdAttributes: { pks: false } },
  },
  {
    check: 'KL on',
    code: 'TD_ATTRIBUTE_REFUSED',
    changes: { report: { tdAttributes: attributeBits(31) } },
    policy: { tdAttributes: { kl: false } },
  },
  {
    check: 'PERFMON on',
    code: 'TD_ATTRIBUTE_REFUSED',
    changes: { report: { tdAttributes: attributeBits(63) } },
    policy: { tdAttributes: { perfmon: false } },
  },
  {
    check: 'a TD bound to a service TD',
    code: 'TD_SERVICE_TD_REFUSED',
    changes: { report: { mrServiceTd: bytes(48, 1) } },
  },
  {
    check: 'another MR_TD',
    code: 'MEASUREMENT_NOT_ALLOWED',
    policy: { imageInMrtd: true, measurements: [{ mrTd: hex48('12') }] },
  },
  { check: 'another RTMR', code: 'MEASUREMENT_NOT_ALLOWED', policy: { measurements: [{ rtMr: [null, hex48('aa')] }] } },
  { check: 'another MRSEAM', code: 'MEASUREMENT_NOT_ALLOWED', policy: { measurements: [{ mrSeam: hex48('aa') }] } },
  {
    check: 'another MRCONFIGID',
    code: 'MEASUREMENT_NOT_ALLOWED',
    policy: { measurements: [{ mrConfigId: hex48('aa') }] },
  },
  { check: 'another MROWNER', code: 'MEASUREMENT_NOT_ALLOWED', policy: { measurements: [{ mrOwner: hex48('aa') }] } },
  { check: 'other report data', code: 'REPORT_DATA_MISMATCH', policy: decodePolicy({ reportData: 'EE'.repeat(64) }) },
  {
    check: 'a policy that pins MR_TD alone',
    code: 'POLICY_IMAGE_UNPINNED',
    policy: { measurements: [{ mrTd: hex48('11') }] },
  },
  { check: 'a policy that allows no measurements', code: 'POLICY_INVALID', policy: { measurements: [] } },
]

/** The quote with one byte more in its signature data, all sizes but the innermost put right. */
function growSignatureData(quote: Uint8Array): Uint8Array {
  const grown = concat(quote, Uint8Array.of(0))
  const view = new DataView(grown.buffer)
  const authentication = 48 + 6 + 648
  const outer = authentication + 4 + 64 + 64 + 2
  for (const offset of [authentication, outer]) view.setUint32(offset, view.getUint32(offset, true) + 1, true)
  return grown
}

/** A certificate whose outer length takes a byte more than it needs. */
function lengthen(der: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(0x30, 0x83, 0), der.subarray(2))
}
