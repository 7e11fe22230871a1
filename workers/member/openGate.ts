import type { Chain } from '../../chain/connectChain.ts'
import { connectEndpoints } from '../../chain/connectEndpoints.ts'
import { readBlockTimeMs, readNewestBlock } from '../../chain/readBlock.ts'
import { createQuotePool } from '../../client/quotePool.ts'
import type { Component } from '../../client/readComponent.ts'
import type { Hex } from '../../protocol/bytes.ts'
import type { AdmissionRule } from '../../protocol/tickets/admissionRules.ts'
import { derivePolicyDigest } from '../attestation/policyDigest.ts'
import type { MemberSettings } from '../runtime/config.ts'
import type { Logger } from '../runtime/logger.ts'
import { MONOTONIC } from '../runtime/monotonic.ts'
import type { Shutdown } from '../runtime/shutdown.ts'
import { type AdmitPeersDependencies, admitPeers } from './admitPeers.ts'
import type { Gate, GateWiring } from './gate.ts'
import { createIssuers } from './issuers.ts'
import type { HomeBlocks } from './nonces.ts'
import type { TicketSources } from './presenter.ts'
import { createQuoteCommand } from './quoteCommand.ts'
import { readIssuers } from './readIssuers.ts'
import { readTicketsFile } from './ticketsFile.ts'

export type OpenGateDependencies<State> = Pick<AdmitPeersDependencies<State>, 'replica' | 'store' | 'logger'> & {
  shutdown: Shutdown
}

export type OpenGateParameters = {
  settings: MemberSettings
  component: Pick<Component, 'component' | 'componentId' | 'home'>
  /** Of the component; one at least. */
  rules: readonly AdmissionRule[]
  /** This member. */
  signer: Hex
}

/**
 * Connects a member to what it admits peers by: its pool and the home chain.
 *
 * @throws {InvalidSettingError} and what `readComponent` throws: an issuer of ISSUERS is not one that a rule names.
 * @throws what `connectEndpoints` throws, where RPC_URLS are set.
 */
export async function openGate<State>(
  { replica, store, logger, shutdown }: OpenGateDependencies<State>,
  { settings, component: { component, componentId, home }, rules, signer }: OpenGateParameters,
): Promise<(wiring: GateWiring) => Gate> {
  const clock = { nowMs: Date.now }
  const tdx = rules.find((rule) => rule.class === 'tdx')
  const pool =
    tdx &&
    createQuotePool(
      { clock },
      { redisUrl: settings.REDIS_URL, component, signer, policyDigest: derivePolicyDigest(tdx.policy) },
    )
  if (pool !== undefined) shutdown.defer('quote pool', () => pool.close())
  const chain = await connectHome(settings, home)
  const issuers = createIssuers(
    { chain, monotonic: MONOTONIC, logger },
    { issuers: await readIssuers(settings, { rules, home, logger }), fromBlock: settings.FROM_BLOCK },
  )
  issuers.start()
  shutdown.defer('issuers', () => issuers.stop())
  const sources = openTicketSources(settings, { rules, logger })
  const times = { clock, monotonic: MONOTONIC }
  const asked = { verify: pool?.verify, issuerSigners: issuers.signersOf, blocks: chain && blocksOf(chain) }
  return admitPeers({ replica, store, ...times, logger, ...asked, sources }, { componentId, rules })
}

async function connectHome(
  { RPC_URLS, RPC_AGREE_COUNT }: MemberSettings,
  { chainId }: Component['home'],
): Promise<Chain | undefined> {
  if (RPC_URLS === undefined) return undefined
  const agreeCount = RPC_AGREE_COUNT === undefined ? {} : { agreeCount: RPC_AGREE_COUNT }
  return await connectEndpoints({ rpcUrls: RPC_URLS, chainId, ...agreeCount })
}

const blocksOf = (chain: Chain): HomeBlocks => ({
  newest: () => readNewestBlock(chain),
  timeOf: (digest) => readBlockTimeMs(chain, digest),
})

/** Where this member has its tickets from, as its operator set it; what a rule asks for and nothing gives is told. */
function openTicketSources(
  { QUOTE_COMMAND, TICKETS }: MemberSettings,
  { rules, logger }: { rules: readonly AdmissionRule[]; logger: Logger },
): TicketSources {
  for (const { class: name } of rules) {
    const [setting, value] = name === 'tdx' ? ['QUOTE_COMMAND', QUOTE_COMMAND] : ['TICKETS', TICKETS]
    // A member of the current epoch works without: its votes always count (spec §8.2).
    if (value === undefined) {
      logger.warn({ class: name, setting }, 'nothing gives this member such a ticket: its peers will not admit it')
    }
  }
  return {
    quote: QUOTE_COMMAND === undefined ? undefined : createQuoteCommand(QUOTE_COMMAND),
    readTokens: TICKETS === undefined ? undefined : () => readTicketsFile(TICKETS),
  }
}
