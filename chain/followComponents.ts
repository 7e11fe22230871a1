import { type Log, parseEventLogs, toEventSelector } from 'viem'
import type { Hex } from '../protocol/bytes.ts'
import type { Chain } from './connectChain.ts'
import { followLogs, type LogNews } from './followLogs.ts'
import { componentRegistryAbi as abi } from './generated/componentRegistry.ts'
import { fromPackedHead, type Head } from './head.ts'

/** What the registry says of a component, in one event; its head is the newest from there on (spec §7.2). */
export type ComponentFact = { component: Hex; blockNumber: bigint } & (
  | { kind: 'registered' | 'anchored'; head: Head }
  /** Follows the anchor of the last head, in the same block. `successor` is zero where nothing takes its place. */
  | { kind: 'retired'; successor: Hex; effectiveHeight: bigint; reason: string }
)

export type FollowComponentsParameters = {
  /** The registry's address. */
  address: Hex
  /** Component keys. */
  components: readonly Hex[]
  confirmations?: number | undefined
  fromBlock?: bigint | undefined
}

const EVENTS = abi.filter((item) => item.type === 'event')
const SELECTORS = EVENTS.map((event) => toEventSelector(event))
/** More topics than this an endpoint may refuse: then every component's events are read, and the others' left out. */
const TOPICS_MAX = 128

/**
 * Follows what the registry says of several components at once, through reorganisations: registrations, anchors, rotations
 * (an anchor whose head names another epoch) and retirements. See `followLogs`.
 */
export function followComponents(
  chain: Chain,
  { address, components, confirmations, fromBlock }: FollowComponentsParameters,
): () => Promise<LogNews<ComponentFact>[]> {
  const wanted = new Set(components)
  const topics = [SELECTORS, components.length > TOPICS_MAX ? null : components]
  const look = followLogs(chain, { address, topics, confirmations, fromBlock, toFact })
  return async () => (await look()).filter(({ fact }) => wanted.has(fact.component))
}

function toFact(log: Log<bigint, number, false>): ComponentFact | undefined {
  const [event] = parseEventLogs({ abi: EVENTS, logs: [log] })
  if (event === undefined) return undefined
  const of = { component: event.args.component, blockNumber: log.blockNumber }
  if (event.eventName === 'Retired') {
    const { successor, effectiveHeight, reason } = event.args
    return { ...of, kind: 'retired', successor, effectiveHeight, reason }
  }
  const kind = event.eventName === 'Registered' ? 'registered' : 'anchored'
  return { ...of, kind, head: fromPackedHead(event.args.head) }
}
