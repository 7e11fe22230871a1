import { AttestationError } from './attestationError.ts'
import type { SgxExtension } from './sgxExtension.ts'
import type { TcbComponent, TcbInfo, TcbLevel } from './tcbInfo.ts'

export class TcbLevelError extends AttestationError<'TCB_LEVEL_UNMATCHED'> {
  /** What the platform lacks for the lowest level. */
  readonly shortfalls: readonly Shortfall[]

  constructor(shortfalls: readonly Shortfall[]) {
    super(
      'TCB_LEVEL_UNMATCHED',
      `The platform reaches no TCB level; for the lowest: ${describeShortfalls(shortfalls)}.`,
      {
        fix: 'Update the firmware, microcode or TDX module that is named, and quote again.',
      },
    )
    this.shortfalls = shortfalls
  }
}

/** One number by which the platform is behind a level. */
export type Shortfall = {
  /** For people: `SGX component 8 (OS/VMM, SEAMLDR ACM)`, `PCESVN`, `TDX module TDX_01 ISVSVN`. Components count from 1. */
  component: string
  found: number
  needed: number
}

export const describeShortfalls = (shortfalls: readonly Shortfall[]): string =>
  shortfalls.map(({ component, found, needed }) => `${component} is ${found}, needs ${needed}`).join('; ')

export type PlatformTcb = Pick<SgxExtension, 'tcbComponents' | 'pceSvn'> & { teeTcbSvn: Uint8Array }

/**
 * Where TEE_TCB_SVN[1] says that the TDX module has a version, components 0 and 1 of TEE_TCB_SVN are the module's own
 * ISVSVN and version, which its TDX module identity judges; a level's numbers there belong to version 0 (QVL,
 * `isTdxTcbHigherOrEqual`).
 */
const firstTdxComponent = (teeTcbSvn: Uint8Array): number => (teeTcbSvn[1]! > 0 ? 2 : 0)

function reachesSgx(tcb: PlatformTcb, level: TcbLevel): boolean {
  return level.sgxComponents.every(({ svn }, i) => tcb.tcbComponents[i]! >= svn) && tcb.pceSvn >= level.pceSvn
}

function reachesTdx(tcb: PlatformTcb, level: TcbLevel): boolean {
  const first = firstTdxComponent(tcb.teeTcbSvn)
  return level.tdxComponents.every(({ svn }, i) => i < first || tcb.teeTcbSvn[i]! >= svn)
}

/**
 * Finds the newest level that every number of the platform reaches (QVL, `matchTcbLevels`): `sgx` by CPUSVN components
 * and PCESVN alone, `tdx` by TEE_TCB_SVN as well.
 *
 * @throws {TcbLevelError} no level is reached.
 */
export function matchTcbLevel(tcbInfo: TcbInfo, tcb: PlatformTcb): { sgx: TcbLevel; tdx: TcbLevel } {
  let sgx: TcbLevel | undefined
  for (const level of tcbInfo.levels) {
    if (!reachesSgx(tcb, level)) continue
    sgx ??= level
    if (reachesTdx(tcb, level)) return { sgx, tdx: level }
  }
  throw new TcbLevelError(findShortfalls(tcb, tcbInfo.levels.at(-1)!))
}

/** By which numbers the platform is behind `level`; none where it reaches it. */
export function findShortfalls(tcb: PlatformTcb, level: TcbLevel): readonly Shortfall[] {
  const shortfalls: Shortfall[] = []
  const add = (component: string, found: number, needed: number): void => {
    if (found < needed) shortfalls.push({ component, found, needed })
  }
  for (const [i, component] of level.sgxComponents.entries()) {
    add(`SGX component ${i + 1}${describeComponent(component)}`, tcb.tcbComponents[i]!, component.svn)
  }
  add('PCESVN', tcb.pceSvn, level.pceSvn)
  const first = firstTdxComponent(tcb.teeTcbSvn)
  for (const [i, component] of level.tdxComponents.entries()) {
    if (i >= first) add(`TDX component ${i + 1}${describeComponent(component)}`, tcb.teeTcbSvn[i]!, component.svn)
  }
  return shortfalls
}

function describeComponent({ category, type }: TcbComponent): string {
  const words = [category, type].filter((word) => word !== undefined)
  return words.length > 0 ? ` (${words.join(', ')})` : ''
}
