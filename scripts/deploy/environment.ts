import { join } from 'node:path'
import { createHardhatRuntimeEnvironment } from 'hardhat/hre'
import type { HardhatUserConfig, ResolvedConfigurationVariable } from 'hardhat/types/config'
import type { HardhatRuntimeEnvironment } from 'hardhat/types/hre'
import type { NetworkName } from '../../chain/networks.ts'
import config from '../../hardhat.config.ts'
import { CoalitionError } from '../../protocol/errors.ts'

const ROOT = join(import.meta.dirname, '../..')

export class DeploymentSettingMissingError extends CoalitionError {
  constructor({ variable, network }: { variable: string; network: NetworkName }) {
    const isUrl = variable.endsWith('_RPC_URL')
    super('DEPLOYMENT_SETTING_MISSING', `A deployment to ${network} needs ${variable}.`, {
      fix: `Set the environment variable${isUrl ? ', or give --rpc URL' : ''}; or keep it in Hardhat's keystore: scripts/run hardhat keystore set ${variable}.`,
    })
  }
}

/**
 * Hardhat as hardhat.config.ts has it, but for what a run says otherwise.
 *
 * @param options.rpcUrl the network's endpoint, in place of the configured.
 * @param options.isReadOnly whether the network is asked without the deployer's key.
 */
export function createEnvironment(
  network: NetworkName,
  { rpcUrl, isReadOnly, ...changed }: HardhatUserConfig & { rpcUrl?: string | undefined; isReadOnly?: boolean },
): Promise<HardhatRuntimeEnvironment> {
  const settings = { ...(rpcUrl && { url: rpcUrl }), ...(isReadOnly && { accounts: 'remote' }) }
  const networks = { ...config.networks, [network]: { ...config.networks?.[network], ...settings } } as never
  const options = { network, buildProfile: 'production' }
  return createHardhatRuntimeEnvironment({ ...config, networks, ...changed }, options, ROOT)
}

/** What a configuration variable holds. @throws {DeploymentSettingMissingError} it is not set. */
export async function readVariable(
  setting: ResolvedConfigurationVariable,
  { network, variable }: { network: NetworkName; variable: string },
): Promise<string> {
  const value = await setting.get().catch(() => '')
  if (value === '') throw new DeploymentSettingMissingError({ variable, network })
  return value
}
