import type { LogReader } from '../../client/logReader.ts'
import { hasExtensions } from '../../committee/execution.ts'
import { decodeExtensionList, isSignedExtensionQuorum } from '../../committee/extension.ts'
import { isForgotten, type StoredVotes } from '../../committee/handshake.ts'
import { MalformedMessageError } from '../../committee/malformedMessage.ts'
import { encodeParentRecord } from '../../committee/parentRecord.ts'
import { decodeRecord } from '../../committee/record.ts'
import { recover } from '../../committee/recover.ts'
import { DEFAULT_TIMEOUTS } from '../../committee/timeouts.ts'
import { fromHex, type Hex, isEqualBytes } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { type CompactRange, EMPTY_RANGE } from '../../protocol/log/compactRange.ts'
import { rootOfRange } from '../../protocol/log/treeRoot.ts'
import type { Machine } from '../../protocol/machine.ts'
import { encodeCommitRecord } from '../../protocol/wire/commitRecord.ts'
import type { Member } from '../../protocol/wire/committee.ts'
import { decodeCommitteeRotated } from '../../protocol/wire/governance.ts'
import type { Logger } from '../runtime/logger.ts'
import { KeyElsewhereError } from './driverErrors.ts'
import { openReplica } from './replica.ts'
import type { Store } from './store.ts'
import { copyEntries } from './syncEntries.ts'
import { certifyOffer } from './syncEpochs.ts'
import { SnapshotUnprovenError, StoreContradictedError, SyncFailedError } from './syncErrors.ts'
import { type Offer, readOffer } from './syncOffer.ts'
import { createPace, type Pace } from './syncPace.ts'
import { assertStoreTrusted, readTrust, type Trust, type TrustedCommit } from './syncTrust.ts'

export type SyncDependencies<State> = {
  machine: Machine<State>
  /** Opened for a sync; a new one, or that of a member which was away for long. */
  store: Store
  /** Tried in this order. */
  peers: readonly LogReader[]
  logger: Logger
  clock: { nowMs(): number }
}

export type SyncParameters = {
  component: Hex
  /** Encoded parameters of the component. */
  parameters: Uint8Array
  /** Its genesis committee. */
  members: readonly Member[]
  /** Address of the member whose store it is. */
  self: Hex
  trusted: TrustedCommit
}

/** Where the store begins now, and at whose log it was read; null where no peer had anything newer than the store. */
export type Synced = { height: bigint; epoch: bigint; logSize: bigint; commitDigest: Hex; url: string } | null

/** What the store held before, which a sync neither contradicts nor makes it forget. */
type Own = { height: bigint; log: CompactRange; stored: StoredVotes }

/**
 * Gives a store the newest certified state that a peer has and can prove, instead of its own beginning (spec §5.5). Nothing
 * is believed of a peer: its state and its log must be those of a commit that the trusted one leads to. Where they are not,
 * the store is as it was and the next peer is tried.
 *
 * The store's write-ahead log goes with the heights that it is of, all of which the new beginning has behind it: no vote is
 * ever cast there again. What the key signed above it this store cannot know, and `run` asks the peers (spec §5.4).
 *
 * @throws {SyncFailedError} no peer was of use.
 * @throws {StoreContradictedError} the store's own history is not the beginning of what is trusted and certified.
 * @throws {KeyElsewhereError} a certificate holds a signature of this key that the store does not know; the store is halted.
 */
export async function syncStore<State>(deps: SyncDependencies<State>, parameters: SyncParameters): Promise<Synced> {
  const { store, logger } = deps
  const { self, trusted } = parameters
  const own = readOwn(deps, parameters)
  assertStoreTrusted(store, trusted)
  const { trust, peers, faults } = await readTrust(deps, trusted)
  if (trust === undefined) {
    const reason = `does not have the trusted height ${trusted.height}`
    throw new SyncFailedError({ faults: [...faults, ...peers.map(({ url }) => ({ url, reason }))] })
  }
  const refused = [...faults]
  let isNewest = false
  for (const peer of peers) {
    try {
      const pace = createPace(deps.clock, peer)
      const offer = await readOffer(peer, { ...deps, ...parameters, trust, pace })
      if (offer.record.commit.height > own.height) return await take(peer, { deps, parameters, own, offer, pace })
      isNewest = true
    } catch (error) {
      if (error instanceof KeyElsewhereError) {
        store.halt(`the key ${self} signed what this store does not know`)
        throw error
      }
      if (!(error instanceof CoalitionError) || error instanceof StoreContradictedError) throw error
      logger.warn({ err: error, url: peer.url }, 'a peer is of no use for this sync')
      refused.push({ url: peer.url, reason: error.message })
    }
  }
  if (!isNewest) throw new SyncFailedError({ faults: refused })
  return null
}

