import { AttestationError } from './attestationError.ts'

export type ValidityKind = 'CERTIFICATE' | 'CRL' | 'TCB_INFO' | 'QE_IDENTITY'

/** A time span, both ends included (RFC 5280 §4.1.2.5). */
export type Validity = { kind: ValidityKind; name: string; fromMs: number; untilMs: number }

const CODES = {
  CERTIFICATE: { early: 'CERTIFICATE_NOT_YET_VALID', late: 'CERTIFICATE_EXPIRED' },
  CRL: { early: 'CRL_NOT_YET_VALID', late: 'CRL_EXPIRED' },
  TCB_INFO: { early: 'TCB_INFO_NOT_YET_VALID', late: 'TCB_INFO_EXPIRED' },
  QE_IDENTITY: { early: 'QE_IDENTITY_NOT_YET_VALID', late: 'QE_IDENTITY_EXPIRED' },
} as const satisfies Record<ValidityKind, { early: string; late: string }>

export class ValidityError extends AttestationError<`${ValidityKind}_${'NOT_YET_VALID' | 'EXPIRED'}`> {
  constructor({ kind, name, fromMs, untilMs }: Validity, nowMs: number) {
    const now = toRfc3339(nowMs)
    if (nowMs < fromMs) {
      const fix = 'Judge the quote at a time at which its collateral was in force, and check the clock.'
      super(CODES[kind].early, `${name} is valid from ${toRfc3339(fromMs)}; it is ${now}.`, { fix })
    } else {
      const fix = 'Fetch the collateral again; where the PCK certificate has expired, provision the platform again.'
      super(CODES[kind].late, `${name} was valid until ${toRfc3339(untilMs)}; it is ${now}.`, { fix })
    }
  }
}

/** @throws {ValidityError} `nowMs` is outside one of the spans. */
export function assertValidAt(validities: readonly Validity[], nowMs: number): void {
  for (const validity of validities) {
    if (!(nowMs >= validity.fromMs && nowMs <= validity.untilMs)) throw new ValidityError(validity, nowMs)
  }
}

/** A time as `2026-03-01T00:00:00Z`; whole seconds, as everything of Intel's is. */
export const toRfc3339 = (ms: number): string =>
  Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z') : `${ms} ms`
