import { type Hash, keccak256, numberToHex, type TransactionReceipt, TransactionReceiptNotFoundError } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { type Hex, toHex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { type Chain, RpcRefusedError, request, WrongChainError } from './connectChain.ts'
import type { SenderLease } from './senderLease.ts'

export class ReceiptTimeoutError extends CoalitionError {
  readonly txHash: Hash

  constructor({ txHash, timeoutMs }: { txHash: Hash; timeoutMs: number }) {
    super('RECEIPT_TIMEOUT', `Transaction ${txHash} is not in a block after ${timeoutMs} ms.`, {
      fix: 'It may still be mined: look before sending again.',
      isRetryable: true,
    })
    this.txHash = txHash
  }
}

export class FeeCapReachedError extends CoalitionError {
  /** Undefined where what waits was sent by an earlier process. */
  readonly txHash: Hash | undefined

  constructor({ txHash, nonce, feeCapWei }: { txHash?: Hash; nonce: number; feeCapWei: bigint }) {
    const what = txHash === undefined ? 'A transaction' : `Transaction ${txHash}`
    super('FEE_CAP_REACHED', `${what} of nonce ${nonce} is stuck at the fee cap of ${feeCapWei} wei a gas.`, {
      fix: 'Wait for cheaper blocks, or raise the cap; the next transaction of this account takes the same nonce.',
      isRetryable: true,
    })
    this.txHash = txHash
  }
}

export class OutOfFundsError extends CoalitionError {
  constructor({ address, balanceWei, costWei }: { address: Hex; balanceWei: bigint; costWei: bigint }) {
    super('OUT_OF_FUNDS', `Account ${address} holds ${balanceWei} wei and its transaction may cost ${costWei}.`, {
      fix: 'Send ether to the account; it needs no role. What was to be sent is sent when it has enough.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

export class NonceTakenError extends CoalitionError {
  constructor({ address, nonce }: { address: Hex; nonce: number }) {
    super('NONCE_TAKEN', `Another transaction of ${address} took nonce ${nonce}.`, {
      fix: 'Look whether what was to be done is done, then try again; give each process a key of its own, or a lease.',
      isRetryable: true,
    })
  }
}

export type Transaction = { to: Hex; data: Hex; valueWei?: bigint }

/** An account that pays for transactions on one chain. It has no authority in any registry. */
export type Sender = {
  readonly chain: Chain
  readonly address: Hex
  /**
   * Sends, waits until a block holds it, and gives the receipt, which may say `reverted`.
   *
   * @throws {FeeCapReachedError} it is stuck, and a higher fee is not allowed: an alarm.
   * @throws {OutOfFundsError} the account cannot pay for it: an alarm.
   * @throws {NonceTakenError} somebody else sent with this key.
   * @throws {ReceiptTimeoutError} no block held it in time.
   * @throws {WrongChainError} the endpoint came to serve another chain.
   */
  send(transaction: Transaction): Promise<TransactionReceipt>
}

export type CreateSenderParameters = {
  /** secp256k1, 32 bytes. */
  secretKey: Uint8Array
  /** How long to wait for a block, replacements included; 60,000 by default. */
  receiptTimeoutMs?: number
  /** How long a transaction may wait before its nonce is sent again with a higher fee; 15,000 by default. */
  replaceAfterMs?: number
  /** The most that a gas may cost, tip included; 200 gwei by default. */
  feeCapWei?: bigint
  /** Held while a transaction is on its way, so that two processes with one key take turns. */
  lease?: SenderLease
}

/** By how much nodes want both fees raised before they replace a transaction: an eighth is above their tenth. */
const RAISE_DIVISOR = 8n
const POLL_MS = 50

/**
 * Makes a sender out of a key. Its transactions go out one after the other, and each takes the first nonce that no block
 * holds: what an earlier process left waiting is replaced, so nothing needs to be remembered. One that waits too long is
 * sent again under its nonce with a higher fee, up to the cap.
 */
export function createSender(chain: Chain, parameters: CreateSenderParameters): Sender {
  const { receiptTimeoutMs = 60_000, replaceAfterMs = 15_000, feeCapWei = 200_000_000_000n, lease } = parameters
  const account = privateKeyToAccount(toHex(parameters.secretKey))
  const address = account.address.toLowerCase() as Hex
  const { client, host } = chain
  let last: Promise<unknown> = Promise.resolve()

  const sendNow = async ({ to, data, valueWei: value = 0n }: Transaction): Promise<TransactionReceipt> => {
    const call = { account: address, to, data, value }
    const gas = await request(host, () => client.estimateGas(call))
    const nonce = await readNonce('latest')
    let fees = capFees(await readFees())
    const hashes: Hash[] = []
    const deadlineMs = performance.now() + receiptTimeoutMs

    const submit = async (): Promise<void> => {
      const balanceWei = await request(host, () => client.getBalance({ address }))
      const costWei = gas * fees.maxFeePerGas + value
      if (balanceWei < costWei) throw new OutOfFundsError({ address, balanceWei, costWei })
      // Signed for the pinned chain, so that no other can take it, whatever the endpoint serves by now.
      const signed = await account.signTransaction({
        ...call,
        ...fees,
        gas,
        nonce,
        chainId: chain.chainId,
        type: 'eip1559',
      })
      try {
        await request(host, () => client.sendRawTransaction({ serializedTransaction: signed }))
      } catch (error) {
        // An earlier process sent this very transaction: it waits already, and its receipt will do.
        if (!isSaid(error, /already known|known transaction|already imported/i)) throw error
      }
      hashes.push(keccak256(signed))
    }
    /** @throws {FeeCapReachedError} they are at the cap. */
    const raise = (): void => {
      const txHash = hashes.at(-1)
      if (fees.maxFeePerGas >= feeCapWei) {
        throw new FeeCapReachedError({ nonce, feeCapWei, ...(txHash === undefined ? {} : { txHash }) })
      }
      fees = capFees({
        maxFeePerGas: raiseFee(fees.maxFeePerGas),
        maxPriorityFeePerGas: raiseFee(fees.maxPriorityFeePerGas),
      })
    }

    await submitOverWaiting(submit, raise)
    for (let replaceAtMs = performance.now() + replaceAfterMs; ; ) {
      const receipt = await findReceipt(hashes)
      if (receipt !== undefined) return receipt
      // A block has the nonce and none of ours has a receipt: asked once more, as the block may have come in between.
      if ((await readNonce('latest')) > nonce) {
        const late = await findReceipt(hashes)
        if (late !== undefined) return late
        throw new NonceTakenError({ address, nonce })
      }
      const txHash = hashes.at(-1)!
      if (performance.now() >= deadlineMs) throw new ReceiptTimeoutError({ txHash, timeoutMs: receiptTimeoutMs })
      if (performance.now() >= replaceAtMs) {
        raise()
        await submit().catch(ignoreUnderpriced)
        replaceAtMs = performance.now() + replaceAfterMs
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  /** Sends at a nonce under which an earlier process may have left something waiting, and outbids it where so. */
  async function submitOverWaiting(submit: () => Promise<void>, raise: () => void): Promise<void> {
    for (;;) {
      try {
        return await submit()
      } catch (error) {
        if (!isUnderpriced(error)) throw error
        raise()
      }
    }
  }

  const readNonce = (blockTag: 'latest'): Promise<number> =>
    request(host, () => client.getTransactionCount({ address, blockTag }))

  async function readFees(): Promise<Fees> {
    const [block, maxPriorityFeePerGas] = await Promise.all([
      request(host, () => client.getBlock()),
      request(host, () => client.estimateMaxPriorityFeePerGas()),
    ])
    return { maxFeePerGas: 2n * (block.baseFeePerGas ?? 0n) + maxPriorityFeePerGas, maxPriorityFeePerGas }
  }

  const capFees = ({ maxFeePerGas, maxPriorityFeePerGas }: Fees): Fees => {
    const capped = maxFeePerGas < feeCapWei ? maxFeePerGas : feeCapWei
    return {
      maxFeePerGas: capped,
      maxPriorityFeePerGas: maxPriorityFeePerGas < capped ? maxPriorityFeePerGas : capped,
    }
  }

  async function findReceipt(hashes: readonly Hash[]): Promise<TransactionReceipt | undefined> {
    for (const hash of hashes) {
      const receipt = await request(host, async () => {
        try {
          return await client.getTransactionReceipt({ hash })
        } catch (error) {
          if (error instanceof TransactionReceiptNotFoundError) return undefined
          throw error
        }
      })
      if (receipt !== undefined) return receipt
    }
    return undefined
  }

  async function assertChain(): Promise<void> {
    const actual = await request(host, () => client.getChainId())
    if (actual !== chain.chainId) throw new WrongChainError({ expected: chain.chainId, actual })
  }

  const sendInTurn = async (transaction: Transaction): Promise<TransactionReceipt> => {
    await assertChain()
    return lease === undefined
      ? sendNow(transaction)
      : lease.hold(`${numberToHex(chain.chainId)}-${address}`, () => sendNow(transaction))
  }

  return {
    chain,
    address,
    send(transaction) {
      const turn = last.then(() => sendInTurn(transaction))
      last = turn.catch(() => {})
      return turn
    },
  }
}

type Fees = { maxFeePerGas: bigint; maxPriorityFeePerGas: bigint }

const raiseFee = (feeWei: bigint): bigint => feeWei + feeWei / RAISE_DIVISOR + 1n

/** Nodes say it in words alone. */
const isSaid = (error: unknown, words: RegExp): boolean =>
  error instanceof RpcRefusedError && words.test(`${error.message} ${String(error.cause)}`)

const isUnderpriced = (error: unknown): boolean => isSaid(error, /underpriced/i)

/** What was sent before is still waiting, and so is the nonce: the next round outbids it. */
function ignoreUnderpriced(error: unknown): void {
  if (!isUnderpriced(error)) throw error
}
