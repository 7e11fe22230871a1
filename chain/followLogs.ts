import type { Log } from 'viem'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { type Chain, request } from './connectChain.ts'
import { type ReadLogsParameters, readLogs } from './readLogs.ts'

export class ReorgTooDeepError extends CoalitionError {
  constructor({ blockNumber, confirmations }: { blockNumber: bigint; confirmations: number }) {
    super('REORG_TOO_DEEP', `Block ${blockNumber} was replaced after ${confirmations} confirmations.`, {
      fix: 'Find out what happened to the chain, raise the confirmations, and start again from the registry’s events.',
      kind: 'refused',
    })
  }
}

/**
 * What became of a log between two looks at the chain; `fact` is the same object each time. One that moves to another block
 * is removed and seen again.
 */
export type LogNews<Fact> = { kind: 'seen' | 'confirmed' | 'removed'; fact: Fact }

export type FollowLogsParameters<Fact> = Pick<ReadLogsParameters, 'address' | 'topics' | 'blockCountMax'> & {
  /** What a log says; undefined where it is none of the events that were asked for. */
  toFact(log: Log<bigint, number, false>): Fact | undefined
  /** Blocks, its own included, after which a log counts; 12 by default. */
  confirmations?: number | undefined
  /** First block looked at; 0 by default. */
  fromBlock?: bigint | undefined
}

/**
 * Follows a contract's logs through reorganisations (spec §7.2). Keeps nothing outside the process: a new one tells everything
 * again, from `fromBlock` on.
 *
 * @returns Looks at the chain and tells what changed since the last look: removals first, then in order. It throws
 *   `ReorgTooDeepError` where a block that counted as final was replaced.
 */
export function followLogs<Fact>(chain: Chain, parameters: FollowLogsParameters<Fact>): () => Promise<LogNews<Fact>[]> {
  const { address, topics, toFact, confirmations = 12, fromBlock = 0n, blockCountMax } = parameters
  const waiting = new Map<string, Fact>()
  /** The newest block that counts as final, by which a replacement of it shows. */
  let final: { blockNumber: bigint; blockHash: Hex } | undefined

  return async () => {
    const newest = await request(chain.host, () => chain.client.getBlockNumber())
    await assertFinalStands(newest)
    const logs = await readNewLogs(newest)
    const finalNumber = newest - BigInt(confirmations) + 1n
    const next = finalNumber < 0n ? undefined : await readFinal(finalNumber)

    const news: LogNews<Fact>[] = []
    for (const [key, fact] of waiting) {
      if (logs.has(key)) continue
      waiting.delete(key)
      news.push({ kind: 'removed', fact })
    }
    for (const [key, { fact: again, blockNumber }] of logs) {
      const fact = waiting.get(key) ?? again
      if (!waiting.has(key)) news.push({ kind: 'seen', fact })
      waiting.set(key, fact)
      if (blockNumber > finalNumber) continue
      waiting.delete(key)
      news.push({ kind: 'confirmed', fact })
    }
    if (next !== undefined && (final === undefined || next.blockNumber > final.blockNumber)) final = next
    return news
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

  async function readNewLogs(toBlock: bigint): Promise<Map<string, { fact: Fact; blockNumber: bigint }>> {
    const first = final === undefined ? fromBlock : final.blockNumber + 1n
    const range = blockCountMax === undefined ? {} : { blockCountMax }
    const logs = await readLogs(chain, { address, topics, fromBlock: first, toBlock, ...range })
    const found = new Map<string, { fact: Fact; blockNumber: bigint }>()
    for (const log of logs as Log<bigint, number, false>[]) {
      const fact = toFact(log)
      if (fact === undefined) continue
      found.set(`${log.blockHash} ${log.logIndex}`, { fact, blockNumber: log.blockNumber })
    }
    return found
  }
}
