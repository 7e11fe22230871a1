import { encodeAbiParameters, encodeFunctionData } from 'viem'
import { type Hex, toHex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
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

const [VERIFY_TICKET] = abi.filter((item) => item.type === 'function' && item.name === 'verifyTicket')
const [, TICKET_PARAMETER, PROOF_PARAMETER] = VERIFY_TICKET!.inputs

/**
 * `abi.encode(Ticket ticket, TicketProof proof)`: what follows the selector in a call of a function that takes just these two,
 * as `TicketGate.enter` does.
 */
export const encodeTicketArguments = ({ ticket, proof }: Pick<VerifyTicketParameters, 'ticket' | 'proof'>): Hex =>
  encodeAbiParameters([TICKET_PARAMETER, PROOF_PARAMETER], [ticket, toCalldata(proof)])

/** The calldata of `verifyTicket`. */
export const encodeVerifyTicket = (parameters: VerifyTicketParameters): Hex => {
  const { issuer, ticket, proof, audience, maxAgeMs } = parameters
  const args = [issuer, ticket, toCalldata(proof), audience, maxAgeMs] as const
  return encodeFunctionData({ abi, functionName: 'verifyTicket', args })
}

const toCalldata = (proof: TicketProof) => ({ ...proof, inclusionProof: proof.inclusionProof.map(toHex) })

export class OtherRegistryError extends CoalitionError {
  constructor({ verifier, registry, expected }: { verifier: Hex; registry: Hex; expected: Hex }) {
    super('OTHER_REGISTRY', `The ticket verifier ${verifier} relies on the registry ${registry}, not on ${expected}.`, {
      fix: 'Give the address of a ticket verifier that relies on the registry which the config names as home.',
    })
  }
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
 * @param options.registry that it has to rely on. @default whichever it does
 * @throws {NoContractError} there is no code.
 * @throws {OtherRegistryError}
 */
export async function openTicketVerifier(
  chain: Chain,
  { address, registry }: { address: Hex; registry?: Hex },
): Promise<TicketVerifier> {
  if (!(await hasCode(chain, address))) throw new NoContractError({ address, chainId: chain.chainId })
  const contract = { address, abi } as const
  const verifier: TicketVerifier = {
    chain,
    address,
    verifyTicket: ({ issuer, ticket, proof, audience, maxAgeMs }) =>
      callRegistry(chain, () => {
        const args = [issuer, ticket, toCalldata(proof), audience, maxAgeMs] as const
        return chain.client.readContract({ ...contract, functionName: 'verifyTicket', args })
      }),
    readRegistry: () =>
      callRegistry(chain, async () => {
        const registry = await chain.client.readContract({ ...contract, functionName: 'REGISTRY' })
        return registry.toLowerCase() as Hex
      }),
  }
  if (registry !== undefined) {
    const actual = await verifier.readRegistry()
    if (actual !== registry) throw new OtherRegistryError({ verifier: address, registry: actual, expected: registry })
  }
  return verifier
}
