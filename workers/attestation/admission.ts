import { type TdxBinding, verifyBinding } from '../../protocol/attestation/binding.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { QuoteVerdict } from '../../protocol/wire/quoteVerdict.ts'

export class PeerRefusedError extends CoalitionError {
  constructor({ signer, code, reason }: { signer: Hex; code: string; reason: string }) {
    super('PEER_REFUSED', `${signer} is not admitted: ${code}: ${reason}`, {
      fix: 'Correct what the code says about its quote, and let it quote again over a fresh commit.',
      kind: 'refused',
    })
  }
}

/** How long before a member's quote ends its committee is told, so that a rotation has time. */
export const ALARM_AHEAD_MS = 3_600_000

export type Admission = {
  /**
   * Admits a peer by its quote: genuine, allowed, bound to its signer and fresh (spec §8.2).
   *
   * @param parameters.nonceTimeMs when the commit or block of the binding's nonce was made.
   * @returns when the admission ends, milliseconds since 1970.
   * @throws {PeerRefusedError} the quote is refused. @throws {BindingError} it binds someone else, or is stale.
   */
  admit(parameters: { quote: Uint8Array; binding: TdxBinding; nonceTimeMs: number }): Promise<number>
  /** Whether `signer` may be connected: admitted, or a member of the current epoch, whose votes always count. */
  isConnected(signer: Hex): boolean
  /** Whether `signer` may enter at a rotation: only by a quote that holds now. */
  mayEnter(signer: Hex): boolean
  /** To be called every few seconds: disconnects whose admission ended, and alarms for members whose end is near. */
  tick(): void
}

/**
 * Creates what gates connection and entry at rotation (spec §8.2). A member of the current epoch stays connected and
 * counted when its quote ends, else members and chain would count different quorums: its end alarms and asks for a rotation.
 */
export function createAdmission(
  deps: {
    /** The attestation pool. */
    verify: (quotes: readonly Uint8Array[]) => Promise<readonly QuoteVerdict[]>
    clock: { nowMs(): number }
    /** Signers of the current epoch, as the last commit has them. */
    currentMembers: () => readonly Hex[]
    disconnect: (signer: Hex) => void
    /** A member's quote has ended or will within `ALARM_AHEAD_MS`: once for each admission. */
    requestRotation: (signer: Hex, endsAtMs: number) => void
  },
  options: { lifetimeMaxMs?: number } = {},
): Admission {
  const { verify, clock, currentMembers, disconnect, requestRotation } = deps
  const admitted = new Map<Hex, { endsAtMs: number; isAlarmed: boolean }>()
  const holds = (signer: Hex): boolean => (admitted.get(signer)?.endsAtMs ?? Number.NEGATIVE_INFINITY) >= clock.nowMs()

  return {
    async admit({ quote, binding, nonceTimeMs }) {
      const { signer } = binding
      const [verdict] = await verify([quote])
      if (verdict?.code !== '') {
        throw new PeerRefusedError({
          signer,
          code: verdict?.code ?? 'QUOTE_POOL_FAILED',
          reason: verdict?.message ?? 'no verdict',
        })
      }
      // Asked after the pool has answered: a nonce must be fresh when it lets someone in, not when it was queued.
      const nowMs = clock.nowMs()
      const bindingEndsAtMs = verifyBinding({
        reportData: verdict.reportData,
        binding,
        nonceTimeMs,
        nowMs,
        ...(options.lifetimeMaxMs !== undefined && { lifetimeMaxMs: options.lifetimeMaxMs }),
      })
      const endsAtMs = Math.min(bindingEndsAtMs, verdict.expiresAtMs)
      admitted.set(signer, { endsAtMs, isAlarmed: false })
      return endsAtMs
    },
    isConnected: (signer) => holds(signer) || currentMembers().includes(signer),
    mayEnter: holds,
    tick() {
      const nowMs = clock.nowMs()
      const members = new Set(currentMembers())
      for (const [signer, admission] of admitted) {
        if (members.has(signer)) {
          if (admission.isAlarmed || admission.endsAtMs - nowMs > ALARM_AHEAD_MS) continue
          admission.isAlarmed = true
          requestRotation(signer, admission.endsAtMs)
        } else if (admission.endsAtMs < nowMs) {
          admitted.delete(signer)
          disconnect(signer)
        }
      }
    },
  }
}
