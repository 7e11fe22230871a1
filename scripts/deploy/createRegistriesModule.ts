import { buildModule } from '@nomicfoundation/hardhat-ignition/modules'
import {
  CREATE2_PROXY_ADDRESS,
  DEPLOYED_CONTRACTS,
  type DeployedContract,
  REGISTRY_SALT,
} from '../../chain/addresses.ts'
import { coalitionRegistryAbi } from '../../chain/generated/coalitionRegistry.ts'
import { componentRegistryAbi } from '../../chain/generated/componentRegistry.ts'
import { ticketVerifierAbi } from '../../chain/generated/ticketVerifier.ts'

type Name = DeployedContract['name']

const ABIS = {
  ComponentRegistry: componentRegistryAbi,
  TicketVerifier: ticketVerifierAbi,
  CoalitionRegistry: coalitionRegistryAbi,
} satisfies Record<Name, unknown>

/** Names under which Ignition's journal keeps a contract, and the transaction that creates it. */
export const toFutureIds = (name: Name): { contract: string; creation: string } => ({
  contract: `Registries#${name}`,
  creation: `Registries#Create${name}`,
})

/**
 * The Ignition module of the registries: each stands at its CREATE2 address, and those of `absent` are created there first.
 *
 * The proxy refuses to create what exists, and Ignition can skip a transaction only by not being told of it, so whoever
 * deploys looks first. What is created is the committed code that the address was derived from, not a build of the moment.
 */
export const createRegistriesModule = (absent: ReadonlySet<Name>) =>
  buildModule('Registries', (m) => {
    const stand = ({ name, address, source, initCode }: DeployedContract) => {
      const data = `${REGISTRY_SALT}${initCode.slice(2)}`
      const after = absent.has(name) ? [m.send(`Create${name}`, CREATE2_PROXY_ADDRESS, 0n, data)] : []
      const artifact = {
        _format: 'hh3-artifact-1',
        contractName: name,
        sourceName: source,
        abi: [...ABIS[name]],
        bytecode: initCode,
        // For a contract that stands at an address Ignition keeps this file for its readers, and runs nothing of it.
        deployedBytecode: '0x',
        linkReferences: {},
        deployedLinkReferences: {},
      }
      return [name, m.contractAt(name, artifact, address, { after })] as const
    }
    return Object.fromEntries(DEPLOYED_CONTRACTS.map(stand))
  })
