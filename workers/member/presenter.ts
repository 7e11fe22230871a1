import {
  BINDING_LIFETIME_MAX_MS,
  deriveBindingReportData,
  NONCE_AGE_MAX_MS,
} from '../../protocol/attestation/binding.ts'
import type { Hex, UniqueId } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Nonce, ShownTicket } from './peerFrame.ts'

/** How often tickets are shown again: a frame may be lost, and peers start when they like. */
const SHOW_EVERY_MS = 30_000
/** How often a member that can quotes anew: who was restarted since admits it again after that time at the latest. */
const QUOTE_EVERY_MS = NONCE_AGE_MAX_MS / 2
/** After a refusal by a peer, and after a failure of its own: no sooner than that again. */
const AGAIN_AFTER_MS = 5_000

/** Where a member has its own tickets from; absent where no rule asks for them, or the operator gave none. */
export type TicketSources = {
  /** Has this TD quoted over 64 bytes of report data. @throws {QuoteCommandError} */
  quote?: ((reportData: Hex) => Promise<Uint8Array>) | undefined
  /** Tokens that the operator keeps. @throws {TicketsFileError} */
  readTokens?: (() => Promise<readonly Exclude<ShownTicket, { class: 'tdx' }>[]>) | undefined
}

export type Presenter = {
  /** To be called every second or so: quotes where that is due, and shows. */
  tick(): void
  /** A peer has not admitted this member, and says over what it may quote. */
  refused(nonce: Nonce | undefined): void
}

/** Shows this member's tickets to its peers, and keeps them fresh (spec §8.2). */
export function createPresenter(
  deps: {
    sources: TicketSources
    /** Says how old a commit or block is. */
    clock: { nowMs(): number }
    /** Says for how long, however the clock is set meanwhile. */
    monotonic: { nowMs(): number }
    logger: Logger
    /** The newest commit or block that this member knows. */
    newestNonce: () => Promise<Nonce | undefined>
    show: (tickets: readonly ShownTicket[]) => void
  },
  options: { componentId: UniqueId; signer: Hex; lifetimeMaxMs?: number | undefined },
): Presenter {
  const { sources, clock, monotonic, logger, newestNonce, show } = deps
  const { componentId, signer, lifetimeMaxMs = BINDING_LIFETIME_MAX_MS } = options
  let quoted: { ticket: ShownTicket; nonce: Nonce; atMs: number } | undefined
  /** What a peer said, for as long as this member knows nothing as new. */
  let told: Nonce | undefined
  let showAtMs = Number.NEGATIVE_INFINITY
  let isBusy = false

  /** The nonce to quote over, where what was quoted last is too old or was never. */
  async function findDueNonce(): Promise<Nonce | undefined> {
    const own = await newestNonce()
    const nonce = own === undefined || (told !== undefined && told.timeMs > own.timeMs) ? told : own
    if (nonce === undefined || clock.nowMs() - nonce.timeMs >= QUOTE_EVERY_MS) return undefined
    if (quoted === undefined) return nonce
    const sinceMs = monotonic.nowMs() - quoted.atMs
    if (nonce.digest === quoted.nonce.digest || sinceMs < AGAIN_AFTER_MS) return undefined
    return nonce === told || sinceMs >= QUOTE_EVERY_MS ? nonce : undefined
  }

  async function quoteWhereDue(): Promise<boolean> {
    const nonce = sources.quote === undefined ? undefined : await findDueNonce()
    if (nonce === undefined) return false
    const notAfterMs = nonce.timeMs + lifetimeMaxMs
    const binding = { componentId, signer, notAfterMs, nonce: nonce.digest }
    const quote = await sources.quote!(deriveBindingReportData(binding))
    const ticket = { class: 'tdx', quote, notAfterMs, nonce: nonce.digest, nonceHeight: nonce.height } as const
    quoted = { ticket, nonce, atMs: monotonic.nowMs() }
    told = undefined
    return true
  }

  async function present(): Promise<void> {
    const isNew = await quoteWhereDue()
    if (!isNew && monotonic.nowMs() < showAtMs) return
    const tokens = (await sources.readTokens?.()) ?? []
    const tickets = quoted === undefined ? tokens : [...tokens, quoted.ticket]
    if (tickets.length === 0) return
    showAtMs = monotonic.nowMs() + SHOW_EVERY_MS
    show(tickets)
  }

  let pausedUntilMs = Number.NEGATIVE_INFINITY

  return {
    tick() {
      if (isBusy || monotonic.nowMs() < pausedUntilMs) return
      isBusy = true
      present()
        .catch((error: unknown) => {
          pausedUntilMs = monotonic.nowMs() + AGAIN_AFTER_MS
          const { code, message } =
            error instanceof CoalitionError ? error : { code: 'UNEXPECTED', message: String(error) }
          logger.error({ code, reason: message, alarm: true }, 'this member cannot show its tickets')
        })
        .finally(() => {
          isBusy = false
        })
    },
    refused(nonce) {
      told = nonce
      showAtMs = Math.min(showAtMs, monotonic.nowMs() + AGAIN_AFTER_MS)
    },
  }
}
