import { createPublicClient, custom, hexToBigInt, numberToHex } from 'viem'
import { CoalitionError } from '../protocol/errors.ts'
import { type Chain, connectChain, findRevertData, RpcUnreachableError, request } from './connectChain.ts'

export class RpcDisagreementError extends CoalitionError {
  constructor({ method, hosts }: { method: string; hosts: readonly string[] }) {
    super('RPC_DISAGREEMENT', `The endpoints ${hosts.join(', ')} do not agree on ${method}.`, {
      fix: 'Try again, as one may lag behind; if it stays so, one of them is wrong: compare them with a node of your own.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

export class EndpointCountError extends CoalitionError {
  constructor({ endpointCount, agreeCount }: { endpointCount: number; agreeCount: number }) {
    super('ENDPOINT_COUNT', `${agreeCount} of ${endpointCount} endpoints cannot be asked to agree.`, {
      fix: 'Give at least as many RPC URLs as have to agree, and ask for at least one.',
    })
  }
}

export type ConnectEndpointsParameters = {
  rpcUrls: readonly string[]
  /** How many must give the same answer; more than half of the endpoints by default. */
  agreeCount?: number
  /** The chain that all of them must serve. */
  chainId: number | bigint
  /** How long a request may take; 10,000 by default. */
  timeoutMs?: number
}

/**
 * Several endpoints as one: an answer counts when `agreeCount` of them give it, so that fewer than that many may lie, lag
 * or refuse. Questions about the newest block are asked about the newest that as many have reached.
 *
 * @throws {EndpointCountError} that many can never agree.
 * @throws {WrongChainError} one serves another chain: that is a mistake, not an outage.
 * @throws {RpcUnreachableError | RpcRefusedError} too few answer.
 */
export async function connectEndpoints(parameters: ConnectEndpointsParameters): Promise<Chain> {
  const { rpcUrls, chainId, timeoutMs } = parameters
  const { agreeCount = Math.floor(rpcUrls.length / 2) + 1 } = parameters
  if (agreeCount < 1 || agreeCount > rpcUrls.length) {
    throw new EndpointCountError({ endpointCount: rpcUrls.length, agreeCount })
  }
  const connections = await Promise.allSettled(
    rpcUrls.map((rpcUrl) => connectChain({ rpcUrl, chainId, ...(timeoutMs === undefined ? {} : { timeoutMs }) })),
  )
  const failures = connections.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []))
  // What is down now may come back; what serves another chain or is no URL never will.
  const fatal = failures.find((failure) => !(failure instanceof CoalitionError && failure.isRetryable))
  if (fatal !== undefined) throw fatal
  const endpoints = connections.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  if (endpoints.length < agreeCount) throw failures[0]
  return joinEndpoints(endpoints, { agreeCount })
}

/** `connectEndpoints` of chains that are connected already. */
export function joinEndpoints(endpoints: readonly Chain[], { agreeCount }: { agreeCount: number }): Chain {
  const hosts = endpoints.map(({ host }) => host)
  const ask = (endpoint: Chain, call: Call): Promise<unknown> =>
    request(endpoint.host, () => endpoint.client.request(call as never))
  const askAll = (call: Call): Promise<PromiseSettledResult<unknown>[]> =>
    Promise.allSettled(endpoints.map((endpoint) => ask(endpoint, call)))

  const askAgreed = async (call: Call): Promise<unknown> => {
    const outcomes = await askAll(call)
    const groups = new Map<string, { count: number; outcome: PromiseSettledResult<unknown> }>()
    for (const outcome of outcomes) {
      const key = describeOutcome(call.method, outcome)
      if (key === undefined) continue
      const group = groups.get(key) ?? { count: 0, outcome }
      groups.set(key, { ...group, count: group.count + 1 })
    }
    const counts = [...groups.values()]
    const agreed = counts.find(({ count }) => count >= agreeCount)?.outcome
    if (agreed?.status === 'fulfilled') return agreed.value
    if (agreed !== undefined) throw agreed.reason
    // A transaction that some do not have yet is in no block for us yet.
    if (LOOKUPS.has(call.method) && groups.size > 0) return null
    const answerCount = counts.reduce((sum, { count }) => sum + count, 0)
    if (answerCount < agreeCount) throw firstFailure(outcomes) ?? new RpcUnreachableError({ host: hosts.join(', ') })
    throw new RpcDisagreementError({ method: call.method, hosts })
  }

  /** Numbers on which endpoints need not agree: the `agreeCount`-th greatest, which as many reach. */
  const askNumber = async (call: Call): Promise<string> => {
    const outcomes = await askAll(call)
    const values = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [hexToBigInt(each.value as '0x')] : []))
    const chosen = values.sort((a, b) => (a > b ? -1 : 1))[agreeCount - 1]
    if (chosen === undefined) throw firstRevert(outcomes) ?? firstFailure(outcomes)
    return numberToHex(chosen)
  }

