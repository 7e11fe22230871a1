import { encodeEventTopics, getAbiItem, parseEventLogs } from 'viem'
import type { Hex } from '../protocol/bytes.ts'
import type { Committee } from '../protocol/wire/committee.ts'
import type { Chain } from './connectChain.ts'
import { componentRegistryAbi as abi } from './generated/componentRegistry.ts'
import { readLogs } from './readLogs.ts'

const REGISTERED = getAbiItem({ abi, name: 'Registered' })

/**
 * Who a component was registered with, from the event of its registration; undefined where nobody registered it. The
 * endpoint's word alone: check it against a head's committee hash.
 */
export async function readGenesis(
  chain: Chain,
  { address, component }: { address: Hex; component: Hex },
): Promise<{ componentId: Hex; committee: Committee } | undefined> {
  const topics = encodeEventTopics({ abi: [REGISTERED], args: { component } })
  const logs = parseEventLogs({ abi: [REGISTERED], logs: await readLogs(chain, { address, topics }) })
  const args = logs[0]?.args
  if (args === undefined) return undefined
  const signers = args.signers.map((signer) => signer.toLowerCase() as Hex)
  return { componentId: args.componentId, committee: { signers, details: args.details } }
}
