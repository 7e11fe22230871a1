import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createHardhatRuntimeEnvironment } from 'hardhat/hre'
import { type Abi, createPublicClient, custom, encodeDeployData, type TransactionReceipt } from 'viem'
import type { Chain } from '../../chain/connectChain.ts'
import { createSender, type Sender } from '../../chain/createSender.ts'
import { fromHex, type Hex } from '../../protocol/bytes.ts'
import { collectCoverage } from './collectCoverage.ts'

// Public: the first two accounts of every Hardhat node.
const SECRET_KEYS: readonly Hex[] = [
  '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
  '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d',
]

/** An EVM chain inside the test's own process: each block holds one transaction and is made at once. */
export type TestChain = {
  chain: Chain
  sender: Sender
  /** Another account, with ether and without any role. */
  stranger: Sender
  request(method: string, params?: readonly unknown[]): Promise<unknown>
  /** Time of the newest block, in milliseconds since the Unix epoch. */
  readTimeMs(): Promise<bigint>
  /** Puts a built artifact of `contracts/` or `test/contracts/` on the chain. */
  deploy(
    source: string,
    options?: { args?: readonly unknown[]; valueWei?: bigint },
  ): Promise<{ address: Hex; abi: Abi }>
}

export async function createTestChain(): Promise<TestChain> {
  const hre = await createHardhatRuntimeEnvironment({
    networks: { test: { type: 'edr-simulated', chainType: 'l1', chainId: 31_337, hardfork: 'osaka' } },
  })
  collectCoverage(hre)
  const { provider } = await hre.network.create('test')
  const request = (method: string, params: readonly unknown[] = []): Promise<unknown> =>
    provider.request({ method, params: [...params] })
  const transport = custom({ request: ({ method, params }) => request(method, params) }, { retryCount: 0 })
  const client = createPublicClient({ transport, cacheTime: 0, pollingInterval: 10 })
  const chain: Chain = { client, chainId: await client.getChainId(), host: 'in-process' }
  const [sender, stranger] = SECRET_KEYS.map((key) => createSender(chain, { secretKey: fromHex(key) }))

  return {
    chain,
    sender: sender!,
    stranger: stranger!,
    request,
    readTimeMs: async () => (await client.getBlock()).timestamp * 1000n,
    async deploy(source, { args = [], valueWei = 0n } = {}) {
      const { abi, bytecode } = readArtifact(source)
      const data = encodeDeployData({ abi, bytecode, args: [...args] })
      const receipt = await sendCreation({ from: sender!.address, data, valueWei })
      return { address: receipt.contractAddress!.toLowerCase() as Hex, abi }
    },
  }

  async function sendCreation(call: { from: Hex; data: Hex; valueWei: bigint }): Promise<TransactionReceipt> {
    const value = `0x${call.valueWei.toString(16)}`
    const hash = (await request('eth_sendTransaction', [{ from: call.from, data: call.data, value }])) as Hex
    return await client.waitForTransactionReceipt({ hash, pollingInterval: 10 })
  }
}

/** The artifact that scripts/build.ts left for the contract that bears its file's name. */
export function readArtifact(source: string): { abi: Abi; bytecode: Hex; deployedBytecode: Hex } {
  const name = source.slice(source.lastIndexOf('/') + 1, -'.sol'.length)
  const path = join(import.meta.dirname, '../../artifacts', source, `${name}.json`)
  return JSON.parse(readFileSync(path, 'utf8')) as { abi: Abi; bytecode: Hex; deployedBytecode: Hex }
}
