import { fromHex, type Hex, toHex, type UniqueId } from '../bytes.ts'
import { address, bytes32, uint } from '../identity/abi.ts'
import { deriveId } from '../identity/id.ts'
import { AttestationError } from './attestationError.ts'

/** How old the commit or block may be whose digest is the nonce (spec §8.2). */
export const NONCE_AGE_MAX_MS = 600_000
/** How far a member's own clock may be behind the nonce's. */
const NONCE_AHEAD_MAX_MS = 60_000
/** How long after its nonce a quote may bind, where the policy says nothing else (spec §8.2). */
export const BINDING_LIFETIME_MAX_MS = 86_400_000

export class BindingError extends AttestationError<'QUOTE_BINDING_MISMATCH' | 'QUOTE_BINDING_STALE'> {
  constructor(code: BindingError['code'], message: string) {
    super(code, `${message}.`, { fix: 'Quote again over a fresh commit of this component, for this signer.' })
  }
}

export type TdxBinding = {
  /** The component that the member joins, not its key: it outlives the committee (spec §3). */
  componentId: UniqueId
  /** 20 bytes: whose votes the quote vouches for. */
  signer: Hex
  /** When the binding ends, milliseconds since 1970. */
  notAfterMs: number
  /** Digest of a commit of the component; before its first, of a block of the home chain. */
  nonce: Hex
}

/** The 64 bytes of report data that bind a TD to a member: `id("tdx-binding", …)` and 32 zeros (spec §8.2). */
export function deriveBindingReportData({ componentId, signer, notAfterMs, nonce }: TdxBinding): Hex {
  const id = deriveId('tdx-binding', [bytes32(componentId), address(signer), uint(notAfterMs), bytes32(nonce)])
  const reportData = new Uint8Array(64)
  reportData.set(fromHex(id))
  return toHex(reportData)
}

/**
 * Verifies that report data binds this member, freshly (spec §8.2).
 *
 * @param parameters.nonceTimeMs when the commit or block of the nonce was made.
 * @param parameters.lifetimeMaxMs default 24 h.
 * @returns when the binding ends, milliseconds since 1970.
 * @throws {BindingError} `QUOTE_BINDING_MISMATCH`: other report data. `QUOTE_BINDING_STALE`: nonce too old or of the future, binding
 *   over or too long.
 */
export function verifyBinding(parameters: {
  reportData: Hex
  binding: TdxBinding
  nonceTimeMs: number
  nowMs: number
  lifetimeMaxMs?: number
}): number {
  const { reportData, binding, nonceTimeMs, nowMs, lifetimeMaxMs = BINDING_LIFETIME_MAX_MS } = parameters
  const expected = deriveBindingReportData(binding)
  if (reportData !== expected) {
    throw new BindingError('QUOTE_BINDING_MISMATCH', `The report data is ${reportData}; this member's is ${expected}`)
  }
  const ageMs = nowMs - nonceTimeMs
  if (!(ageMs <= NONCE_AGE_MAX_MS && ageMs >= -NONCE_AHEAD_MAX_MS)) {
    throw new BindingError(
      'QUOTE_BINDING_STALE',
      `The nonce is ${ageMs} ms old; at most ${NONCE_AGE_MAX_MS} are allowed`,
    )
  }
  if (!(binding.notAfterMs >= nowMs && binding.notAfterMs <= nonceTimeMs + lifetimeMaxMs)) {
    const lifetimeMs = binding.notAfterMs - nonceTimeMs
    throw new BindingError(
      'QUOTE_BINDING_STALE',
      `The binding lasts ${lifetimeMs} ms from its nonce, of ${lifetimeMaxMs} at most, and must not be over`,
    )
  }
  return binding.notAfterMs
}
