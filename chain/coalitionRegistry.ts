import { encodeEventTopics, encodeFunctionData, getAbiItem, type Log, parseEventLogs } from 'viem'
import type { Hex } from '../protocol/bytes.ts'
import { NoContractError } from './componentRegistry.ts'
import { type Chain, RpcRefusedError } from './connectChain.ts'
import type { Sender } from './createSender.ts'
import { hasCode } from './deployRegistry.ts'
import { coalitionRegistryAbi as abi } from './generated/coalitionRegistry.ts'
import { readLogs } from './readLogs.ts'
import { callRegistry, RegistryRefusedError } from './registryRefusal.ts'

const PUBLISHED = getAbiItem({ abi, name: 'Published' })

/** A config that an operator published. Its id is the operator's word: derive it from the bytes and compare. */
export type PublishedConfig = {
  operator: Hex
  coalition: Hex
  coalitionId: Hex
  /** 1, 2, 3 … of this operator and coalition. */
  sequence: bigint
  /** Canonical bytes of spec §3.1, as claimed. */
  config: Hex
  blockNumber: bigint
}

/** Typed reads and writes of one coalition registry (contracts/interfaces/ICoalitionRegistry.sol). */
export type CoalitionRegistry = {
  readonly chain: Chain
  readonly address: Hex
  /** Publishes in the sender's own name. @throws {RegistryRefusedError} */
  publish(sender: Sender, parameters: { coalition: Hex; coalitionId: Hex; config: Hex }): Promise<PublishedConfig>
  /** What the operator published last under this coalition; undefined where nothing. */
  readLatest(parameters: {
    operator: Hex
    coalition: Hex
  }): Promise<{ coalitionId: Hex; sequence: bigint; publishedAt: bigint } | undefined>
  /** Whether the operator ever published this config: what a consumer that pinned it asks. */
  isPublished(parameters: { operator: Hex; coalitionId: Hex }): Promise<boolean>
  /** All that the operator published under this coalition, in order, from events. */
  readPublished(parameters: { operator: Hex; coalition: Hex; fromBlock?: bigint }): Promise<PublishedConfig[]>
}

/**
 * The coalition registry at `address`.
 *
 * @throws {NoContractError} there is no code.
 */
export async function openCoalitionRegistry(chain: Chain, { address }: { address: Hex }): Promise<CoalitionRegistry> {
  const { client } = chain
  if (!(await hasCode(chain, address))) throw new NoContractError({ address, chainId: chain.chainId })
  const contract = { address, abi } as const
  return {
    chain,
    address,
    async publish(sender, { coalition, coalitionId, config }) {
      const args = [coalition, coalitionId, config] as const
      const data = encodeFunctionData({ ...contract, functionName: 'publish', args })
      const { logs, status } = await callRegistry(chain, () => sender.send({ to: address, data }))
      if (status !== 'success') throw new RegistryRefusedError({ errorName: undefined })
      const [published] = toPublished(logs.filter((log) => log.address.toLowerCase() === address))
      if (published === undefined)
        throw new RpcRefusedError({ host: chain.host, reason: 'its receipt lacks the event' })
      return published
    },
    readLatest: ({ operator, coalition }) =>
      callRegistry(chain, async () => {
        const args = [operator, coalition] as const
        const latest = await client.readContract({ ...contract, functionName: 'latest', args })
        return latest.sequence === 0n ? undefined : latest
      }),
    isPublished: ({ operator, coalitionId }) =>
      callRegistry(chain, () =>
        client.readContract({ ...contract, functionName: 'isPublished', args: [operator, coalitionId] }),
      ),
    async readPublished({ operator, coalition, fromBlock = 0n }) {
      const topics = encodeTopics({ operator, coalition })
      return toPublished(await readLogs(chain, { address, topics, fromBlock })).sort((a, b) =>
        a.sequence < b.sequence ? -1 : 1,
      )
    },
  }
}

function encodeTopics({ operator, coalition }: { operator: Hex; coalition: Hex }) {
  return encodeEventTopics({ abi: [PUBLISHED], args: { operator, coalition } })
}

const toPublished = (logs: Log[]): PublishedConfig[] =>
  parseEventLogs({ abi: [PUBLISHED], logs }).map(({ args, blockNumber }) => ({
    ...args,
    operator: args.operator.toLowerCase() as Hex,
    blockNumber,
  }))
