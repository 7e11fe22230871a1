import {
  BaseError,
  createPublicClient,
  HttpRequestError,
  http,
  type PublicClient,
  RpcRequestError,
  TimeoutError,
} from 'viem'
import { CoalitionError } from '../protocol/errors.ts'

/** A JSON-RPC endpoint whose chain id was checked. */
export type Chain = {
  readonly client: PublicClient
  readonly chainId: number
  /** Host and port of the endpoint, for messages: its path and query may hold a key. */
  readonly host: string
}

export class RpcUnreachableError extends CoalitionError {
  /** @param parameters.answer what answers there with, where it is no JSON-RPC. */
  constructor({ host, answer, cause }: { host: string; answer?: string | undefined; cause?: unknown }) {
    const message =
      answer === undefined
        ? `The chain's RPC endpoint at ${host} does not answer.`
        : `What answers at ${host} is no JSON-RPC endpoint: ${answer}.`
    super('RPC_UNREACHABLE', message, {
      fix: 'Check the URL and that a node listens there; for one of your own run `npm run local-chain`, which serves http://127.0.0.1:8545.',
      isRetryable: true,
      cause,
    })
  }
}

export class RpcRefusedError extends CoalitionError {
  constructor({ host, reason, cause }: { host: string; reason: string; cause?: unknown }) {
    super('RPC_REFUSED', `The RPC endpoint at ${host} refused a request: ${reason}.`, {
      fix: 'Check what the endpoint allows (rate, range of logs, methods) and the sender’s balance; or use another endpoint.',
      isRetryable: true,
      cause,
    })
  }
}

export class InvalidRpcUrlError extends CoalitionError {
  constructor() {
    super('INVALID_RPC_URL', 'The RPC URL is not an http or https URL.', {
      fix: 'Give it as http://HOST:PORT or https://HOST/PATH.',
    })
  }
}

export class WrongChainError extends CoalitionError {
  constructor({ expected, actual }: { expected: number | bigint; actual: number }) {
    super('WRONG_CHAIN', `The endpoint serves chain ${actual}, not ${expected}.`, {
      fix: 'Use an endpoint of the chain that the configuration names as home.',
    })
  }
}

export type ConnectChainParameters = {
  rpcUrl: string
  /** The chain it must be. Left out: whichever it is. */
  chainId?: number | bigint | undefined
  /** How long a request may take; 10,000 by default. */
  timeoutMs?: number
}

/**
 * Connects to an Ethereum JSON-RPC endpoint over HTTP.
 *
 * @throws {InvalidRpcUrlError} `rpcUrl` is not an http or https URL.
 * @throws {RpcUnreachableError} nothing answers there, or nothing that speaks JSON-RPC.
 * @throws {WrongChainError} it serves another chain.
 */
export async function connectChain(parameters: ConnectChainParameters): Promise<Chain> {
  const { rpcUrl, chainId: expected, timeoutMs = 10_000 } = parameters
  const url = URL.canParse(rpcUrl) ? new URL(rpcUrl) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') throw new InvalidRpcUrlError()
  const transport = http(rpcUrl, { timeout: timeoutMs, retryCount: 1 })
  const client = createPublicClient({ transport, cacheTime: 0, pollingInterval: 100 })
  const answer: unknown = await request(url.host, () => client.request({ method: 'eth_chainId' }))
  if (typeof answer !== 'string' || !/^0x[0-9a-f]{1,13}$/i.test(answer)) {
    throw new RpcUnreachableError({ host: url.host, answer: 'it names no chain' })
  }
  const chainId = Number(answer)
  if (expected !== undefined && BigInt(chainId) !== BigInt(expected))
    throw new WrongChainError({ expected, actual: chainId })
  return { client, chainId, host: url.host }
}

/** Runs a request of viem's and gives what goes wrong on the way our own names; leaves a contract's revert as it is. */
export async function request<T>(host: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof BaseError) || findRevertData(error) !== undefined) throw error
    // A transport of ours says what is wrong in our own names already.
    const ours = error.walk((inner) => inner instanceof CoalitionError)
    if (ours !== null) throw ours
    const cause = error.walk((inner) => inner instanceof HttpRequestError || inner instanceof TimeoutError)
    if (cause !== null) throw new RpcUnreachableError({ host, answer: describeAnswer(cause), cause })
    const refused = error.walk((inner) => inner instanceof RpcRequestError) as RpcRequestError | null
    throw new RpcRefusedError({ host, reason: refused?.details ?? error.shortMessage, cause: error })
  }
}

/** With these a server says that it has nothing of the kind; with others an endpoint says that it will not just now. */
const NO_ENDPOINT_STATUSES: readonly number[] = [400, 404, 405, 415]

/** What shows that something answers and speaks no JSON-RPC; undefined where nothing does. */
function describeAnswer(cause: Error): string | undefined {
  if (!(cause instanceof HttpRequestError)) return undefined
  if (cause.cause instanceof SyntaxError) return 'it sends no JSON'
  const { status } = cause
  return status !== undefined && NO_ENDPOINT_STATUSES.includes(status) ? `HTTP status ${status}` : undefined
}

/** The data that a call reverted with, wherever in the chain of causes the node's answer put it. */
export function findRevertData(error: unknown): `0x${string}` | undefined {
  if (!(error instanceof BaseError)) return undefined
  let found: `0x${string}` | undefined
  error.walk((inner) => {
    const { data } = inner as { data?: unknown }
    const candidate = typeof data === 'object' && data !== null ? (data as { data?: unknown }).data : data
    if (typeof candidate === 'string' && /^0x(?:[0-9a-f]{2})*$/i.test(candidate)) found = candidate as `0x${string}`
    return found !== undefined
  })
  return found
}
