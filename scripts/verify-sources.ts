import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { COMPONENT_REGISTRY_ADDRESS, DEPLOYED_CONTRACTS } from '../chain/addresses.ts'
import { toNetworkName } from '../chain/networks.ts'

/**
 * Shows the deployed contracts' sources to the block explorers: `node scripts/verify-sources.ts --network sepolia`.
 *
 * Takes ETHERSCAN_API_KEY and the network's RPC URL from the environment, through hardhat.config.ts. With --print, only
 * prints the commands that it would run.
 */
const { values } = parseArgs({
  options: { network: { type: 'string', default: 'sepolia' }, print: { type: 'boolean', default: false } },
})
const network = toNetworkName(values.network)

for (const { name, address, source } of DEPLOYED_CONTRACTS) {
  const args = name === 'TicketVerifier' ? [COMPONENT_REGISTRY_ADDRESS] : []
  const settings = ['--network', network, '--build-profile', 'production', '--contract', `${source}:${name}`]
  const words = ['verify', ...settings, address, ...args]
  if (values.print) {
    process.stdout.write(`hardhat ${words.join(' ')}\n`)
    continue
  }
  const { status } = spawnSync('hardhat', words, { cwd: join(import.meta.dirname, '..'), stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}
