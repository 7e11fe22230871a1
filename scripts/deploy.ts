import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { keccak256 } from 'viem'
import { COMPONENT_REGISTRY_ADDRESS, DEPLOYED_CONTRACTS, REGISTRY_SALT } from '../chain/addresses.ts'
import { type Chain, connectChain } from '../chain/connectChain.ts'
import { createSender } from '../chain/createSender.ts'
import { type Deployment, deployContracts } from '../chain/deployRegistry.ts'
import { NETWORKS, type NetworkName, toNetworkName } from '../chain/networks.ts'
import { planDeployment } from '../chain/planDeployment.ts'
import { printError, say } from '../cli/output.ts'
import { assertHex, fromHex, type Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'

/**
 * Puts the registries at their addresses: `node scripts/deploy.ts --network local|sepolia|hoodi`.
 *
 * A local chain is that of --rpc, paid for from DEPLOYER_SECRET_KEY or from the first account of a Hardhat node, whose key
 * is public. A public one is that of SEPOLIA_RPC_URL or HOODI_RPC_URL (or --rpc), paid for from DEPLOYER_SECRET_KEY, and
 * nothing is sent without --yes: what would be done is printed. Records go to deployments/NETWORK.json, or to the folder
 * of --records; a local chain leaves none.
 *
 * Prints one line of JSON: `{ "network", "chainId", "isDryRun", "address", "contracts" }`, `address` the component
 * registry's; a contract has a `txHash` only where this run created it.
 */
export class DeploymentSettingMissingError extends CoalitionError {
  constructor({ variable, network }: { variable: string; network: NetworkName }) {
    super('DEPLOYMENT_SETTING_MISSING', `A deployment to ${network} needs ${variable}.`, {
      fix: `Set the environment variable ${variable}; it is never written anywhere.`,
    })
  }
}

const HARDHAT_ACCOUNT_0: Hex = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const LOCAL_RPC_URL = 'http://127.0.0.1:8545'
const RECORDS = join(import.meta.dirname, '../deployments')

const { values } = parseArgs({
  options: {
    network: { type: 'string', default: 'local' },
    rpc: { type: 'string' },
    yes: { type: 'boolean', default: false },
    records: { type: 'string' },
  },
})

try {
  await deploy(toNetworkName(values.network))
} catch (error) {
  process.exitCode = printError(error, { json: false })
}

async function deploy(network: NetworkName): Promise<void> {
  const { chainId, isPublic } = NETWORKS[network]
  const chain = await connectChain({ rpcUrl: readRpcUrl(network), chainId })
  const isDryRun = isPublic && !values.yes
  const contracts = isDryRun ? await plan(chain, network) : await send(chain, network)
  const result = { network, chainId, isDryRun, address: COMPONENT_REGISTRY_ADDRESS, contracts }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

async function plan(
  chain: Chain,
  network: NetworkName,
): Promise<{ name: string; address: Hex; isDeployed: boolean }[]> {
  const { contracts, hasProxy, costWei } = await planDeployment(chain)
  say(`dry run on ${network} (chain ${chain.chainId}): nothing is sent`)
  if (!hasProxy) say('the CREATE2 proxy is not there: its creation would come first')
  for (const { name, address, isDeployed, gas } of contracts) {
    say(`${isDeployed ? 'is there  ' : 'would create'} ${name} at ${address}${isDeployed ? '' : `, ${gas} gas`}`)
  }
  say(`at most ${costWei} wei at today's fees; add --yes to send`)
  return contracts.map(({ name, address, isDeployed }) => ({ name, address, isDeployed }))
}

async function send(chain: Chain, network: NetworkName): Promise<Omit<Deployment, 'blockNumber'>[]> {
  const deployments = await deployContracts(createSender(chain, { secretKey: readSecretKey(network) }))
  const folder = values.records ?? (NETWORKS[network].isPublic ? RECORDS : undefined)
  if (folder !== undefined) writeRecords(folder, network, deployments)
  return deployments.map(({ blockNumber: _, ...deployment }) => deployment)
}

/** Adds what was created to the network's record, and keeps what it already says. */
function writeRecords(folder: string, network: NetworkName, deployments: readonly Deployment[]): void {
  const path = join(folder, `${network}.json`)
  const known = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>) : {}
  const contracts: Record<string, unknown> = { ...(known.contracts as object | undefined) }
  for (const { name, address, txHash, blockNumber } of deployments) {
    if (txHash === undefined) continue
    const { source, constructorArgs, initCode } = DEPLOYED_CONTRACTS.find((each) => each.name === name)!
    const initCodeHash = keccak256(initCode)
    contracts[name] = { address, txHash, blockNumber: Number(blockNumber), source, constructorArgs, initCodeHash }
  }
  mkdirSync(folder, { recursive: true })
  const record = { network, chainId: NETWORKS[network].chainId, salt: REGISTRY_SALT, contracts }
  writeFileSync(path, `${JSON.stringify(record, null, 2)}\n`)
}

function readRpcUrl(network: NetworkName): string {
  if (values.rpc !== undefined) return values.rpc
  return NETWORKS[network].isPublic ? readVariable(`${network.toUpperCase()}_RPC_URL`, network) : LOCAL_RPC_URL
}

function readSecretKey(network: NetworkName): Uint8Array {
  const isPublic = NETWORKS[network].isPublic
  const key = isPublic
    ? readVariable('DEPLOYER_SECRET_KEY', network)
    : (process.env.DEPLOYER_SECRET_KEY ?? HARDHAT_ACCOUNT_0)
  assertHex(key, { field: 'DEPLOYER_SECRET_KEY', sizeBytes: 32 })
  return fromHex(key)
}

function readVariable(variable: string, network: NetworkName): string {
  const value = process.env[variable]
  if (value === undefined || value === '') throw new DeploymentSettingMissingError({ variable, network })
  return value
}
