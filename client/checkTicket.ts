import { ticketIssuer as machine } from '../modules/tickets/machine.ts'
import { findTicket } from '../modules/tickets/statusList.ts'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import type { TICKET_STATUS } from '../protocol/wire/ticket.ts'
import type { Epochs } from './epochs.ts'
import type { LogReader } from './logReader.ts'
import { readState } from './readState.ts'

export class StatusTooOldError extends CoalitionError {
  constructor({ ageMs, maxAgeMs }: { ageMs: bigint; maxAgeMs: bigint }) {
    super('STATUS_TOO_OLD', `The newest state that members show is ${ageMs} ms old; ${maxAgeMs} are accepted.`, {
      fix: 'Ask other members as well, or accept an age above the issuer’s heartbeat.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

export type CheckedTicket = {
  ticketHash: Hex
  /** `unknown`: it was never issued, or has ended and is forgotten. */
  status: keyof typeof TICKET_STATUS | 'unknown'
  /** Of the certified commit whose state says so, and that commit's own time. */
  height: bigint
  timestampMs: bigint
}

/**
 * What became of a ticket, without the chain: its status in the newest state that members serve and a quorum certified. For
 * whoever was shown a token, whose `jti` is the ticket's hash, and cannot wait until it ends. No member learns which ticket is
 * asked about: each serves the whole list.
 *
 * @param of.maxAgeMs of that state: how late one may learn of a revocation.
 * @throws {StatusTooOldError} the members are behind, hide what is newer, or the issuer is silent.
 * @throws what `readState` throws.
 */
export async function checkTicket(
  { logs }: { logs: readonly LogReader[] },
  of: { epochs: Epochs; ticketHash: Hex; maxAgeMs: bigint; nowMs: bigint },
): Promise<CheckedTicket> {
  const { epochs, ticketHash, maxAgeMs, nowMs } = of
  const { state, commit } = await readState({ logs }, { machine, epochs })
  const { height, timestampMs } = commit.commit
  const ageMs = nowMs > timestampMs ? nowMs - timestampMs : 0n
  if (ageMs > maxAgeMs) throw new StatusTooOldError({ ageMs, maxAgeMs })
  const status = findTicket(state.machine.tickets, ticketHash)?.status ?? 'unknown'
  return { ticketHash, status, height, timestampMs }
}
