import { COALITION_REGISTRY_ADDRESS } from '../../chain/addresses.ts'
import { openCoalitionRegistry } from '../../chain/coalitionRegistry.ts'
import type { Chain } from '../../chain/connectChain.ts'
import type { Hex } from '../../protocol/bytes.ts'
import type { CoalitionConfig } from '../../protocol/identity/coalition.ts'

export type ConfigCheckParameters = {
  coalition: Pick<CoalitionConfig, 'coalition' | 'coalitionId'>
  /** Whose publications decide; without one, the config is taken for the newest. */
  operator: Hex | undefined
  /** Address of the CoalitionRegistry. @default the one that it has on every chain */
  address?: Hex
}

/**
 * Tells whether a config is the newest that its operator published for the coalition (spec §7.2).
 *
 * @returns throws {NoContractError} where the chain has no such registry, and what the chain throws.
 */
export const createConfigCheck =
  (
    { chain }: { chain: Chain },
    { coalition, operator, address = COALITION_REGISTRY_ADDRESS }: ConfigCheckParameters,
  ): (() => Promise<boolean>) =>
  async () => {
    if (operator === undefined) return true
    const registry = await openCoalitionRegistry(chain, { address })
    const latest = await registry.readLatest({ operator, coalition: coalition.coalition() })
    return latest?.coalitionId === coalition.coalitionId()
  }
