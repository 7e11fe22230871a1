/** What Intel says of a TCB level, and what its library makes of several (PCS API v4 `tcbStatus`; QVL `TcbStatus`). */
export const TCB_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'TDRelaunchAdvised',
  'TDRelaunchAdvisedConfigurationNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const
export type TcbStatus = (typeof TCB_STATUSES)[number]

/** What TCB info may say of a level of the platform. The two relaunch statuses are only ever concluded. */
export const PLATFORM_STATUSES: readonly TcbStatus[] = TCB_STATUSES.filter((status) => !status.startsWith('TDRelaunch'))
/** What may be said of a TDX module or of a quoting enclave. */
export const MODULE_STATUSES: readonly TcbStatus[] = ['UpToDate', 'OutOfDate', 'Revoked']

const isConfigurationNeeded = (status: TcbStatus): boolean => status.includes('Configuration')

/**
 * Merges the status of a part (TDX module or quoting enclave) into that of the platform, as Intel's library does (QVL,
 * `convergeTcbStatusWithTdxModuleStatus`, `convergeTcbStatusWithQeTcbStatus`): a revoked part revokes all; an outdated
 * part makes outdated what was not, and keeps a need for configuration visible; statuses that already say outdated or
 * relaunch stay as they are.
 */
export function mergeTcbStatus(platform: TcbStatus, part: TcbStatus): TcbStatus {
  if (part === 'Revoked') return 'Revoked'
  if (part !== 'OutOfDate') return platform
  switch (platform) {
    case 'UpToDate':
    case 'SWHardeningNeeded':
      return 'OutOfDate'
    case 'ConfigurationNeeded':
    case 'ConfigurationAndSWHardeningNeeded':
      return 'OutOfDateConfigurationNeeded'
    default:
      return platform
  }
}

export type RelaunchInputs = {
  /** Status of the level that the platform's SGX components match by themselves. */
  sgx: TcbStatus
  /** Status of the matched TDX level, with the TDX module's merged in. */
  tdx: TcbStatus
  tdxModule: TcbStatus | undefined
  quotingEnclave: TcbStatus
  /** Whether `TEE_TCB_SVN_2`, the module as it is loaded now, reaches the newest level. */
  isCurrentModuleNewest: boolean
}

/**
 * TD 1.5: where only the TDX module was outdated, and only when the TD was launched, because the module has been
 * updated under it since, relaunching the TD is all there is to do (QVL, `checkForRelaunch`).
 */
export function adviseRelaunch(inputs: RelaunchInputs): TcbStatus {
  const { sgx, tdx, tdxModule, quotingEnclave, isCurrentModuleNewest } = inputs
  const isPlatformCurrent = sgx !== 'OutOfDate' && sgx !== 'OutOfDateConfigurationNeeded' && sgx !== 'Revoked'
  const isTdxOutdated = tdx === 'OutOfDate' || tdx === 'OutOfDateConfigurationNeeded'
  if (quotingEnclave !== 'UpToDate' || !isPlatformCurrent || !isTdxOutdated || tdxModule !== 'OutOfDate') return tdx
  if (!isCurrentModuleNewest) return tdx
  return isConfigurationNeeded(sgx) || isConfigurationNeeded(tdx)
    ? 'TDRelaunchAdvisedConfigurationNeeded'
    : 'TDRelaunchAdvised'
}
