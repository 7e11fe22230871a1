import { openComponentRegistry } from '../../chain/componentRegistry.ts'
import { connectEndpoints } from '../../chain/connectEndpoints.ts'
import { readAnchoredCommit } from '../../chain/readAnchoredCommit.ts'
import { type LogReader, NotInLogError } from '../../client/logReader.ts'
import type { Chronicle } from '../../client/readChronicle.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { rootOf } from '../../protocol/log/treeRoot.ts'
import { type Commit, deriveCommitDigest, ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { decodeCommitRecord } from '../../protocol/wire/commitRecord.ts'
import { InvalidSettingError, type SyncSettings } from '../runtime/config.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Store } from './store.ts'
import { type Fault, StoreContradictedError, SyncTrustMissingError, TrustContradictedError } from './syncErrors.ts'

/** The commit that a sync starts from, known from elsewhere than its peers (spec §5.5). Height 0 is the genesis. */
export type TrustedCommit = { height: bigint; digest: Hex }

/** What the trusted commit says: all of it follows from its digest, whoever told it. */
export type Trust = TrustedCommit & Pick<Commit, 'epoch' | 'logSize' | 'logRoot' | 'next'>

/** Before its first commit a component has its genesis committee and an empty log: its component key says so. */
const GENESIS: Trust = {
  height: 0n,
  digest: ZERO_BYTES32,
  epoch: 0n,
  logSize: 0n,
  logRoot: toHex(rootOf([])),
  next: ZERO_BYTES32,
}

/**
 * What the operator gave, or else the newest commit that the component's home chain has (spec §5.5).
 *
 * @throws {SyncTrustMissingError} neither is given.
 * @throws {InvalidSettingError} both are.
 */
export async function chooseTrust(
  settings: Pick<SyncSettings, 'SYNC_TRUST' | 'RPC_URLS' | 'RPC_AGREE_COUNT' | 'FROM_BLOCK'>,
  { component, home }: Pick<Chronicle, 'component' | 'home'>,
): Promise<TrustedCommit> {
  const { SYNC_TRUST: given, RPC_URLS: rpcUrls, RPC_AGREE_COUNT: agreeCount, FROM_BLOCK: fromBlock } = settings
  if (given !== undefined && rpcUrls !== undefined) {
    throw new InvalidSettingError({
      setting: 'SYNC_TRUST',
      reason: 'RPC_URLS is set, too, and one of them is to decide',
    })
  }
  if (given !== undefined) return given
  if (rpcUrls === undefined) throw new SyncTrustMissingError()
  const chainId = home.chainId
  const chain = await connectEndpoints({ rpcUrls, chainId, ...(agreeCount === undefined ? {} : { agreeCount }) })
  const registry = await openComponentRegistry(chain, { address: home.registry, fromBlock })
  return (await readAnchoredCommit(registry, { component, fromBlock })) ?? GENESIS
}

/** @throws {StoreContradictedError} the store decided something else at the trusted height. */
export function assertStoreTrusted(store: Store, { height, digest }: TrustedCommit): void {
  const record = store.readRecord(height)
  if (record === undefined) return
  const { commit } = decodeCommitRecord(record)
  if (deriveCommitDigest(commit) !== digest) throw new StoreContradictedError(commit)
}

/** The peers that do not contradict what is trusted, what the others are refused for, and what the trusted commit says. */
export type TrustedPeers = { trust: Trust | undefined; peers: readonly LogReader[]; faults: readonly Fault[] }

/** Asks every peer for the trusted commit. One that does not have it, because it began later, is still of use. */
export async function readTrust(
  { peers, logger }: { peers: readonly LogReader[]; logger: Logger },
  trusted: TrustedCommit,
): Promise<TrustedPeers> {
  if (trusted.height === 0n) return { trust: GENESIS, peers, faults: [] }
  let trust: Trust | undefined
  const usable: LogReader[] = []
  const faults: Fault[] = []
  await Promise.all(
    peers.map(async (peer) => {
      try {
        trust = { ...trusted, ...(await readTrustedCommit(peer, trusted)) }
      } catch (error) {
        if (!(error instanceof CoalitionError)) throw error
        if (!(error instanceof NotInLogError)) {
          logger.error({ err: error, url: peer.url }, 'a peer is left out')
          faults.push({ url: peer.url, reason: error.message })
          return
        }
      }
      usable.push(peer)
    }),
  )
  // As the operator listed them, whoever answered first.
  return { trust, peers: peers.filter((peer) => usable.includes(peer)), faults }
}

async function readTrustedCommit({ readCommit, url }: LogReader, { height, digest }: TrustedCommit): Promise<Commit> {
  const { commit } = await readCommit(height)
  const found = deriveCommitDigest(commit)
  if (found !== digest) throw new TrustContradictedError({ url, height, digest: found, trusted: digest })
  return commit
}
