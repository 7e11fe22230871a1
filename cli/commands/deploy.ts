import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'

type Options = { network: string; rpc?: string; yes?: boolean; records?: string }

const SCRIPT = fileURLToPath(new URL('../../scripts/deploy.ts', import.meta.url))

export const deployCommand = (): Command =>
  new Command('deploy')
    .description('put the registries at their addresses, which are the same on every chain')
    .requiredOption('--network <name>', 'local, sepolia or hoodi')
    .option('--rpc <url>', 'JSON-RPC endpoint; else http://127.0.0.1:8545, SEPOLIA_RPC_URL or HOODI_RPC_URL')
    .option('--yes', 'send: without it a public network gets a dry run')
    .option('--records <folder>', 'folder to keep deployments/NETWORK in; else the repository, for a public network')
    .option('--json', 'as without: what was done is one line of JSON')
    .addHelpText(
      'after',
      `
Pays from DEPLOYER_SECRET_KEY, of the environment or Hardhat's keystore; a local chain may leave it out.
A second run finds what is there and sends nothing. Hardhat Ignition keeps the journal in deployments/NETWORK.
Example:
  coalition deploy --network sepolia         # says what it would do
  coalition deploy --network sepolia --yes`,
    )
    .action(deploy)

/** Runs the script as a process of its own, so that no key passes through here, and ends as it ends. */
async function deploy({ network, rpc, yes, records }: Options): Promise<void> {
  const words = ['--network', network]
  if (rpc !== undefined) words.push('--rpc', rpc)
  if (records !== undefined) words.push('--records', records)
  if (yes) words.push('--yes')
  const child = spawn(process.execPath, [SCRIPT, ...words], { stdio: 'inherit' })
  process.exitCode = await new Promise<number>((resolve) => child.on('close', (status) => resolve(status ?? 1)))
}
