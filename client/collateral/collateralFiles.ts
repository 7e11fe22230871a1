import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Collateral } from '../../protocol/attestation/collateral.ts'
import {
  CollateralFileError,
  decodeCollateralFile,
  encodeCollateralFile,
} from '../../protocol/attestation/collateralFile.ts'
import { type CollateralKey, type CollateralSource, CollateralUnavailableError } from './collateralSource.ts'

/** Both CRLs at their largest, in hex, and the rest. */
export const COLLATERAL_FILE_SIZE_MAX_BYTES = 8_388_608

/** @throws {CollateralFileError} not JSON, or not of the shape of docs/integrators/attestation.md. */
export function parseCollateral(text: string): Collateral {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new CollateralFileError('The collateral is not JSON')
  }
  return decodeCollateralFile(value)
}

/** A folder of collateral, one file a platform: `tdx-FMSPC-CA.json`. */
export type CollateralFiles = CollateralSource & {
  write(key: CollateralKey, collateral: Collateral): Promise<void>
}

export function createCollateralFiles({ dir }: { dir: string }): CollateralFiles {
  const pathOf = ({ fmspc, ca }: CollateralKey): string => join(dir, `tdx-${fmspc.slice(2)}-${ca}.json`)
  return {
    async fetch(key) {
      let text: string
      try {
        text = await readFile(pathOf(key), 'utf8')
      } catch (cause) {
        throw new CollateralUnavailableError({ key, reason: `${pathOf(key)} cannot be read`, cause })
      }
      return parseCollateral(text)
    },
    async write(key, collateral) {
      await mkdir(dir, { recursive: true })
      // Readers see the old file or the new one, whole; a crash in between leaves the old.
      const draft = `${pathOf(key)}.${randomUUID()}`
      const file = await open(draft, 'wx')
      try {
        await file.writeFile(`${JSON.stringify(encodeCollateralFile(collateral), null, 2)}\n`)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(draft, pathOf(key))
    },
  }
}
