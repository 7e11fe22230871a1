import { z } from 'zod'
import { encodeTicketArguments } from '../chain/ticketVerifier.ts'
import type { ProvenTicket } from '../client/proveTicket.ts'
import { fromHex, type Hex, isHex, toHex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { assertTicket } from '../protocol/tickets/ticketJson.ts'
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

const hexOf = (sizeBytes: number) => z.custom<Hex>((value) => isHex(value, sizeBytes), `not ${sizeBytes} bytes of hex`)
const uint64 = z
  .string()
  .regex(/^(?:0|[1-9][0-9]{0,19})$/, 'not a decimal uint64')
  .transform(BigInt)
  .refine((value) => value < 1n << 64n, 'above 2^64 − 1')
const head = z.strictObject({
  committeeHash: hexOf(32),
  epoch: uint64,
  height: uint64,
  logSize: uint64,
  logRoot: hexOf(32),
  state: hexOf(32),
  timestampMs: uint64,
  anchorIndex: uint64,
  anchoredAt: uint64,
  retired: z.boolean(),
})
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
    issuedUnder: head,
    leafIndex: uint64,
    inclusionProof: nodes,
    newest: head,
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
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new MalformedTicketProofError({ path, reason: 'it is not JSON' })
  }
  const parsed = PROVEN.safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    throw new MalformedTicketProofError({ path, reason: `${issue.path.join('.') || 'it'}: ${issue.message}` })
  }
  const { issuer, verifier, ticketHash, ticket, proof: given } = parsed.data
  assertTicket(ticket)
  const proof = { ...given, inclusionProof: given.inclusionProof.map(fromHex) }
  if (hashTicket(ticket) !== ticketHash || encodeTicketArguments({ ticket, proof }) !== parsed.data.arguments) {
    throw new MalformedTicketProofError({ path, reason: 'its parts are not of one ticket' })
  }
  return { issuer, verifier, ticketHash, ticket, proof }
}