  const handle = async (call: Call): Promise<unknown> => {
    if (NUMBERS.has(call.method)) return askNumber(call)
    if (call.method === 'eth_sendRawTransaction') {
      const outcomes = await askAll(call)
      const accepted = outcomes.find(({ status }) => status === 'fulfilled')
      if (accepted?.status === 'fulfilled') return accepted.value
      throw firstFailure(outcomes)
    }
    const place = BLOCK_TAG_PLACES[call.method]
    const isNewest = place !== undefined && (call.params?.[place] ?? 'latest') === 'latest'
    if (!isNewest) return askAgreed(call)
    const params = [...(call.params ?? [])]
    params[place] = await askNumber({ method: 'eth_blockNumber' })
    return askAgreed({ ...call, params })
  }

  // Each endpoint's own client has tried again already.
  const transport = custom({ request: handle as never }, { retryCount: 0 })
  const client = createPublicClient({ transport, cacheTime: 0, pollingInterval: 100 })
  return { client, chainId: endpoints[0]!.chainId, host: hosts.join(', ') }
}

type Call = { method: string; params?: readonly unknown[] }

const NUMBERS = new Set(['eth_blockNumber', 'eth_estimateGas', 'eth_gasPrice', 'eth_maxPriorityFeePerGas'])
const LOOKUPS = new Set(['eth_getTransactionReceipt', 'eth_getTransactionByHash'])

/** Where a method's block stands among its parameters. */
const BLOCK_TAG_PLACES: Record<string, number> = {
  eth_call: 1,
  eth_getBalance: 1,
  eth_getCode: 1,
  eth_getTransactionCount: 1,
  eth_getStorageAt: 2,
  eth_getBlockByNumber: 0,
}

/** What nodes agree on: some add fields of their own to logs, blocks and receipts. */
const COMPARED = new Set([
  ...['address', 'topics', 'data', 'blockNumber', 'blockHash', 'transactionHash', 'logIndex'],
  ...['hash', 'number', 'parentHash', 'timestamp', 'baseFeePerGas', 'stateRoot'],
  ...['status', 'gasUsed', 'logs', 'from', 'to', 'nonce', 'input', 'value'],
])

/** What an answer says, for comparison; undefined where it is none. A revert is an answer like any other. */
function describeOutcome(method: string, outcome: PromiseSettledResult<unknown>): string | undefined {
  if (outcome.status === 'rejected') {
    const data = findRevertData(outcome.reason)
    return data === undefined ? undefined : `revert ${data}`
  }
  if (LOOKUPS.has(method) && outcome.value === null) return undefined
  return JSON.stringify(toComparable(outcome.value))
}

function toComparable(value: unknown): unknown {
  if (typeof value === 'string') return value.toLowerCase()
  if (Array.isArray(value)) return value.map(toComparable)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value)
    .filter(([key]) => COMPARED.has(key))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => [key, toComparable(inner)])
}

const firstRevert = (outcomes: readonly PromiseSettledResult<unknown>[]): unknown =>
  outcomes
    .flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []))
    .find((reason) => findRevertData(reason) !== undefined)

const firstFailure = (outcomes: readonly PromiseSettledResult<unknown>[]): unknown =>
  outcomes.find((each): each is PromiseRejectedResult => each.status === 'rejected')?.reason
