import { encodeAbiParameters, getCreate2Address } from 'viem'
import type { Hex } from '../protocol/bytes.ts'
import { ZERO_BYTES32 } from '../protocol/wire/commit.ts'
import { coalitionRegistryBytecode } from './generated/coalitionRegistry.ts'
import { componentRegistryBytecode } from './generated/componentRegistry.ts'
import { ticketVerifierBytecode } from './generated/ticketVerifier.ts'

/**
 * The deterministic deployment proxy: a few bytes of code at the same address on every chain, because its one creating
 * transaction was signed for no chain and by nobody's key. It runs CREATE2 with the salt and the code that it is sent, so
 * an address follows from the code alone, whoever deploys. It has no owner and no state.
 */
export const CREATE2_PROXY_ADDRESS: Hex = '0x4e59b44847b379578588920ca78fbf26c0b4956c'

export const REGISTRY_SALT: Hex = ZERO_BYTES32

/** A contract that has one address on every chain. */
export type DeployedContract = {
  name: 'ComponentRegistry' | 'TicketVerifier' | 'CoalitionRegistry'
  /** Where its source is. */
  source: string
  /** ABI-encoded constructor arguments. */
  constructorArgs: Hex
  /** What creates it: its code and those arguments. */
  initCode: Hex
  address: Hex
}

function describe(name: DeployedContract['name'], bytecode: Hex, constructorArgs: Hex = '0x'): DeployedContract {
  const initCode: Hex = `0x${bytecode.slice(2)}${constructorArgs.slice(2)}`
  const create = { from: CREATE2_PROXY_ADDRESS, salt: REGISTRY_SALT, bytecode: initCode }
  const address = getCreate2Address(create).toLowerCase() as Hex
  return { name, source: `contracts/${name}.sol`, constructorArgs, initCode, address }
}

const componentRegistry = describe('ComponentRegistry', componentRegistryBytecode)

/** Where the component registry is, or would be, on every chain: a config can name it before it is deployed (spec §7.2). */
export const COMPONENT_REGISTRY_ADDRESS: Hex = componentRegistry.address

const ticketVerifier = describe(
  'TicketVerifier',
  ticketVerifierBytecode,
  encodeAbiParameters([{ type: 'address' }], [COMPONENT_REGISTRY_ADDRESS]),
)
const coalitionRegistry = describe('CoalitionRegistry', coalitionRegistryBytecode)

/** The verifier that relies on that registry. */
export const TICKET_VERIFIER_ADDRESS: Hex = ticketVerifier.address
export const COALITION_REGISTRY_ADDRESS: Hex = coalitionRegistry.address

/** All that a deployment puts on a chain, in order: none depends on a later one. */
export const DEPLOYED_CONTRACTS: readonly DeployedContract[] = [componentRegistry, ticketVerifier, coalitionRegistry]
