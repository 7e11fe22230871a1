import { openComponentRegistry } from '../chain/componentRegistry.ts'
import type { Chain } from '../chain/connectChain.ts'
import type { Head } from '../chain/head.ts'
import { openTicketVerifier, type TicketProof } from '../chain/ticketVerifier.ts'
import { ticketIssuer as machine, TicketUnknownError } from '../modules/tickets/machine.ts'
import { findTicket } from '../modules/tickets/statusList.ts'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { assertTicket } from '../protocol/tickets/ticketJson.ts'
import { TicketRefusedError } from '../protocol/tickets/ticketValidator.ts'
import { hashTicket, type Ticket, toTicketStatusItem } from '../protocol/wire/ticket.ts'
import type { Epochs } from './epochs.ts'
import { findIssuance, type Issuance } from './findIssuance.ts'
import type { LogReader } from './logReader.ts'
import { NotAnchoredStateError, readState } from './readState.ts'

/** Anchors that may come while a proof is made. */
const TRIES_MAX = 3
/** Any age: whoever honours the ticket sets its own. */
const AGE_UNBOUNDED_MS = 2n ** 64n - 1n

export type ProveTicketParameters = {
  /** The issuer's, as far as the caller knows. */
  epochs: Epochs
  /** Address of the component registry. */
  registry: Hex
  /** Address of the ticket verifier. */
  verifier: Hex
  ticket: Ticket
  /** Where in the issuer's log its issuance stands. @default it is looked for */
  index?: bigint | undefined
  /** The greatest accepted age of the issuer's newest head, as the consumer sets it. @default any */
  maxAgeMs?: bigint | undefined
}

/** A ticket with what shows it to a contract; the ticket verifier has accepted it. */
export type ProvenTicket = {
  /** Component key. */
  issuer: Hex
  verifier: Hex
  ticket: Ticket
  ticketHash: Hex
  proof: TicketProof
}

/**
 * Makes the on-chain form of a ticket (spec §10): its issuance under the issuer's newest head, and its status under the same.
 * Nothing of what a member serves is believed: both proofs lead to the head, which the chain holds, and then the contract
 * itself is asked. It holds until the next head is anchored, because the status must be under the newest.
 *
 * @param deps.logs of members; one honest one is enough.
 * @throws {InvalidTicketError}
 * @throws {NoContractError | OtherRegistryError} the verifier is none, or relies on another registry.
 * @throws {ComponentUnknownError | HeadUnprovenError} the chain does not know the issuer, or does not show its head.
 * @throws {NotAnchoredStateError} nothing is anchored yet, or members serve another state than the chain's.
 * @throws {TicketUnknownError | TicketRefusedError} the newest head has nothing of it; `TICKET_REVOKED`: it says so.
 * @throws {IssuanceNotFoundError} no log shows its issuance.
 * @throws {RegistryRefusedError} the contract refuses the ticket: not in its window, its issuer retired or silent for too long.
 * @throws what `readState` and the log reader throw.
 */
export async function proveTicket(
  { chain, logs }: { chain: Chain; logs: readonly LogReader[] },
  parameters: ProveTicketParameters,
): Promise<ProvenTicket> {
  const { epochs, ticket, index, maxAgeMs = AGE_UNBOUNDED_MS } = parameters
  assertTicket(ticket)
  const { component: issuer } = epochs
  const registry = await openComponentRegistry(chain, { address: parameters.registry })
  const verifier = await openTicketVerifier(chain, { address: parameters.verifier, registry: registry.address })
  for (let tries = 1; ; tries++) {
    const head = await registry.readHead({ component: issuer })
    try {
      const proof = await proveUnder(head, { logs, epochs, ticketHash: hashTicket(ticket), index })
      const ticketHash = await verifier.verifyTicket({ issuer, ticket, proof, audience: ticket.audience, maxAgeMs })
      return { issuer, verifier: verifier.address, ticket, ticketHash, proof }
    } catch (error) {
      if (!(error instanceof CoalitionError) || tries === TRIES_MAX) throw error
      // An anchor came meanwhile: what was true under the head before it need not be now, and its state is kept no longer.
      if (await registry.isNewest({ component: issuer, head })) throw error
    }
  }
}

type Wanted = { logs: readonly LogReader[]; epochs: Epochs; ticketHash: Hex; index: bigint | undefined }

async function proveUnder(head: Head, { logs, epochs, ticketHash, index }: Wanted): Promise<TicketProof> {
  if (head.anchorIndex === 0n) throw new NotAnchoredStateError(head)
  const { state, commit, prover } = await readState({ logs }, { machine, epochs, height: head.height })
  if (commit.commit.state !== head.state) throw new NotAnchoredStateError(head)
  const status = findTicket(state.machine.tickets, ticketHash)?.status
  if (status === undefined) throw new TicketUnknownError({ ticketHash })
  if (status !== 'valid') throw new TicketRefusedError('TICKET_REVOKED', `The ticket ${ticketHash} was revoked`)
  const wanted = { ticketHash, size: head.logSize, root: head.logRoot, index }
  const issuance = await findInAny(logs, wanted)
  return {
    issuedUnder: head,
    leafIndex: issuance.index,
    inclusionProof: issuance.proof,
    newest: head,
    statusProof: prover.prove(toTicketStatusItem(ticketHash, 'valid')),
  }
}

async function findInAny(logs: readonly LogReader[], wanted: Parameters<typeof findIssuance>[1]): Promise<Issuance> {
  const faults: CoalitionError[] = []
  for (const log of logs) {
    try {
      return await findIssuance(log, wanted)
    } catch (error) {
      if (!(error instanceof CoalitionError)) throw error
      faults.push(error)
    }
  }
  throw faults[0] ?? new RangeError('there is no log to read from')
}
