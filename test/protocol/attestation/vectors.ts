import { readFileSync } from 'node:fs'
import type { Collateral } from '../../../protocol/attestation/collateral.ts'
import { decodeCollateralFile } from '../../../protocol/attestation/collateralFile.ts'
import type { TcbStatus } from '../../../protocol/attestation/tcbStatus.ts'

/** Real quotes with the collateral that judges them (test/vectors/tdx/README.md). */
export const VECTOR_NAMES = [
  'v4-b0c06f-uptodate',
  'v5-90c06f-uptodate',
  'v5-90c06f-nolevel',
  'v4-00806f-outofdate',
  'sgx-v3-00a067',
] as const
export type VectorName = (typeof VECTOR_NAMES)[number]

export type Expected = {
  verifyAt: string
  verifyAtUnix: number
  collateralValid: { from: string; until: string }
  accept: boolean | 'policy'
  tcbStatus: TcbStatus
  advisoryIds: string[]
  tdxModuleStatus: string
  tcbDate: string
  quote: { sha256: string; bytes: number; quoteLength: number; trailingBytes: number; fmspc: string; pckCa: string }
  report: Record<string, string | string[]>
}

export function readVector(name: VectorName): { quote: Uint8Array; collateral: Collateral; expected: Expected } {
  const folder = new URL(`../../vectors/tdx/${name}/`, import.meta.url)
  const text = (file: string): string => readFileSync(new URL(file, folder), 'utf8')
  return {
    quote: Uint8Array.from(readFileSync(new URL('quote.bin', folder))),
    collateral: decodeCollateralFile(JSON.parse(text('collateral.json'))),
    expected: JSON.parse(text('expected.json')) as Expected,
  }
}
