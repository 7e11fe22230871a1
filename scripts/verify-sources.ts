import { COMPONENT_REGISTRY_ADDRESS, DEPLOYED_CONTRACTS } from '../chain/addresses.ts'
import { NETWORKS, type NetworkName, toNetworkName } from '../chain/networks.ts'
import { printError, say } from '../cli/output.ts'
import config from '../hardhat.config.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { createEnvironment, readVariable } from './deploy/environment.ts'
import { readOptions } from './readOptions.ts'

/** Shows the deployed contracts' sources to block explorers, each of which compiles them and compares. */
const USAGE = `Usage: npm run verify-sources -- [OPTION...]
  --network NAME   sepolia or hoodi (sepolia)
  --rpc URL        its endpoint; else SEPOLIA_RPC_URL or HOODI_RPC_URL
  --explorer NAME  etherscan, which alone needs ETHERSCAN_API_KEY, blockscout or sourcify; else all of them
  --api URL        the API of an explorer of your own, in place of the public one; goes with --explorer
  --help           says this
Ends with 1 where one of them does not confirm a contract.`

const EXPLORERS = ['etherscan', 'blockscout', 'sourcify'] as const
type Explorer = (typeof EXPLORERS)[number]

export class UnknownExplorerError extends CoalitionError {
  constructor({ name }: { name: string | undefined }) {
    const message =
      name === undefined ? '--api names no explorer.' : `There is no explorer "${name}" to show sources to.`
    super('UNKNOWN_EXPLORER', message, { fix: `Use --explorer with one of ${EXPLORERS.join(', ')}.` })
  }
}

const values = readOptions(
  {
    network: { type: 'string', default: 'sepolia' },
    rpc: { type: 'string' },
    explorer: { type: 'string' },
    api: { type: 'string' },
  },
  { usage: USAGE },
)

try {
  await verifySources(toNetworkName(values.network), toExplorers(values.explorer))
} catch (error) {
  process.exitCode = printError(error, { json: false })
}

async function verifySources(network: NetworkName, explorers: readonly Explorer[]): Promise<void> {
  const hre = await createEnvironment(network, {
    rpcUrl: values.rpc,
    isReadOnly: true,
    ...placeApi(network, explorers),
  })
  const { url } = hre.config.networks[network] as { url: Parameters<typeof readVariable>[0] }
  await readVariable(url, { network, variable: `${network.toUpperCase()}_RPC_URL` })
  for (const explorer of explorers) {
    const isReady = explorer !== 'etherscan' || (await hre.config.verify.etherscan.apiKey.get().catch(() => '')) !== ''
    if (!isReady) {
      say('etherscan: not asked, for ETHERSCAN_API_KEY is not set')
      process.exitCode = 1
      continue
    }
    for (const { name, address, source } of DEPLOYED_CONTRACTS) {
      const constructorArgs = name === 'TicketVerifier' ? [COMPONENT_REGISTRY_ADDRESS] : []
      try {
        await hre.tasks
          .getTask(['verify', explorer])
          .run({ address, constructorArgs, contract: `${source}:${name}`, force: false })
      } catch (error) {
        say(`${explorer}: ${name} is not confirmed: ${error instanceof Error ? error.message : String(error)}`)
        process.exitCode = 1
      }
    }
  }
}

function toExplorers(name: string | undefined): readonly Explorer[] {
  const explorers = EXPLORERS.filter((each) => name === undefined || each === name)
  if (explorers.length === 0 || (values.api !== undefined && name === undefined))
    throw new UnknownExplorerError({ name })
  return explorers
}

/** The settings with which Hardhat asks --api in place of the public explorer. */
function placeApi(network: NetworkName, [explorer]: readonly Explorer[]): Partial<typeof config> {
  const apiUrl = values.api
  if (apiUrl === undefined) return {}
  if (explorer === 'sourcify') return { verify: { ...config.verify, sourcify: { apiUrl } } }
  const blockExplorers = { [explorer!]: { url: apiUrl, apiUrl } }
  return { chainDescriptors: { [NETWORKS[network].chainId]: { name: network, chainType: 'l1', blockExplorers } } }
}
