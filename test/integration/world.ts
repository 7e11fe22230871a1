import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { COMPONENT_REGISTRY_ADDRESS, DEPLOYED_CONTRACTS } from '../../chain/addresses.ts'
import { type ComponentRegistry, ComponentUnknownError, openComponentRegistry } from '../../chain/componentRegistry.ts'
import { type Chain, connectChain } from '../../chain/connectChain.ts'
import { createSender, type Sender } from '../../chain/createSender.ts'
import { deployRegistry } from '../../chain/deployRegistry.ts'
import { readKeystoreAddress } from '../../client/keystore.ts'
import { fromHex, type Hex } from '../../protocol/bytes.ts'
import {
  type DemoProcess,
  type DemoSettings,
  keystorePath,
  startAnchorer,
  startMember,
} from '../../scripts/demo/committee.ts'
import { startChain, startRedis, stopProcess } from '../../scripts/services.ts'

// Public: the first account of every Hardhat node.
const PAYER = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
export const CHAIN_ID = 31_337

/** A Redis and a chain for the committees of one test file: with our contracts, and an anchorer who can pay. */
export type World = Pick<DemoSettings, 'redisUrl' | 'rpcUrl' | 'start'> & {
  chain: Chain
  /** Has ether. */
  payer: Sender
  registry: ComponentRegistry
  /** Ends it, and whatever `start` started in it. */
  stop(): Promise<void>
}

export async function startWorld(): Promise<World> {
  const [redis, node] = await Promise.all([startRedis({ isPrivate: true }), startChain({ isPrivate: true })])
  const chain = await connectChain({ rpcUrl: node.url, chainId: CHAIN_ID })
  const payer = createSender(chain, { secretKey: fromHex(PAYER) })
  for (const contract of DEPLOYED_CONTRACTS) await deployRegistry(payer, contract)
  const anchorer = await readKeystoreAddress(keystorePath('anchorer'))
  await payer.send({ to: anchorer, data: '0x', valueWei: 10n ** 18n })
  const children: ChildProcess[] = []
  return {
    redisUrl: redis.url,
    rpcUrl: node.url,
    chain,
    payer,
    registry: await openComponentRegistry(chain, { address: COMPONENT_REGISTRY_ADDRESS }),
    start: { onStart: (child) => void children.push(child) },
    async stop() {
      await Promise.all(children.map(stopProcess))
      await Promise.all([redis.stop(), node.stop()])
    },
  }
}

/** Members and an anchorer of a component, at work. */
export async function startCommittee(
  settings: DemoSettings,
  keystores: readonly string[] = [0, 1, 2, 3].map((index) => keystorePath(`member-${index}`)),
): Promise<DemoProcess[]> {
  const members = await Promise.all(keystores.map((keystore, index) => startMember(settings, { index, keystore })))
  await startAnchorer(settings, { logUrls: members.map(({ url }) => url) })
  return members
}

export type Seat = { signer: Hex; noteKey: Hex }

/** Seats of the example's members, as a config lists them. */
export const readSeats = (indexes: readonly number[] = [0, 1, 2, 3]): Seat[] =>
  indexes
    .map((index): Seat => {
      const { address, noteKey } = JSON.parse(readFileSync(keystorePath(`member-${index}`), 'utf8'))
      return { signer: `0x${address}`, noteKey }
    })
    .sort((a, b) => (a.signer < b.signer ? -1 : 1))

/**
 * Asks until there is an answer, or what is asked for is true; the suite's own deadline ends what never comes. That nobody has
 * registered a component is no answer: its anchorer does so once a member answers.
 */
export async function until<T>(ask: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const answer = await ask().catch(toUnregistered)
    if (answer !== undefined && answer !== false) return answer
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function toUnregistered(error: unknown): undefined {
  if (!(error instanceof ComponentUnknownError)) throw error
}
