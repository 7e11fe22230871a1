import { encodeFunctionData, parseEventLogs, type TransactionReceipt } from 'viem'
import { type Hex, toHex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { deriveDetails, type Member } from '../protocol/wire/committee.ts'
import type { StateItem } from '../protocol/wire/stateTree.ts'
import { type Chain, RpcRefusedError } from './connectChain.ts'
import type { Sender } from './createSender.ts'
import { hasCode } from './deployRegistry.ts'
import { type EncodeAnchorParameters, encodeAnchor } from './encodeAnchor.ts'
import { componentRegistryAbi as abi } from './generated/componentRegistry.ts'
import { fromPackedHead, type Head } from './head.ts'
import { readHeads } from './readHeads.ts'
import { callRegistry, RegistryRefusedError } from './registryRefusal.ts'

const READ_TRIES = 3

export class NoContractError extends CoalitionError {
  constructor({ address, chainId }: { address: Hex; chainId: number }) {
    super('NO_CONTRACT', `There is no contract at ${address} on chain ${chainId}.`, {
      fix: 'Deploy the registry there, or correct the registry’s address in the configuration.',
    })
  }
}

export class ComponentUnknownError extends CoalitionError {
  constructor({ component }: { component: Hex }) {
    super('COMPONENT_UNKNOWN', `Nobody registered component ${component}.`, {
      fix: 'Register it with its genesis committee, or check that id and committee are those of the configuration.',
      kind: 'refused',
    })
  }
}

export class HeadUnprovenError extends CoalitionError {
  constructor({ component }: { component: Hex }) {
    super('HEAD_UNPROVEN', `The events of component ${component} do not lead to what the registry stores.`, {
      fix: 'Try again, as a block may have come between; if it stays so, the endpoint leaves out events: use another.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

/** What an anchor came to. */
export type Anchored = {
  txHash: Hex
  blockNumber: bigint
  gasUsed: bigint
  /** Digest of the anchored commit. */
  commitDigest: Hex
  /** The new newest head. */
  head: Head
}

export type Inclusion = {
  component: Hex
  /** One of the newest eight heads. */
  head: Head
  index: bigint
  leaf: Uint8Array
  /** RFC 9162, from the leaf's sibling upward. */
  proof: readonly Uint8Array[]
}

/** What shows that an item is in a component's state. */
export type StateItemProof = {
  component: Hex
  /** The newest head. */
  head: Head
  item: StateItem
  /** From the item's sibling upward, at most 64. */
  proof: readonly Hex[]
  /** The greatest accepted age of the head. */
  maxAgeMs: bigint
}

/** Typed reads and writes of one component registry (contracts/interfaces/IComponentRegistry.sol). */
export type ComponentRegistry = {
  readonly chain: Chain
  readonly address: Hex
  /** Registers a component, or finds it registered; either way its newest head is given. */
  register(sender: Sender, parameters: { componentId: Hex; members: readonly Member[] }): Promise<Registration>
  /** @throws {CommitNotAnchorableError | RegistryRefusedError} */
  anchor(sender: Sender, parameters: EncodeAnchorParameters): Promise<Anchored>
  /**
   * The newest head, rebuilt from events and checked against storage.
   *
   * @throws {ComponentUnknownError} nobody registered it.
   * @throws {HeadUnprovenError} the events do not lead to what is stored.
   */
  readHead(parameters: { component: Hex }): Promise<Head>
  isNewest(parameters: { component: Hex; head: Head }): Promise<boolean>
  isInWindow(parameters: { component: Hex; head: Head }): Promise<boolean>
  /** What the component's retirement says; undefined where it is not retired. Its reason stands in the log alone. */
  readRetirement(parameters: { component: Hex }): Promise<{ successor: Hex; effectiveHeight: bigint } | undefined>
  /** Asks the contract. @throws {RegistryRefusedError} the leaf is not in the log, or the head not in the window. */
  verifyInclusion(parameters: Inclusion): Promise<void>
  /** Asks the contract. @throws {RegistryRefusedError} the item is not in the state, or the head is not the newest or too old. */
  verifyStateItem(parameters: StateItemProof): Promise<void>
}

export type Registration = { component: Hex; txHash: Hex; gasUsed: bigint }

export type OpenComponentRegistryParameters = {
  address: Hex
  /** First block whose events heads are rebuilt from, no later than the registration; 0 by default. */
  fromBlock?: bigint
}

/**
 * The registry at `address`.
 *
 * @throws {NoContractError} there is no code.
 */
export async function openComponentRegistry(
  chain: Chain,
  { address, fromBlock = 0n }: OpenComponentRegistryParameters,
): Promise<ComponentRegistry> {
  const { client } = chain
  if (!(await hasCode(chain, address))) throw new NoContractError({ address, chainId: chain.chainId })
  const contract = { address, abi } as const

  const isNewest: ComponentRegistry['isNewest'] = ({ component, head }) =>
    callRegistry(chain, () => client.readContract({ ...contract, functionName: 'isNewest', args: [component, head] }))

  return {
    chain,
    address,
    isNewest,
    async register(sender, { componentId, members }) {
      const committee = { signers: members.map(({ signer }) => signer), details: deriveDetails(members) }
      const call = { ...contract, functionName: 'register', args: [componentId, committee] } as const
      const component = await callRegistry(chain, async () => (await client.simulateContract(call)).result)
      const receipt = await send(sender, encodeFunctionData(call))
      return { component, txHash: receipt.transactionHash, gasUsed: receipt.gasUsed }
    },
    async anchor(sender, parameters) {
      const call = { ...contract, functionName: 'anchor', args: [encodeAnchor(parameters)] } as const
      const receipt = await send(sender, encodeFunctionData(call))
      return toAnchored(receipt)
    },
    async readHead({ component }) {
      // An anchor may come between the two questions: only an endpoint that says so again and again leaves out events.
      for (let tries = 0; tries < READ_TRIES; tries++) {
        const head = (await readHeads(chain, { address, component, fromBlock })).at(-1)
        if (head === undefined) throw new ComponentUnknownError({ component })
        if (await isNewest({ component, head })) return head
      }
      throw new HeadUnprovenError({ component })
    },
    isInWindow: ({ component, head }) =>
      callRegistry(chain, () =>
        client.readContract({ ...contract, functionName: 'isInWindow', args: [component, head] }),
      ),
    readRetirement: ({ component }) =>
      callRegistry(chain, async () => {
        const args = [component] as const
        const { successor, effectiveHeight, retiredAt } = await client.readContract({
          ...contract,
          functionName: 'retirementOf',
          args,
        })
        return retiredAt === 0n ? undefined : { successor, effectiveHeight }
      }),
    verifyInclusion: ({ component, head, index, leaf, proof }) =>
      callRegistry(chain, async () => {
        const args = [component, head, index, toHex(leaf), proof.map(toHex)] as const
        await client.readContract({ ...contract, functionName: 'verifyInclusion', args })
      }),
    verifyStateItem: ({ component, head, item, proof, maxAgeMs }) =>
      callRegistry(chain, async () => {
        const args = [component, head, item, [...proof], maxAgeMs] as const
        await client.readContract({ ...contract, functionName: 'verifyStateItem', args })
      }),
  }

  async function send(sender: Sender, data: Hex): Promise<TransactionReceipt> {
    const receipt = await callRegistry(chain, () => sender.send({ to: address, data }))
    if (receipt.status === 'success') return receipt
    // It passed its estimate and not its block: another call came first. The same call now says why.
    await callRegistry(chain, () => client.call({ account: sender.address, to: address, data }))
    throw new RegistryRefusedError({ errorName: undefined })
  }

  function toAnchored(receipt: TransactionReceipt): Anchored {
    const ours = receipt.logs.filter((log) => log.address.toLowerCase() === address)
    const [event] = parseEventLogs({ abi, eventName: 'Anchored', logs: ours })
    if (event === undefined) throw new RpcRefusedError({ host: chain.host, reason: 'its receipt lacks the event' })
    const { args } = event
    return {
      txHash: receipt.transactionHash,
      blockNumber: receipt.blockNumber,
      gasUsed: receipt.gasUsed,
      commitDigest: args.commit,
      head: fromPackedHead(args.head),
    }
  }
}