function readOwn<State>(
  { machine, store }: SyncDependencies<State>,
  { component, parameters, members, self }: SyncParameters,
): Own {
  const { height, parent, timestampMs, epoch, governance, log } = openReplica(
    { machine, store },
    { component, parameters, members },
  ).state()
  const signers = governance.members.map(({ signer }) => signer)
  const committee = {
    component,
    epoch,
    signers,
    self,
    hasExtensions: hasExtensions(machine),
    timeouts: DEFAULT_TIMEOUTS,
  }
  const { own } = recover({
    committee,
    parent: { height, commitDigest: parent, timestampMs, signers, extensions: [] },
    records: store.readWal().map(decodeRecord),
  })
  return { height, log, stored: { height: height + 1n, own } }
}

type TakeParameters<State> = {
  deps: SyncDependencies<State>
  parameters: SyncParameters
  own: Own
  offer: Offer
  pace: Pace
}

/** Copies the log that belongs to an offer, and replaces the store's beginning once all of it is proven. */
async function take<State>(peer: LogReader, { deps, parameters, own, offer, pace }: TakeParameters<State>) {
  const { store, logger } = deps
  const { record, digest, snapshot, trust } = offer
  const { commit } = record
  logger.info({ url: peer.url, height: commit.height, entries: commit.logSize }, 'a peer offers to begin here')
  const writer = store.replaceBase()
  try {
    let range = EMPTY_RANGE
    // Of the trusted epoch. Only the genesis committee is known beforehand; any other stands in the trusted part of the log.
    let members = trust.epoch === 0n ? parameters.members : undefined
    let isOwnBeginning = own.log.size === 0n
    const append = (entries: readonly Uint8Array[]): CompactRange => {
      if (members === undefined) members = findCommittee(entries, trust)
      const log = writer.append(entries)
      if (log.size === own.log.size) isOwnBeginning = isEqualBytes(rootOfRange(log), rootOfRange(own.log))
      return log
    }
    const copy = async ({ logSize, logRoot }: { logSize: bigint; logRoot: Hex }): Promise<void> => {
      const stretch = { from: range, to: logSize, root: fromHex(logRoot), append, stopAt: own.log.size }
      range = await copyEntries(peer, { ...stretch, pace })
    }
    await copy(trust)
    if (members === undefined) {
      throw new SnapshotUnprovenError({ url: peer.url, reason: `nobody is seen to begin epoch ${trust.epoch}` })
    }
    const certified = await certifyOffer(peer, { offered: record, trust, members })
    for (const { verified, signers } of certified) {
      if (!isForgotten(verified, { signers, self: parameters.self, stored: own.stored })) continue
      throw new KeyElsewhereError({ signer: parameters.self })
    }
    const { signers } = certified.at(-1)!
    const extensions = hasExtensions(deps.machine) ? await readExtensions(peer, { offer, signers }) : []
    await copy(commit)
    if (!isOwnBeginning) throw new StoreContradictedError({ height: own.height, logSize: own.log.size })
    const parent = encodeParentRecord({ signers, extensions })
    writer.finish({ ...commit, record: encodeCommitRecord(record), state: snapshot, parent })
  } finally {
    writer.abandon()
  }
  return { ...commit, commitDigest: digest, url: peer.url }
}

/**
 * The vote extensions for the offered commit. Members of a new epoch may all begin with the commit that made them one, and
 * none could ever propose the next height without them.
 *
 * @throws {SnapshotUnprovenError} no quorum signed them. @throws {NotInLogError} the peer has none.
 */
async function readExtensions(
  peer: LogReader,
  { offer, signers }: { offer: Offer; signers: readonly Hex[] },
): Promise<readonly Uint8Array[]> {
  const { component, height } = offer.record.commit
  const refuse = (cause?: unknown): never => {
    const reason = 'the vote extensions for its commit are not a quorum’s'
    throw new SnapshotUnprovenError({ url: peer.url, reason, cause })
  }
  const bytes = await peer.readExtensions(height)
  let extensions: readonly Uint8Array[]
  try {
    extensions = decodeExtensionList(bytes)
  } catch (cause) {
    if (!(cause instanceof MalformedMessageError)) throw cause
    return refuse(cause)
  }
  if (isSignedExtensionQuorum(extensions, { component, height, commitDigest: offer.digest, signers })) return extensions
  return refuse()
}

/** The committee that begins the trusted epoch, where one of these entries is the rotation that made it. */
function findCommittee(entries: readonly Uint8Array[], { epoch }: Trust): readonly Member[] | undefined {
  for (const entry of entries) {
    const rotated = decodeCommitteeRotated(entry)
    if (rotated?.newEpoch === epoch) return rotated.members
  }
  return undefined
}
