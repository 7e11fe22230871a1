import { isEqualBytes } from '../bytes.ts'
import { AttestationError } from './attestationError.ts'
import { isMaskedEqual } from './qeIdentity.ts'
import type { TdReport } from './quote.ts'
import type { ModuleTcbLevel, TcbInfo, TdxModuleIdentity } from './tcbInfo.ts'

export type TdxModuleErrorCode =
  | 'TDX_MODULE_UNKNOWN'
  | 'TDX_MODULE_MRSIGNER_MISMATCH'
  | 'TDX_MODULE_ATTRIBUTES_MISMATCH'
  | 'TDX_MODULE_ATTRIBUTES_NOT_ZERO'
  | 'TDX_MODULE_LEVEL_UNMATCHED'

export class TdxModuleError extends AttestationError<TdxModuleErrorCode> {
  constructor(code: TdxModuleErrorCode, message: string) {
    super(code, `${message}.`, { fix: "Run a TDX module that Intel released and that this platform's TCB info lists." })
  }
}

/** The module's identity and level; `undefined` for modules of version 0, which the platform's TCB level judges. */
export type TdxModuleMatch = { identity: TdxModuleIdentity; level: ModuleTcbLevel }

/** Module version `n` as TCB info names it. */
const moduleId = (version: number): string => `TDX_${version.toString(16).padStart(2, '0').toUpperCase()}`

/**
 * The identity for TEE_TCB_SVN[1], the module's version.
 *
 * @throws {TdxModuleError} `TDX_MODULE_UNKNOWN`: TCB info lists no such version.
 */
export function findTdxModule(tcbInfo: TcbInfo, version: number): TdxModuleIdentity {
  const id = moduleId(version)
  const identity = tcbInfo.tdxModuleIdentities.find((candidate) => candidate.id === id)
  if (!identity) throw new TdxModuleError('TDX_MODULE_UNKNOWN', `The TCB info knows no TDX module ${id}`)
  return identity
}

/**
 * Verifies the TDX module that measured the TD (QVL 4.1.2.4.11, 4.1.2.4.17.4): signer, attributes under their mask and
 * all zero (no attribute is defined yet, so Intel's library wants none), and finds its level by ISVSVN, TEE_TCB_SVN[0].
 *
 * @throws {TdxModuleError} whichever fails.
 */
export function matchTdxModule(tcbInfo: TcbInfo, report: TdReport): TdxModuleMatch | undefined {
  const version = report.teeTcbSvn[1]!
  const identity = version > 0 ? findTdxModule(tcbInfo, version) : undefined
  const module = identity ?? tcbInfo.tdxModule
  const name = identity?.id ?? 'of version 0'
  if (!isEqualBytes(report.mrSignerSeam, module.mrSigner)) {
    throw new TdxModuleError('TDX_MODULE_MRSIGNER_MISMATCH', `MRSIGNERSEAM is not the signer of TDX module ${name}`)
  }
  if (!isMaskedEqual(report.seamAttributes, module.attributesMask, module.attributes)) {
    throw new TdxModuleError('TDX_MODULE_ATTRIBUTES_MISMATCH', `SEAMATTRIBUTES are not those of TDX module ${name}`)
  }
  if (report.seamAttributes.some((byte) => byte !== 0)) {
    throw new TdxModuleError('TDX_MODULE_ATTRIBUTES_NOT_ZERO', 'SEAMATTRIBUTES are not zero')
  }
  if (!identity) return undefined
  const isvSvn = report.teeTcbSvn[0]!
  const level = identity.levels.find((candidate) => candidate.isvSvn <= isvSvn)
  if (!level) {
    const lowest = identity.levels.at(-1)!.isvSvn
    throw new TdxModuleError(
      'TDX_MODULE_LEVEL_UNMATCHED',
      `ISVSVN of TDX module ${identity.id} is ${isvSvn}; its lowest level needs ${lowest}`,
    )
  }
  return { identity, level }
}

/**
 * Whether the module that is loaded now (TEE_TCB_SVN_2) reaches the newest level (QVL, `checkForRelaunch`).
 *
 * @throws {TdxModuleError} `TDX_MODULE_UNKNOWN`: TCB info does not list its version.
 */
export function isNewestTdxModule(tcbInfo: TcbInfo, teeTcbSvn2: Uint8Array): boolean {
  const newest = tcbInfo.levels[0]!.tdxComponents
  const version = teeTcbSvn2[1]!
  const neededIsvSvn = version === 0 ? newest[0]!.svn : findTdxModule(tcbInfo, version).levels[0]!.isvSvn
  return teeTcbSvn2[0]! >= neededIsvSvn && teeTcbSvn2[2]! >= newest[2]!.svn
}
