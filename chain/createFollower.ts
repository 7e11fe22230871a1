import { encodeEventTopics, getAbiItem, parseEventLogs } from 'viem'
import type { Hex } from '../protocol/bytes.ts'
import type { Chain } from './connectChain.ts'
import { followLogs } from './followLogs.ts'
import { componentRegistryAbi as abi } from './generated/componentRegistry.ts'
import { fromPackedHead, type Head } from './head.ts'

const ANCHORED = getAbiItem({ abi, name: 'Anchored' })

/** An anchor as some block has it. */
export type ObservedAnchor = {
  head: Head
  /** Digest of the anchored commit. */
  commitDigest: Hex
  txHash: Hex
  blockNumber: bigint
  blockHash: Hex
}

/** What became of an anchor between two looks at the chain. One that moves to another block is removed and seen again. */
export type FollowerEvent =
  | { kind: 'seen'; anchor: ObservedAnchor }
  | { kind: 'confirmed'; anchor: ObservedAnchor }
  | { kind: 'removed'; anchor: ObservedAnchor }

export type CreateFollowerParameters = {
  /** The registry's address. */
  address: Hex
  /** Component key. */
  component: Hex
  /** Blocks, its own included, after which an anchor counts; 12 by default. */
  confirmations?: number
  /** First block looked at; 0 by default. */
  fromBlock?: bigint
  /** Blocks asked for at once. */
  blockCountMax?: bigint
}

/** Follows one component's anchors through reorganisations (spec §7.2). */
export type Follower = {
  /**
   * Looks at the chain and tells what changed since the last look: removals first, then by block.
   *
   * @throws {ReorgTooDeepError} a block that counted as final was replaced.
   */
  poll(): Promise<FollowerEvent[]>
  /** The newest anchor that counts; undefined before the first. */
  readonly confirmed: ObservedAnchor | undefined
}

/** Keeps nothing outside the process: a new follower tells everything again, from `fromBlock` on. */
export function createFollower(chain: Chain, parameters: CreateFollowerParameters): Follower {
  const { component, ...rest } = parameters
  const topics = encodeEventTopics({ abi: [ANCHORED], args: { component } })
  let confirmed: ObservedAnchor | undefined
  const look = followLogs<ObservedAnchor>(chain, {
    ...rest,
    topics,
    toFact(log) {
      const [event] = parseEventLogs({ abi: [ANCHORED], logs: [log] })
      if (event === undefined) return undefined
      const { args, transactionHash: txHash, blockNumber, blockHash } = event
      return { head: fromPackedHead(args.head), commitDigest: args.commit, txHash, blockNumber, blockHash }
    },
  })
  return {
    get confirmed() {
      return confirmed
    },
    async poll() {
      const news = await look()
      confirmed = news.findLast(({ kind }) => kind === 'confirmed')?.fact ?? confirmed
      return news.map(({ kind, fact }) => ({ kind, anchor: fact }))
    },
  }
}
