import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { HttpNetworkConfig, ResolvedConfigurationVariable } from 'hardhat/types/config'
import type { HardhatRuntimeEnvironment } from 'hardhat/types/hre'
import { COMPONENT_REGISTRY_ADDRESS } from '../chain/addresses.ts'
import { type Chain, connectChain, request } from '../chain/connectChain.ts'
import { createSender, OutOfFundsError } from '../chain/createSender.ts'
import { ensureProxy } from '../chain/deployRegistry.ts'
import { NETWORKS, type NetworkName, toNetworkName } from '../chain/networks.ts'
import { type DeploymentPlan, planDeployment } from '../chain/planDeployment.ts'
import { printError, say } from '../cli/output.ts'
import config from '../hardhat.config.ts'
import { assertHex, fromHex } from '../protocol/bytes.ts'
import { createEnvironment, readVariable } from './deploy/environment.ts'
import { runIgnition } from './deploy/runIgnition.ts'
import { readOptions } from './readOptions.ts'

/**
 * Puts the registries at their addresses: what `coalition deploy` runs.
 *
 * Endpoint and key are those that hardhat.config.ts names for the network: SEPOLIA_RPC_URL or HOODI_RPC_URL (or --rpc) and
 * DEPLOYER_SECRET_KEY, from the environment or Hardhat's keystore. On a public network nothing is sent without --yes: what
 * would be done is printed, and no key is read. Hardhat Ignition keeps its journal in deployments/NETWORK, in the repository
 * or in the folder of --records; a local chain leaves none.
 *
 * Prints one line of JSON: `{ "network", "chainId", "isDryRun", "address", "contracts" }`, `address` the component
 * registry's. A contract is `{ "name", "address", "isDeployed", "isCreated" }`: there before this run, created by it.
 */
const ROOT = join(import.meta.dirname, '..')

const values = readOptions(
  {
    network: { type: 'string', default: 'local' },
    rpc: { type: 'string' },
    yes: { type: 'boolean', default: false },
    records: { type: 'string' },
  },
  { usage: 'Usage: coalition deploy, which says what it takes and runs this script.' },
)

try {
  await deploy(toNetworkName(values.network))
} catch (error) {
  process.exitCode = printError(error, { json: false })
}

async function deploy(network: NetworkName): Promise<void> {
  const { chainId, isPublic } = NETWORKS[network]
  const isRecorded = isPublic || values.records !== undefined
  const folder = isRecorded ? resolve(values.records ?? ROOT) : mkdtempSync(join(tmpdir(), 'coalition-ignition-'))
  try {
    const paths = { ...config.paths, ignition: folder }
    const hre = await createEnvironment(network, { rpcUrl: values.rpc, paths })
    const { url } = readSettings(hre, network)
    const rpcUrl = await readVariable(url, { network, variable: `${network.toUpperCase()}_RPC_URL` })
    const chain = await connectChain({ rpcUrl, chainId })
    const plan = await planDeployment(chain)
    const isDryRun = isPublic && !values.yes
    if (isDryRun) sayPlan(plan, { network, chainId })
    const created = isDryRun ? new Set<string>() : await send({ hre, chain, plan }, network)
    const contracts = plan.contracts.map(({ name, address, isDeployed }) => {
      return { name, address, isDeployed, isCreated: created.has(name) }
    })
    const result = { network, chainId, isDryRun, address: COMPONENT_REGISTRY_ADDRESS, contracts }
    process.stdout.write(`${JSON.stringify(result)}\n`)
  } finally {
    if (!isRecorded) rmSync(folder, { recursive: true })
  }
}

function sayPlan(plan: DeploymentPlan, { network, chainId }: { network: NetworkName; chainId: number }): void {
  const { contracts, hasProxy, costWei } = plan
  say(`dry run on ${network} (chain ${chainId}): nothing is sent`)
  if (!hasProxy) say('the CREATE2 proxy is not there: its creation would come first')
  for (const { name, address, isDeployed, gas } of contracts) {
    say(`${isDeployed ? 'is there  ' : 'would create'} ${name} at ${address}${isDeployed ? '' : `, ${gas} gas`}`)
  }
  say(`at most ${costWei} wei at today's fees; add --yes to send`)
}

/** The names of what it created. Sends nothing where the account cannot pay for all of it. */
async function send(
  { hre, chain, plan }: { hre: HardhatRuntimeEnvironment; chain: Chain; plan: DeploymentPlan },
  network: NetworkName,
): Promise<ReadonlySet<string>> {
  const field = 'DEPLOYER_SECRET_KEY'
  const key = await readVariable(readSettings(hre, network).key, { network, variable: field })
  assertHex(key, { field, sizeBytes: 32 })
  const sender = createSender(chain, { secretKey: fromHex(key) })
  const { address } = sender
  const balanceWei = await request(chain.host, () => chain.client.getBalance({ address }))
  if (balanceWei < plan.costWei) throw new OutOfFundsError({ address, balanceWei, costWei: plan.costWei })
  // Ignition cannot send what somebody else has signed.
  if (plan.costWei > 0n) await ensureProxy(sender)
  return await runIgnition({ hre, chain }, { network })
}

function readSettings(hre: HardhatRuntimeEnvironment, network: NetworkName) {
  const { url, accounts } = hre.config.networks[network] as HttpNetworkConfig
  return { url, key: (accounts as ResolvedConfigurationVariable[])[0]! }
}
