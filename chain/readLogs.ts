import { type EIP1474Methods, formatLog, type Log, numberToHex } from 'viem'
import type { Hex } from '../protocol/bytes.ts'
import { type Chain, RpcRefusedError, request } from './connectChain.ts'

export type ReadLogsParameters = {
  /** The contract's address. */
  address: Hex
  /** As `eth_getLogs` takes them: one topic, several of which any will do, or null for any, at each place. */
  topics: readonly (Hex | readonly Hex[] | null)[]
  /** First block looked at; 0 by default. */
  fromBlock?: bigint
  /** Last block looked at; the newest by default. */
  toBlock?: bigint
  /** Blocks asked for at once, to begin with; 10,000,000 by default, which is all of them. */
  blockCountMax?: bigint
}

/**
 * Logs of a contract in order, in as many requests as the endpoint makes necessary: where it refuses a range (too many
 * blocks, too many results) each half is asked for, down to single blocks.
 *
 * @throws {RpcRefusedError} it refuses a single block.
 */
export async function readLogs(chain: Chain, parameters: ReadLogsParameters): Promise<Log[]> {
  const { address, topics, fromBlock = 0n, blockCountMax = 10_000_000n } = parameters
  const toBlock = parameters.toBlock ?? (await request(chain.host, () => chain.client.getBlockNumber()))
  const logs: Log[] = []
  let blockCount = blockCountMax
  for (let from = fromBlock; from <= toBlock; ) {
    const last = from + blockCount - 1n
    const to = last < toBlock ? last : toBlock
    try {
      logs.push(...(await readRange(from, to)))
      from = to + 1n
    } catch (error) {
      // What answers for no range at all would be asked 24 times over; a single block is the proof of that.
      if (!(error instanceof RpcRefusedError) || from === to) throw error
      blockCount = (to - from + 1n) / 2n
    }
  }
  return logs

  async function readRange(from: bigint, to: bigint): Promise<Log[]> {
    const filter = {
      address,
      topics: topics.map((topic) => (Array.isArray(topic) ? [...topic] : topic)) as Filter['topics'],
      fromBlock: numberToHex(from),
      toBlock: numberToHex(to),
    }
    const found = await request(chain.host, () =>
      chain.client.request<GetLogs>({ method: 'eth_getLogs', params: [filter as never] }),
    )
    return found.map((log) => formatLog(log))
  }
}

type GetLogs = Extract<EIP1474Methods[number], { Method: 'eth_getLogs' }>
type Filter = Extract<GetLogs['Parameters'][0], { topics?: unknown }>
