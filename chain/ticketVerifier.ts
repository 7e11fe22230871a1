import { type Hex, toHex } from '../protocol/bytes.ts'
import type { Ticket } from '../protocol/wire/ticket.ts'
import { NoContractError } from './componentRegistry.ts'
import type { Chain } from './connectChain.ts'
import { hasCode } from './deployRegistry.ts'
import { ticketVerifierAbi as abi } from './generated/ticketVerifier.ts'
import type { Head } from './head.ts'
import { callRegistry } from './registryRefusal.ts'

/** What shows that a ticket was issued and may still be used (contracts/interfaces/ITicketVerifier.sol). */
export type TicketProof = {
  /** One of the issuer's newest eight heads. */
  issuedUnder: Head
  /** Place of the issuance in the log of that head. */
  leafIndex: bigint
  /** RFC 9162, from the issuance's sibling upward. */
  inclusionProof: readonly Uint8Array[]
  /** The issuer's newest head. */
  newest: Head
  /** Siblings of the ticket's status under `newest.state`. */
  statusProof: readonly Hex[]
}

export type VerifyTicketParameters = {
  /** Component key of the issuer. */
  issuer: Hex
  ticket: Ticket
  proof: TicketProof
  /** Whom the ticket must be for: 32 bytes. */
  audience: Hex
  /** The greatest accepted age of the issuer's newest head. */
  maxAgeMs: bigint
}

/** Typed reads of one ticket verifier. */
export type TicketVerifier = {
  readonly chain: Chain
  readonly address: Hex
  /**
   * Asks the contract. The caller compares the ticket's subject with whoever shows it.
   *
   * @returns The ticket's hash.
   * @throws {RegistryRefusedError} not issued, revoked, ended, for another audience, or the newest head is too old.
   */
  verifyTicket(parameters: VerifyTicketParameters): Promise<Hex>
  /** The component registry that it relies on. */
  readRegistry(): Promise<Hex>
}

/**
 * The ticket verifier at `address`.
 *
 * @throws {NoContractError} there is no code.
 */
export async function openTicketVerifier(chain: Chain, { address }: { address: Hex }): Promise<TicketVerifier> {
  if (!(await hasCode(chain, address))) throw new NoContractError({ address, chainId: chain.chainId })
  const contract = { address, abi } as const
  return {
    chain,
    address,
    verifyTicket: ({ issuer, ticket, proof, audience, maxAgeMs }) =>
      callRegistry(chain, () => {
        const given = { ...proof, inclusionProof: proof.inclusionProof.map(toHex) }
        const args = [issuer, ticket, given, audience, maxAgeMs] as const
        return chain.client.readContract({ ...contract, functionName: 'verifyTicket', args })
      }),
    readRegistry: () =>
      callRegistry(chain, async () => {
        const registry = await chain.client.readContract({ ...contract, functionName: 'REGISTRY' })
        return registry.toLowerCase() as Hex
      }),
  }
}
