import { fromHex, toHex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import type { Collateral } from './collateral.ts'
import { REVOCATION_LIST_SIZE_MAX_BYTES } from './revocationList.ts'

export class CollateralFileError extends CoalitionError {
  constructor(message: string) {
    super('COLLATERAL_FILE_INVALID', `${message}.`, {
      fix: 'Write the nine texts of docs/integrators/attestation.md: signed JSON as it is, chains as PEM, lists and signatures as hex.',
    })
  }
}

const HEX_PATTERN = /^(?:0x)?((?:[0-9a-fA-F]{2})*)$/
const TEXT_SIZE_MAX = 2 * REVOCATION_LIST_SIZE_MAX_BYTES + 2

/**
 * Collateral from the JSON shape that PCCS clients exchange: `tcb_info`, `qe_identity` as the exact signed texts, their
 * `*_signature`, `root_ca_crl` and `pck_crl` in hex, `*_issuer_chain` in PEM. Other keys are left alone.
 *
 * @throws {CollateralFileError} a text is missing, too long, or hex where it should be.
 */
export function decodeCollateralFile(value: unknown): Collateral {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CollateralFileError('The collateral is not a JSON object')
  }
  const file = value as Record<string, unknown>
  const text = (key: string): string => {
    const found = Object.hasOwn(file, key) ? file[key] : undefined
    if (typeof found !== 'string') throw new CollateralFileError(`The collateral has no text ${key}`)
    if (found.length > TEXT_SIZE_MAX) throw new CollateralFileError(`The collateral's ${key} is too long`)
    return found
  }
  return {
    rootCaCrl: toBytes(text('root_ca_crl'), 'root_ca_crl'),
    pckCrl: toBytes(text('pck_crl'), 'pck_crl'),
    pckCrlIssuerChain: text('pck_crl_issuer_chain'),
    tcbInfo: text('tcb_info'),
    tcbInfoSignature: toBytes(text('tcb_info_signature'), 'tcb_info_signature'),
    tcbInfoIssuerChain: text('tcb_info_issuer_chain'),
    qeIdentity: text('qe_identity'),
    qeIdentitySignature: toBytes(text('qe_identity_signature'), 'qe_identity_signature'),
    qeIdentityIssuerChain: text('qe_identity_issuer_chain'),
  }
}

/** The inverse of `decodeCollateralFile`. */
export function encodeCollateralFile(collateral: Collateral): Record<string, string> {
  const hex = (bytes: Uint8Array): string => toHex(bytes).slice(2)
  return {
    pck_crl_issuer_chain: collateral.pckCrlIssuerChain,
    root_ca_crl: hex(collateral.rootCaCrl),
    pck_crl: hex(collateral.pckCrl),
    tcb_info_issuer_chain: collateral.tcbInfoIssuerChain,
    tcb_info: collateral.tcbInfo,
    tcb_info_signature: hex(collateral.tcbInfoSignature),
    qe_identity_issuer_chain: collateral.qeIdentityIssuerChain,
    qe_identity: collateral.qeIdentity,
    qe_identity_signature: hex(collateral.qeIdentitySignature),
  }
}

function toBytes(text: string, key: string): Uint8Array {
  const digits = HEX_PATTERN.exec(text)?.[1]
  if (digits === undefined) throw new CollateralFileError(`The collateral's ${key} is not hex`)
  return fromHex(`0x${digits}`)
}
