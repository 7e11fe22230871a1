import { encodeEventTopics, getAbiItem, parseEventLogs } from 'viem'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { type Chain, request } from './connectChain.ts'
import { componentRegistryAbi as abi } from './generated/componentRegistry.ts'
import { fromPackedHead, type Head } from './head.ts'
import { readLogs } from './readLogs.ts'

const ANCHORED = getAbiItem({ abi, name: 'Anchored' })

export class ReorgTooDeepError extends CoalitionError {
  constructor({ blockNumber, confirmations }: { blockNumber: bigint; confirmations: number }) {
    super('REORG_TOO_DEEP', `Block ${blockNumber} was replaced after ${confirmations} confirmations.`, {
      fix: 'Find out what happened to the chain, raise the confirmations, and start again from the registry’s events.',
      kind: 'refused',
    })
  }
}

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
  const { address, component, confirmations = 12, fromBlock = 0n, blockCountMax } = parameters
  const topics = encodeEventTopics({ abi: [ANCHORED], args: { component } })
  const waiting = new Map<string, ObservedAnchor>()
  /** The newest block that counts as final, by which a replacement of it shows. */
  let final: { blockNumber: bigint; blockHash: Hex } | undefined
  let confirmed: ObservedAnchor | undefined

  return {
    get confirmed() {
      return confirmed
    },
    async poll() {
      const newest = await request(chain.host, () => chain.client.getBlockNumber())
      await assertFinalStands(newest)
      const anchors = new Map((await readAnchors(newest)).map((anchor) => [keyOf(anchor), anchor]))
      const finalNumber = newest - BigInt(confirmations) + 1n
      const next = finalNumber < 0n ? undefined : await readFinal(finalNumber)

      const events: FollowerEvent[] = []
      for (const [key, anchor] of waiting) {
        if (anchors.has(key)) continue
        waiting.delete(key)
        events.push({ kind: 'removed', anchor })
      }
      for (const [key, anchor] of anchors) {
        if (!waiting.has(key)) events.push({ kind: 'seen', anchor })
        waiting.set(key, anchor)
        if (anchor.blockNumber > finalNumber) continue
        waiting.delete(key)
        confirmed = anchor
        events.push({ kind: 'confirmed', anchor })
      }
      if (next !== undefined && (final === undefined || next.blockNumber > final.blockNumber)) final = next
      return events
    },
  }

  async function assertFinalStands(newest: bigint): Promise<void> {
    if (final === undefined) return
    const { blockNumber, blockHash } = final
    // A chain that is shorter than what was final has lost it, too, until it proves otherwise.
    const found = blockNumber > newest ? undefined : (await readFinal(blockNumber)).blockHash
    if (found !== blockHash) throw new ReorgTooDeepError({ blockNumber, confirmations })
  }

  async function readFinal(blockNumber: bigint): Promise<{ blockNumber: bigint; blockHash: Hex }> {
    const { hash } = await request(chain.host, () => chain.client.getBlock({ blockNumber }))
    return { blockNumber, blockHash: hash }
  }

  async function readAnchors(toBlock: bigint): Promise<ObservedAnchor[]> {
    const first = final === undefined ? fromBlock : final.blockNumber + 1n
    const range = blockCountMax === undefined ? {} : { blockCountMax }
    const logs = await readLogs(chain, { address, topics, fromBlock: first, toBlock, ...range })
    return parseEventLogs({ abi: [ANCHORED], logs }).map(({ args, transactionHash, blockNumber, blockHash }) => ({
      head: fromPackedHead(args.head),
      commitDigest: args.commit,
      txHash: transactionHash,
      blockNumber,
      blockHash,
    }))
  }
}

const keyOf = ({ blockHash, head }: ObservedAnchor): string => `${blockHash} ${head.anchorIndex}`
