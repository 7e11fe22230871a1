import { parseGwei } from 'viem'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { CREATE2_PROXY_ADDRESS, DEPLOYED_CONTRACTS, type DeployedContract, REGISTRY_SALT } from './addresses.ts'
import { type Chain, request } from './connectChain.ts'
import type { Sender } from './createSender.ts'

export class DeploymentFailedError extends CoalitionError {
  constructor({ what }: { what: string }) {
    super('DEPLOYMENT_FAILED', `${what} has no code after its deployment.`, {
      fix: 'Check the sender’s balance and the chain’s rules for gas, then run the deployment again: it goes on where it stopped.',
      kind: 'refused',
    })
  }
}

// The transaction that creates the proxy, signed before EIP-155 for every chain: 100,000 gas at 100 gwei. Its r and s are
// all twos, so no key belongs to the account that it recovers to.
export const PROXY_TRANSACTION: Hex =
  '0xf8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222'
export const PROXY_CREATOR: Hex = '0x3fab184622dc19b6109349b94811493bf2a45362'
/** What the creator of the proxy must hold, as its transaction has a fixed price. */
export const PROXY_COST_WEI = 100_000n * parseGwei('100')

/**
 * Makes sure that a contract of ours, the component registry by default, is at its address, and the proxy that puts it
 * there. Does nothing where it is. For a chain of one's own: it keeps no record (scripts/deploy.ts does).
 *
 * @returns The contract's address, and the hash of the transaction that created it, if this call did.
 * @throws {DeploymentFailedError} a transaction went through and left no code.
 */
export async function deployRegistry(
  sender: Sender,
  { name, address, initCode }: DeployedContract = DEPLOYED_CONTRACTS[0]!,
): Promise<{ address: Hex; txHash?: Hex }> {
  if (await hasCode(sender.chain, address)) return { address }
  await ensureProxy(sender)
  const data: Hex = `${REGISTRY_SALT}${initCode.slice(2)}`
  const { transactionHash: txHash } = await sender.send({ to: CREATE2_PROXY_ADDRESS, data })
  if (!(await hasCode(sender.chain, address))) throw new DeploymentFailedError({ what: `The ${name}` })
  return { address, txHash }
}

export async function hasCode({ client, host }: Chain, address: Hex): Promise<boolean> {
  const code = await request(host, () => client.getCode({ address }))
  return code !== undefined && code !== '0x'
}

/**
 * Makes sure that the CREATE2 proxy is there: pays its creator, and sends the transaction that was signed for every chain.
 *
 * @throws {DeploymentFailedError} the transaction went through and left no code.
 */
export async function ensureProxy(sender: Sender): Promise<void> {
  const { client, host } = sender.chain
  if (await hasCode(sender.chain, CREATE2_PROXY_ADDRESS)) return
  const balanceWei = await request(host, () => client.getBalance({ address: PROXY_CREATOR }))
  if (balanceWei < PROXY_COST_WEI) {
    await sender.send({ to: PROXY_CREATOR, data: '0x', valueWei: PROXY_COST_WEI - balanceWei })
  }
  const hash = await request(host, () => client.sendRawTransaction({ serializedTransaction: PROXY_TRANSACTION }))
  await request(host, () => client.waitForTransactionReceipt({ hash, pollingInterval: 50 }))
  if (!(await hasCode(sender.chain, CREATE2_PROXY_ADDRESS)))
    throw new DeploymentFailedError({ what: 'The CREATE2 proxy' })
}
