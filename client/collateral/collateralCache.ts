import { type Collateral, type VerifiedCollateral, verifyCollateral } from '../../protocol/attestation/collateral.ts'
import { INTEL_SGX_ROOT } from '../../protocol/attestation/intelRoot.ts'
import type { TrustedRoot } from '../../protocol/attestation/trustedRoot.ts'
import { assertValidAt } from '../../protocol/attestation/validity.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { CollateralFiles } from './collateralFiles.ts'
import {
  type CollateralKey,
  type CollateralSource,
  CollateralUnavailableError,
  describeKey,
} from './collateralSource.ts'

export class CollateralRegressedError extends CoalitionError {
  constructor({ key, what, known, found }: { key: CollateralKey; what: string; known: number; found: number }) {
    super(
      'COLLATERAL_REGRESSED',
      `Collateral for ${describeKey(key)} goes back: ${what} was ${known} and is ${found}.`,
      {
        fix: 'Find out who serves old collateral; what was fetched before stays in use until it expires.',
        kind: 'refused',
      },
    )
  }
}

export type CollateralCacheOptions = {
  /** Default: Intel's. */
  root?: TrustedRoot
  /** How long to use collateral before asking for newer. Default 12 h. */
  refreshAfterMs?: number
  /** Ask for newer at the latest this long before it expires. Default 3 days. */
  refreshAheadMs?: number
  /** How long to wait after a failed refresh. Default 1 min. */
  retryAfterMs?: number
  /** Platforms to keep. Default 256. */
  entriesMax?: number
}

export type CollateralCache = CollateralSource & {
  /** Collateral that is verified and in force now. @throws {CollateralUnavailableError} none can be had. */
  fetch(key: CollateralKey): Promise<Collateral>
}

type Entry = { collateral: Collateral; verified: VerifiedCollateral; expiresAtMs: number; refreshAtMs: number }

/**
 * Creates a cache of collateral (spec §8.1): asks for newer before it expires, serves what it has through an outage until it
 * expires and never past that, and never goes back to a lower evaluation data number, CRL number or issue date. With
 * `files` it also remembers across restarts.
 */
export function createCollateralCache(
  deps: {
    source: CollateralSource
    files?: CollateralFiles
    clock: { nowMs(): number }
    /** Told of refreshes that failed or were refused, for logs; `fetch` serves on where it can. */
    onRefreshFailed?: (key: CollateralKey, error: unknown) => void
  },
  options: CollateralCacheOptions = {},
): CollateralCache {
  const { source, files, clock, onRefreshFailed = () => {} } = deps
  const { root = INTEL_SGX_ROOT, refreshAfterMs = 43_200_000, refreshAheadMs = 259_200_000 } = options
  const { retryAfterMs = 60_000, entriesMax = 256 } = options
  const entries = new Map<string, Entry>()
  const pending = new Map<string, Promise<Entry>>()

  const open = (collateral: Collateral): Omit<Entry, 'refreshAtMs'> => {
    const verified = verifyCollateral(collateral, root)
    return { collateral, verified, expiresAtMs: Math.min(...verified.validities.map((validity) => validity.untilMs)) }
  }

  const keep = (id: string, entry: Entry): Entry => {
    entries.delete(id)
    entries.set(id, entry)
    if (entries.size > entriesMax) entries.delete(entries.keys().next().value!)
    return entry
  }

  /** What an earlier process left: due for a refresh, and the floor even where it has expired. */
  const recall = async (key: CollateralKey): Promise<Entry | undefined> => {
    try {
      return files && { ...open(await files.fetch(key)), refreshAtMs: 0 }
    } catch (error) {
      if (!(error instanceof CollateralUnavailableError)) onRefreshFailed(key, error)
      return undefined
    }
  }

  const refresh = async (key: CollateralKey, id: string): Promise<Entry> => {
    const known = entries.get(id) ?? (await recall(key))
    try {
      const fresh = open(await source.fetch(key))
      if (known) assertNotRegressed(key, known.verified, fresh.verified)
      const nowMs = clock.nowMs()
      assertValidAt(fresh.verified.validities, nowMs)
      await files?.write(key, fresh.collateral)
      return keep(id, { ...fresh, refreshAtMs: Math.min(nowMs + refreshAfterMs, fresh.expiresAtMs - refreshAheadMs) })
    } catch (error) {
      onRefreshFailed(key, error)
      const nowMs = clock.nowMs()
      // An expired entry is kept as well: not to be served, but to know what must not come back.
      const kept = known && keep(id, { ...known, refreshAtMs: nowMs + retryAfterMs })
      if (kept && nowMs <= kept.expiresAtMs) return kept
      if (error instanceof CoalitionError) throw error
      throw new CollateralUnavailableError({ key, reason: 'the source failed', cause: error })
    }
  }

  return {
    async fetch(key) {
      const id = `${key.fmspc}-${key.ca}`
      const entry = entries.get(id)
      const nowMs = clock.nowMs()
      if (entry && nowMs < entry.refreshAtMs && nowMs <= entry.expiresAtMs) return entry.collateral
      let refreshing = pending.get(id)
      if (!refreshing) {
        refreshing = refresh(key, id).finally(() => pending.delete(id))
        pending.set(id, refreshing)
      }
      // While what there is still holds, nobody waits for the network.
      if (entry && nowMs <= entry.expiresAtMs) {
        refreshing.catch(() => {})
        return entry.collateral
      }
      return (await refreshing).collateral
    },
  }
}

/** Intel counts TCB evaluations upwards; its CRL numbers stand still, so the date of each list must not go back either. */
function assertNotRegressed(key: CollateralKey, known: VerifiedCollateral, found: VerifiedCollateral): void {
  const counts = (collateral: VerifiedCollateral): Record<string, number> => ({
    'TCB info evaluation data number': collateral.tcbInfo.evaluationDataNumber,
    'QE identity evaluation data number': collateral.qeIdentity.evaluationDataNumber,
    'root CRL number': collateral.rootCaCrl.crlNumber,
    'PCK CRL number': collateral.pckCrl.crlNumber,
    'root CRL date': collateral.rootCaCrl.thisUpdateMs,
    'PCK CRL date': collateral.pckCrl.thisUpdateMs,
    'TCB info date': collateral.tcbInfo.issueDateMs,
    'QE identity date': collateral.qeIdentity.issueDateMs,
  })
  const before = counts(known)
  for (const [what, value] of Object.entries(counts(found))) {
    if (value < before[what]!) throw new CollateralRegressedError({ key, what, known: before[what]!, found: value })
  }
}
