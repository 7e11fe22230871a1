import { REFUSALS } from '../../committee/authenticate.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { EnvelopeRefusedError } from '../../protocol/wire/envelope.ts'

/**
 * Why a member drops what reached it: the committee's own refusals, and those of handshakes, envelopes and decided
 * heights. A closed set, so that whoever sends rubbish cannot make it grow; docs/operators/running.md says what each means.
 */
export const DROP_REASONS = [
  'oversized',
  ...REFUSALS,
  'nonce',
  'sequence',
  'poolFull',
  'command',
  'batch',
  'certificate',
  'note',
  'cosignature',
  'unadmitted',
  'tickets',
] as const
export type DropReason = (typeof DROP_REASONS)[number]

/** What a member has noticed since it started; none of it decides anything. */
export type Vitals = {
  drop(reason: DropReason): void
  /** A frame was authenticated as `signer`'s, now. */
  heard(signer: Hex): void
  /** How often each reason dropped something. */
  drops(): Readonly<Record<DropReason, number>>
  /** When each member was last heard, in milliseconds since the Unix epoch; no entry for one that never was. */
  lastHeardMs(): ReadonlyMap<Hex, number>
  /** By the member's own clock, milliseconds since the Unix epoch. */
  startedAtMs: number
  nowMs(): number
}

export function createVitals({ clock }: { clock: { nowMs(): number } }): Vitals {
  const drops = Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<DropReason, number>
  const lastHeard = new Map<Hex, number>()
  return {
    drop(reason) {
      drops[reason] += 1
    },
    // Only what was authenticated is heard, so this holds no more than the members there ever were.
    heard: (signer) => void lastHeard.set(signer, clock.nowMs()),
    drops: () => ({ ...drops }),
    lastHeardMs: () => lastHeard,
    startedAtMs: clock.nowMs(),
    nowMs: () => clock.nowMs(),
  }
}

const REASONS: Readonly<Record<string, DropReason>> = {
  SEQUENCE_REFUSED: 'sequence',
  POOL_FULL: 'poolFull',
  MALFORMED_JOB: 'malformed',
  MALFORMED_COMMIT_RECORD: 'malformed',
  CERTIFICATE_REFUSED: 'certificate',
  BATCH_REFUSED: 'batch',
  ENTRANT_NOT_ADMITTED: 'unadmitted',
}

/** Under which reason a refusal counts; undefined where nothing was dropped. What is left is the machine's to refuse. */
export function dropReasonOf(error: unknown): DropReason | undefined {
  if (!(error instanceof CoalitionError) || error.code === 'UNDECIDED') return undefined
  if (error instanceof EnvelopeRefusedError) return error.fault
  return REASONS[error.code] ?? 'command'
}
