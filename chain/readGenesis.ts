import { encodeEventTopics, getAbiItem, parseEventLogs } from 'viem'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { deriveComponentKey } from '../protocol/identity/component.ts'
import { type Committee, hashCommittee } from '../protocol/wire/committee.ts'
import type { Chain } from './connectChain.ts'
import { componentRegistryAbi as abi } from './generated/componentRegistry.ts'
import { readLogs } from './readLogs.ts'

const REGISTERED = getAbiItem({ abi, name: 'Registered' })

export class GenesisUnprovenError extends CoalitionError {
  constructor({ component, host }: { component: Hex; host: string }) {
    super('GENESIS_UNPROVEN', `What ${host} gives as the registration of component ${component} is not of it.`, {
      fix: 'Use another endpoint: the registry emits an id and a committee that hash to the component key.',
      kind: 'refused',
    })
  }
}

/** What a component's key is made of (spec §7.1). */
export type Genesis = { componentId: Hex; committee: Committee }

/**
 * Who a component was registered with, from the event of its registration; undefined where the endpoint knows of none. An
 * id and a committee that hash to the key are the component's, whoever says so.
 *
 * @throws {GenesisUnprovenError} they do not hash to it.
 */
export async function readGenesis(
  chain: Chain,
  { address, component }: { address: Hex; component: Hex },
): Promise<Genesis | undefined> {
  const topics = encodeEventTopics({ abi: [REGISTERED], args: { component } })
  const logs = parseEventLogs({ abi: [REGISTERED], logs: await readLogs(chain, { address, topics }) })
  const args = logs[0]?.args
  if (args === undefined) return undefined
  const { componentId, details } = args
  const committee: Committee = { signers: args.signers.map((signer) => signer.toLowerCase() as Hex), details }
  if (deriveComponentKey({ componentId, committee: hashCommittee(committee) }) !== component)
    throw new GenesisUnprovenError({ component, host: chain.host })
  return { componentId, committee }
}
