import { type Block, BlockNotFoundError } from 'viem'
import type { Hex } from '../protocol/bytes.ts'
import { type Chain, request } from './connectChain.ts'

/** A block that is on the chain: its hash, and its time in milliseconds since 1970. */
export type BlockTime = { digest: Hex; timeMs: number }

/** @throws {RpcUnreachableError | RpcRefusedError} */
export async function readNewestBlock({ client, host }: Chain): Promise<BlockTime> {
  const { hash, timestamp } = await request(host, () => client.getBlock({ blockTag: 'latest' }))
  return { digest: hash, timeMs: Number(timestamp) * 1000 }
}

/**
 * When the block of that hash was made; undefined where there is none, or a reorganisation left it behind.
 *
 * @throws {RpcUnreachableError | RpcRefusedError}
 */
export async function readBlockTimeMs({ client, host }: Chain, blockHash: Hex): Promise<number | undefined> {
  const found = await request(host, () => orUndefined(client.getBlock({ blockHash })))
  if (found === undefined) return undefined
  const canonical = await request(host, () => orUndefined(client.getBlock({ blockNumber: found.number! })))
  return canonical?.hash === blockHash ? Number(found.timestamp) * 1000 : undefined
}

async function orUndefined(block: Promise<Block>): Promise<Block | undefined> {
  try {
    return await block
  } catch (error) {
    if (error instanceof BlockNotFoundError) return undefined
    throw error
  }
}
