import type { Hex, UniqueId } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { AdmissionRule } from '../../protocol/tickets/admissionRules.ts'
import { createIssuedByValidator } from '../../protocol/tickets/issuedByValidator.ts'
import { createJwtValidator } from '../../protocol/tickets/jwtValidator.ts'
import { type AnyTicketValidator, type Ticket, validateTickets } from '../../protocol/tickets/ticketValidator.ts'
import type { QuoteVerdict } from '../../protocol/wire/quoteVerdict.ts'
import { createVerdictValidator } from './verdictValidator.ts'

/** How long before a member's admission ends its committee is told, so that a rotation has time; half of a shorter one. */
export const ALARM_AHEAD_MS = 3_600_000
/** Peers that may be admitted at once: four committees of the largest size. */
const ADMITTED_MAX = 1_024

export class AdmissionFullError extends CoalitionError {
  constructor() {
    super('ADMISSION_FULL', `${ADMITTED_MAX} peers are admitted already.`, {
      fix: 'Wait until some admission ends; /status says who is admitted, and until when.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

export type AdmittedPeer = {
  signer: Hex
  endsAtMs: number
  /** A member of the current epoch whose end is near, or over. */
  isEnding: boolean
}

export type Admission = {
  /**
   * Admits a peer that meets every rule (spec §8.3). An admission that it has already holds for as long as it did.
   *
   * @param parameters.nonceTimeMs when the commit or block of a nonce was made.
   * @returns when the admission ends, milliseconds since 1970.
   * @throws {PeerRefusedError} its quote is refused. @throws {BindingError} it binds someone else, or is stale.
   * @throws {TicketRefusedError} another of its tickets is. @throws {AdmissionFullError} and what the pool throws: try again.
   */
  admit(parameters: {
    signer: Hex
    tickets: readonly Ticket[]
    nonceTimeMs: (nonce: Hex) => number | undefined
  }): Promise<number>
  /** Whether `signer` may be connected: admitted, or a member of the current epoch, whose votes always count. */
  isConnected(signer: Hex): boolean
  /** When the admission of `signer` ends; undefined where it does not hold now. Only with one it may enter at a rotation. */
  endOf(signer: Hex): number | undefined
  /** Who is admitted, first those whose end comes first. */
  list(): readonly AdmittedPeer[]
  /** To be called every few seconds: disconnects whose admission ended, and alarms for members whose end is near. */
  tick(): void
}

export type AdmissionDependencies = {
  /** The attestation pool; needed where a rule is of class tdx. */
  verify?: (quotes: readonly Uint8Array[]) => Promise<readonly QuoteVerdict[]>
  /**
   * Whose signatures count now under a tickets root; needed where a rule is of class issued-by.
   *
   * @throws {CoalitionError} it is not known: nobody is admitted by such a ticket meanwhile.
   */
  issuerSigners?: ((ticketsRoot: UniqueId) => readonly Hex[]) | undefined
  clock: { nowMs(): number }
  /** Signers of the current epoch, as the last commit has them. */
  currentMembers: () => readonly Hex[]
  disconnect: (signer: Hex) => void
  /** A member's admission has ended or is about to: once for each admission. */
  requestRotation: (signer: Hex, endsAtMs: number) => void
}

type Held = { endsAtMs: number; alarmAtMs: number; isAlarmed: boolean }

/**
 * Creates what gates connection and entry at rotation (spec §8.2). A member of the current epoch stays connected and
 * counted when its admission ends, else members and chain would count different quorums: its end alarms and asks for a rotation.
 *
 * @throws {InvalidAdmissionError} a rule has a key that is no key.
 */
export function createAdmission(
  deps: AdmissionDependencies,
  { componentId, rules }: { componentId: UniqueId; rules: readonly AdmissionRule[] },
): Admission {
  const { verify, issuerSigners, clock, currentMembers, disconnect, requestRotation } = deps
  const admitted = new Map<Hex, Held>()
  const validators = rules.flatMap((rule): AnyTicketValidator[] => {
    if (rule.class === 'jwt') return [createJwtValidator(rule)]
    if (rule.class !== 'issued-by') return []
    if (issuerSigners === undefined) throw new Error('a rule of class issued-by needs to know whose signatures count')
    return [createIssuedByValidator(rule, { currentSigners: () => issuerSigners(rule.ticketsRoot) })]
  })
  const tdx = rules.find((rule) => rule.class === 'tdx')
  if (tdx !== undefined && verify === undefined) throw new Error('a rule of class tdx needs a pool')
  const holds = (signer: Hex): boolean => (admitted.get(signer)?.endsAtMs ?? Number.NEGATIVE_INFINITY) >= clock.nowMs()

  function keep(signer: Hex, endsAtMs: number): number {
    const nowMs = clock.nowMs()
    const held = admitted.get(signer)
    if (held !== undefined && held.endsAtMs >= endsAtMs) return held.endsAtMs
    if (held === undefined && admitted.size >= ADMITTED_MAX) throw new AdmissionFullError()
    const alarmAtMs = endsAtMs - Math.min(ALARM_AHEAD_MS, (endsAtMs - nowMs) / 2)
    admitted.set(signer, { endsAtMs, alarmAtMs, isAlarmed: false })
    return endsAtMs
  }

  return {
    async admit({ signer, tickets, nonceTimeMs }) {
      const peer = { signer }
      // What costs nothing comes first: only a quote that claims to bind this peer, of whom the other rules let in, is verified.
      const claims = tdx === undefined ? [] : [createVerdictValidator({ ...tdx, componentId, nonceTimeMs })]
      validateTickets([...validators, ...claims], { tickets, peer, nowMs: clock.nowMs() })
      const quotes =
        tdx === undefined ? [] : tickets.flatMap((ticket) => (ticket.class === 'tdx' ? [ticket.quote] : []))
      const verdicts = quotes.length === 0 ? [] : await verify!(quotes)
      const verdictOf = (quote: Uint8Array): QuoteVerdict | undefined => verdicts[quotes.indexOf(quote)]
      const judged = tdx === undefined ? [] : [createVerdictValidator({ ...tdx, componentId, nonceTimeMs, verdictOf })]
      // Asked after the pool has answered: a nonce must be fresh when it lets someone in, not when it was queued.
      return keep(signer, validateTickets([...validators, ...judged], { tickets, peer, nowMs: clock.nowMs() }))
    },
    isConnected: (signer) => holds(signer) || currentMembers().includes(signer),
    endOf: (signer) => (holds(signer) ? admitted.get(signer)!.endsAtMs : undefined),
    list() {
      const nowMs = clock.nowMs()
      const members = new Set(currentMembers())
      return [...admitted]
        .map(([signer, { endsAtMs, alarmAtMs }]) => ({
          signer,
          endsAtMs,
          isEnding: members.has(signer) && nowMs >= alarmAtMs,
        }))
        .sort((a, b) => a.endsAtMs - b.endsAtMs)
    },
    tick() {
      const nowMs = clock.nowMs()
      const members = new Set(currentMembers())
      for (const [signer, held] of admitted) {
        if (members.has(signer)) {
          if (held.isAlarmed || nowMs < held.alarmAtMs) continue
          held.isAlarmed = true
          requestRotation(signer, held.endsAtMs)
        } else if (held.endsAtMs < nowMs) {
          admitted.delete(signer)
          disconnect(signer)
        }
      }
    },
  }
}
