import { type LogReader, NotInLogError } from '../../client/logReader.ts'
import type { Component } from '../../client/readComponent.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { rootOf } from '../../protocol/log/treeRoot.ts'
import { type Commit, deriveCommitDigest, ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { decodeCommitRecord } from '../../protocol/wire/commitRecord.ts'
import { InvalidSettingError, type SyncSettings } from '../runtime/config.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Store } from './store.ts'
import {
  type Fault,
  SnapshotTooOldError,
  StoreContradictedError,
  SyncTrustMissingError,
  TrustContradictedError,
} from './syncErrors.ts'
import type { Pace } from './syncPace.ts'

/** The commit that a sync starts from, known from elsewhere than its peers (spec §5.5). Height 0 is the genesis. */
export type TrustedCommit = { height: bigint; digest: Hex }

/** What the trusted commit says: all of it follows from its digest, whoever told it. */
export type Trust = TrustedCommit & Pick<Commit, 'epoch' | 'logSize' | 'logRoot' | 'next'> & { parent: Hex }

/** Before its first commit a component has its genesis committee and an empty log: its component key says so. */
const GENESIS: Trust = {
  height: 0n,
  digest: ZERO_BYTES32,
  epoch: 0n,
  logSize: 0n,
  logRoot: toHex(rootOf([])),
  next: ZERO_BYTES32,
  parent: ZERO_BYTES32,
}

/** Heights that trust is followed down at the most, from the trusted commit to one that a snapshot is of. */
const STEPS_DOWN_MAX = 4096n

/**
 * What the operator gave, or else the newest commit that the component's home chain has (spec §5.5).
 *
 * @throws {SyncTrustMissingError} neither is given.
 * @throws {InvalidSettingError} both are.
 */
export async function chooseTrust(
  settings: Pick<SyncSettings, 'SYNC_TRUST' | 'RPC_URLS' | 'RPC_AGREE_COUNT' | 'FROM_BLOCK'>,
  { component, home }: Pick<Component, 'component' | 'home'>,
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
  const { openComponentRegistry } = await import('../../chain/componentRegistry.ts')
  const { connectEndpoints } = await import('../../chain/connectEndpoints.ts')
  const { readAnchoredCommit } = await import('../../chain/readAnchoredCommit.ts')
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
        trust = await readTrustedCommit(peer, trusted)
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

/** @throws {TrustContradictedError} it has another one. */
async function readTrustedCommit({ readCommit, url }: LogReader, { height, digest }: TrustedCommit): Promise<Trust> {
  const { commit, body } = await readCommit(height)
  const found = deriveCommitDigest(commit)
  if (found !== digest) throw new TrustContradictedError({ url, height, digest: found, trusted: digest })
  return { ...commit, digest, parent: body.parent }
}

/**
 * The same trust, in an older commit: each commit names the one before it, so all of them are trusted as the newest is. Not
 * beyond the beginning of its epoch, though. Who began there would have to take the heights up to the trusted one from an
 * older committee, and its keys may have leaked since.
 *
 * @throws {SnapshotTooOldError} `height` is too far down, or of an epoch before.
 * @throws {TrustContradictedError}
 */
export async function followDown(
  log: LogReader,
  { trust, height, pace }: { trust: Trust; height: bigint; pace: Pace },
): Promise<Trust> {
  const tooOld = (): SnapshotTooOldError =>
    new SnapshotTooOldError({ url: log.url, height, trustedHeight: trust.height })
  // The end of an epoch takes the word of that epoch’s committee from it: below it there is nothing but that word.
  if (trust.height - height > STEPS_DOWN_MAX || trust.next !== ZERO_BYTES32) throw tooOld()
  let last = trust
  while (last.height > height) {
    last = await readTrustedCommit(log, { height: last.height - 1n, digest: last.parent })
    pace.came(0)
    // What ended the epoch before is where this one begins.
    const isBeginning = last.next !== ZERO_BYTES32
    if (isBeginning && last.height > height) throw tooOld()
  }
  return last
}
