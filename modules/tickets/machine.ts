import { type Hex, isEqualBytes, joinBytes, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { Machine } from '../../protocol/machine.ts'
import type { StateItem } from '../../protocol/wire/stateTree.ts'
import { encodeHeartbeat, encodeTicketIssued, encodeTicketRevoked, TICKET_STATUS } from '../../protocol/wire/ticket.ts'
import { decodeTicketCommand, type TicketCommand } from '../../protocol/wire/ticketCommand.ts'
import {
  decodeTicketIssuerParameters,
  encodeTicketIssuerParameters,
  type TicketIssuerParameters,
} from '../../protocol/wire/ticketIssuerParameters.ts'
import { deriveTypehash, packWords } from '../../protocol/wire/typedData.ts'
import {
  ANCHORING_SIZE_BYTES,
  type Anchoring,
  anchorDueAtMs,
  finishAnchoring,
  listAnchoringItems,
  MalformedSnapshotError,
  noteEntry,
  restoreAnchoring,
  snapshotAnchoring,
  UNANCHORED,
} from '../anchorCadence.ts'
import {
  dropEnded,
  EMPTY_STATUS_LIST,
  findTicket,
  listTicketItems,
  listTickets,
  type StatusList,
  setTicket,
} from './statusList.ts'

/** Tickets that may be remembered at once: every commit covers all of them by its state root (bench/tickets.ts). */
export const TICKETS_MAX = 16_384

export type TicketIssuerState = {
  parameters: TicketIssuerParameters
  anchoring: Anchoring
  tickets: StatusList
  /** When the newest head was last due to be young: of the last marked commit, or of genesis, zero. */
  heartbeatMs: bigint
}

export class IssuerRefusedError extends CoalitionError {
  constructor({ submitter }: { submitter: Hex }) {
    super('ISSUER_REFUSED', `${submitter} may not issue or revoke tickets here.`, {
      fix: 'Use the key of an issuer that the parameters in the config list.',
      kind: 'refused',
    })
  }
}

export class TicketKnownError extends CoalitionError {
  constructor({ ticketHash }: { ticketHash: Hex }) {
    super('TICKET_KNOWN', `The ticket ${ticketHash} was issued before.`, {
      fix: 'Give each ticket an id and a salt of its own.',
      kind: 'refused',
    })
  }
}

export class TicketUnknownError extends CoalitionError {
  constructor({ ticketHash }: { ticketHash: Hex }) {
    super('TICKET_UNKNOWN', `The ticket ${ticketHash} is not among those that can be used.`, {
      fix: 'Name one that was issued and has not ended.',
      kind: 'refused',
    })
  }
}

export class TicketRevokedError extends CoalitionError {
  constructor({ ticketHash }: { ticketHash: Hex }) {
    super('TICKET_REVOKED', `The ticket ${ticketHash} is revoked already, or was renewed.`, {
      fix: 'There is nothing left to do to it. Where its holder needs one, issue another.',
      kind: 'refused',
    })
  }
}

export class TicketsFullError extends CoalitionError {
  constructor() {
    super('TICKETS_FULL', `${TICKETS_MAX} tickets have been issued and have not ended.`, {
      fix: 'Issue shorter tickets, or wait until some have ended.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

const ISSUER_TYPEHASH = deriveTypehash('TicketIssuer(address issuer,bool isAuthorised)')
const HEARTBEAT_CADENCE_TYPEHASH = deriveTypehash('HeartbeatCadence(uint8 field,uint64 amount)')
const ENTRY_SIZE_BYTES = 96

/** The ticket issuer: its log is the issuance root, its state a status list, its heartbeats keep it young (spec §10). */
export const ticketIssuer: Machine<TicketIssuerState> = {
  version: 1,

  genesis: (parameters) => ({
    parameters: decodeTicketIssuerParameters(parameters),
    anchoring: UNANCHORED,
    tickets: EMPTY_STATUS_LIST,
    heartbeatMs: 0n,
  }),

  validate({ parameters, tickets }, { submitter, payload }) {
    if (!parameters.issuers.includes(submitter)) throw new IssuerRefusedError({ submitter })
    const command = decodeTicketCommand(payload)
    if (command.kind === 'requestAnchor') return
    const { ticketHash } = command
    const isNew = (hash: Hex): boolean => findTicket(tickets, hash) === undefined
    if (command.kind === 'issue') {
      if (!isNew(ticketHash)) throw new TicketKnownError({ ticketHash })
    } else {
      const known = findTicket(tickets, ticketHash)
      if (known === undefined) throw new TicketUnknownError({ ticketHash })
      if (known.status !== 'valid') throw new TicketRevokedError({ ticketHash })
    }
    if (command.kind === 'renew' && !isNew(command.newTicketHash)) {
      throw new TicketKnownError({ ticketHash: command.newTicketHash })
    }
    if (command.kind !== 'revoke' && tickets.count >= TICKETS_MAX) throw new TicketsFullError()
  },

  apply(state, { payload }, { timestampMs }) {
    const command = decodeTicketCommand(payload)
    const { anchoring, tickets } = state
    if (command.kind === 'requestAnchor') {
      return { state: { ...state, anchoring: { ...anchoring, isRequested: true } }, events: [] }
    }
    return {
      state: { ...state, anchoring: noteEntry(anchoring, timestampMs), tickets: changeTickets(tickets, command) },
      events: listEvents(command),
    }
  },

  finish(state, context) {
    const { parameters, heartbeatMs } = state
    const { timestampMs } = context
    const isSilent = timestampMs >= heartbeatMs + 1000n * BigInt(parameters.heartbeatEverySeconds)
    const events = isSilent ? [encodeHeartbeat(timestampMs)] : []
    const { anchoring, anchor } = finishAnchoring(
      { ...state.anchoring, isRequested: isSilent || state.anchoring.isRequested },
      parameters,
      {
        ...context,
        logSize: context.logSize + BigInt(events.length),
      },
    )
    return {
      state: {
        parameters,
        anchoring,
        // A ticket that has ended proves nothing any more, whatever its status.
        tickets: dropEnded(state.tickets, timestampMs / 1000n),
        heartbeatMs: anchor ? timestampMs : heartbeatMs,
      },
      anchor,
      events,
    }
  },

  dueAtMs({ parameters, anchoring, heartbeatMs }) {
    const heartbeatDueAtMs = heartbeatMs + 1000n * BigInt(parameters.heartbeatEverySeconds)
    const dueAtMs = anchorDueAtMs(anchoring, parameters)
    return dueAtMs !== undefined && dueAtMs < heartbeatDueAtMs ? dueAtMs : heartbeatDueAtMs
  },

  items: ({ parameters, anchoring, tickets, heartbeatMs }) => [
    ...parameters.issuers.map((issuer) => item(ISSUER_TYPEHASH, issuer, 1)),
    item(HEARTBEAT_CADENCE_TYPEHASH, 0, parameters.heartbeatEverySeconds),
    item(HEARTBEAT_CADENCE_TYPEHASH, 1, heartbeatMs),
    ...listAnchoringItems(anchoring, parameters),
    ...listTicketItems(tickets),
  ],

  /** Four words of anchoring, the last heartbeat, how many tickets, three words each, the parameters. */
  snapshot: ({ parameters, anchoring, tickets, heartbeatMs }) =>
    joinBytes([
      snapshotAnchoring(anchoring),
      packWords([
        heartbeatMs,
        tickets.count,
        ...listTickets(tickets).flatMap(([ticketHash, { status, notAfter }]) => [
          ticketHash,
          TICKET_STATUS[status],
          notAfter,
        ]),
      ]),
      encodeTicketIssuerParameters(parameters),
    ]),

  restore(snapshot) {
    const anchoring = restoreAnchoring(snapshot)
    const wordAt = (offset: number): Hex => {
      if (offset + 32 > snapshot.length) throw new MalformedSnapshotError()
      return toHex(snapshot.subarray(offset, offset + 32))
    }
    const heartbeatMs = BigInt(wordAt(ANCHORING_SIZE_BYTES))
    const count = BigInt(wordAt(ANCHORING_SIZE_BYTES + 32))
    if (count > BigInt(TICKETS_MAX)) throw new MalformedSnapshotError()
    const first = ANCHORING_SIZE_BYTES + 64
    const end = first + ENTRY_SIZE_BYTES * Number(count)
    let tickets = EMPTY_STATUS_LIST
    for (let offset = first; offset < end; offset += ENTRY_SIZE_BYTES) {
      const status = BigInt(wordAt(offset + 32)) === TICKET_STATUS.valid ? 'valid' : 'revoked'
      tickets = setTicket(tickets, wordAt(offset), { status, notAfter: BigInt(wordAt(offset + 64)) })
    }
    const parameters = decodeTicketIssuerParameters(snapshot.subarray(end))
    const state: TicketIssuerState = { parameters, anchoring, tickets, heartbeatMs }
    if (!isEqualBytes(ticketIssuer.snapshot(state), snapshot)) throw new MalformedSnapshotError()
    return state
  },
}

function changeTickets(tickets: StatusList, command: Exclude<TicketCommand, { kind: 'requestAnchor' }>): StatusList {
  const { ticketHash } = command
  if (command.kind === 'issue') return setTicket(tickets, ticketHash, { status: 'valid', notAfter: command.notAfter })
  const { notAfter } = findTicket(tickets, ticketHash)!
  const revoked = setTicket(tickets, ticketHash, { status: 'revoked', notAfter })
  if (command.kind === 'revoke') return revoked
  return setTicket(revoked, command.newTicketHash, { status: 'valid', notAfter: command.notAfter })
}

function listEvents(command: Exclude<TicketCommand, { kind: 'requestAnchor' }>): Uint8Array[] {
  if (command.kind === 'issue') return [encodeTicketIssued(command.ticketHash)]
  if (command.kind === 'revoke') return [encodeTicketRevoked(command.ticketHash)]
  return [encodeTicketRevoked(command.ticketHash), encodeTicketIssued(command.newTicketHash)]
}

const item = (typehash: Hex, key: number | Hex, value: bigint | number): StateItem => ({
  typehash,
  key: toHex(packWords([key])),
  value: toHex(packWords([value])),
})
