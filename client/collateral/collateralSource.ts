import type { Collateral } from '../../protocol/attestation/collateral.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'

/** Which collateral: everything else about a platform is in its PCK certificate. */
export type CollateralKey = {
  /** 6 bytes. */
  fmspc: Hex
  /** Which of Intel's two authorities issued the PCK certificate. */
  ca: 'platform' | 'processor'
}

/** Where collateral comes from: a PCS or PCCS, files, a cache. What it gives is not verified. */
export type CollateralSource = { fetch(key: CollateralKey): Promise<Collateral> }

export class CollateralUnavailableError extends CoalitionError {
  constructor({ key, reason, cause }: { key: CollateralKey; reason: string; cause?: unknown }) {
    super('COLLATERAL_UNAVAILABLE', `There is no collateral for ${describeKey(key)}: ${reason}.`, {
      fix: 'Check that the PCCS answers and knows the platform, or give a collateral file.',
      isRetryable: true,
      cause,
    })
  }
}

export const describeKey = ({ fmspc, ca }: CollateralKey): string => `FMSPC ${fmspc.slice(2)}, ${ca} CA`
