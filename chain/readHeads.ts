import { parseEventLogs, toEventSelector } from 'viem'
import type { Hex } from '../protocol/bytes.ts'
import type { Chain } from './connectChain.ts'
import { componentRegistryAbi as abi } from './generated/componentRegistry.ts'
import { fromPackedHead, type Head } from './head.ts'
import { readLogs } from './readLogs.ts'

// Both events carry the component as their first topic and a head among their data.
const HEAD_EVENTS = abi.filter((item) => item.type === 'event' && item.name !== 'Retired')
const SELECTORS = HEAD_EVENTS.map((event) => toEventSelector(event))

export type ReadHeadsParameters = {
  /** The registry's address. */
  address: Hex
  /** Component key. */
  component: Hex
  /** First block looked at; 0 by default. */
  fromBlock?: bigint
}

/**
 * Every head that a component ever had on this chain, in order, from events alone (spec §7.2). The first is the genesis
 * head, the last the newest as far as the endpoint tells: whoever relies on that asks the registry `isNewest`.
 *
 * @returns Empty where nobody registered the component.
 */
export async function readHeads(chain: Chain, parameters: ReadHeadsParameters): Promise<Head[]> {
  const { address, component, fromBlock = 0n } = parameters
  const logs = await readLogs(chain, { address, topics: [SELECTORS, component], fromBlock })
  return parseEventLogs({ abi: HEAD_EVENTS, logs })
    .map(({ args }) => fromPackedHead(args.head))
    .sort((a, b) => (a.anchorIndex < b.anchorIndex ? -1 : 1))
}

/** `readHeads` of every component at once, by component key: the whole registry, rebuilt from events alone. */
export async function readAllHeads(
  chain: Chain,
  { address, fromBlock = 0n }: { address: Hex; fromBlock?: bigint },
): Promise<ReadonlyMap<Hex, readonly Head[]>> {
  const logs = await readLogs(chain, { address, topics: [SELECTORS], fromBlock })
  const heads = new Map<Hex, Head[]>()
  for (const { args } of parseEventLogs({ abi: HEAD_EVENTS, logs })) {
    heads.set(args.component, [...(heads.get(args.component) ?? []), fromPackedHead(args.head)])
  }
  for (const each of heads.values()) each.sort((a, b) => (a.anchorIndex < b.anchorIndex ? -1 : 1))
  return heads
}
