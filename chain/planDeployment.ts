import type { Hex } from '../protocol/bytes.ts'
import { CREATE2_PROXY_ADDRESS, DEPLOYED_CONTRACTS, type DeployedContract, REGISTRY_SALT } from './addresses.ts'
import { type Chain, request } from './connectChain.ts'
import { hasCode, PROXY_COST_WEI } from './deployRegistry.ts'

/** What a deployment would do, found out without sending anything. */
export type DeploymentPlan = {
  /** Whether the proxy that creates contracts is there; else its creation comes first. */
  hasProxy: boolean
  contracts: readonly { name: DeployedContract['name']; address: Hex; isDeployed: boolean; gas: bigint }[]
  /** The most that all of it costs at today's base fee, doubled, in wei. */
  costWei: bigint
}

/** Creation by the proxy beside the call itself: base, CREATE2, and 200 gas for each byte of code (yellow paper, G). */
const CREATION_GAS = 21_000n + 32_000n
const CODE_BYTE_GAS = 200n
/** Calldata at 16 a byte, which the constructor's own work stays below, and 2 for each word of init code (EIP-3860). */
const INIT_CODE_BYTE_GAS = 17n

/** Looks what is there. Where the proxy is, gas is the node's estimate; else it is computed from above. */
export async function planDeployment(chain: Chain): Promise<DeploymentPlan> {
  const { client, host } = chain
  const hasProxy = await hasCode(chain, CREATE2_PROXY_ADDRESS)
  const contracts = []
  for (const { name, address, initCode } of DEPLOYED_CONTRACTS) {
    const isDeployed = await hasCode(chain, address)
    const data: Hex = `${REGISTRY_SALT}${initCode.slice(2)}`
    const estimate = (): Promise<bigint> => request(host, () => client.estimateGas({ to: CREATE2_PROXY_ADDRESS, data }))
    const sizeBytes = BigInt(data.length / 2)
    const bound = CREATION_GAS + sizeBytes * (CODE_BYTE_GAS + INIT_CODE_BYTE_GAS)
    contracts.push({ name, address, isDeployed, gas: isDeployed ? 0n : hasProxy ? await estimate() : bound })
  }
  const { baseFeePerGas } = await request(host, () => client.getBlock())
  const gas = contracts.reduce((sum, each) => sum + each.gas, 0n)
  const proxyWei = hasProxy || gas === 0n ? 0n : PROXY_COST_WEI
  return { hasProxy, contracts, costWei: 2n * gas * (baseFeePerGas ?? 0n) + proxyWei }
}
