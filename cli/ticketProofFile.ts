import { z } from 'zod'
import { encodeTicketArguments } from '../chain/ticketVerifier.ts'
import { HEAD_JSON } from '../client/headJson.ts'
import type { ProvenTicket } from '../client/proveTicket.ts'
import { fromHex, toHex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { assertTicket } from '../protocol/tickets/ticketJson.ts'
import { decodeJson, hexOf, uint64 } from '../protocol/wire/decodeJson.ts'
import { hashTicket } from '../protocol/wire/ticket.ts'
import { readInput } from './input.ts'
import { toJsonText } from './output.ts'

/** Two heads, two proofs of 64 nodes, and all of it once more as calldata. */
const SIZE_MAX_BYTES = 1 << 16

export class MalformedTicketProofError extends CoalitionError {
  constructor({ path, reason }: { path: string; reason: string }) {
    super('MALFORMED_TICKET_PROOF', `${path === '-' ? 'Standard input' : path} is no proven ticket: ${reason}.`, {
      fix: 'Give the file that coalition ticket prove wrote.',
    })
  }
}

const nodes = z.array(hexOf(32)).max(64, 'more than 64 nodes')
const PROVEN = z.strictObject({
  issuer: hexOf(32),
  verifier: hexOf(20),
  ticketHash: hexOf(32),
  ticket: z.strictObject({
    ticketId: hexOf(32),
    subject: hexOf(20),
    audience: hexOf(32),
    notBefore: uint64,
    notAfter: uint64,
    salt: hexOf(32),
  }),
  proof: z.strictObject({
    issuedUnder: HEAD_JSON,
    leafIndex: uint64,
    inclusionProof: nodes,
    newest: HEAD_JSON,
    statusProof: nodes,
  }),
  arguments: z.string(),
})

/** A proven ticket as JSON: numbers as decimal strings, and `arguments` to append to a consumer's selector. */
export const encodeTicketProofFile = ({ issuer, verifier, ticketHash, ticket, proof }: ProvenTicket): string =>
  toJsonText(
    {
      ...{ issuer, verifier, ticketHash, ticket },
      proof: { ...proof, inclusionProof: proof.inclusionProof.map(toHex) },
      arguments: encodeTicketArguments({ ticket, proof }),
    },
    2,
  )

/**
 * Reads what `encodeTicketProofFile` gives. Nothing of it is proven yet.
 *
 * @throws {UnreadableInputError | InputTooLargeError | MalformedTicketProofError | InvalidTicketError}
 */
export async function readTicketProofFile(path: string): Promise<ProvenTicket> {
  const text = await readInput(path, { sizeMaxBytes: SIZE_MAX_BYTES })
  const refuse = (reason: string) => new MalformedTicketProofError({ path, reason })
  const proven = decodeJson(text, { shape: PROVEN, refuse })
  const { issuer, verifier, ticketHash, ticket, proof: given } = proven
  assertTicket(ticket)
  const proof = { ...given, inclusionProof: given.inclusionProof.map(fromHex) }
  if (hashTicket(ticket) !== ticketHash || encodeTicketArguments({ ticket, proof }) !== proven.arguments) {
    throw refuse('its parts are not of one ticket')
  }
  return { issuer, verifier, ticketHash, ticket, proof }
}
