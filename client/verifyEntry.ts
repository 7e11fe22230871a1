import { ComponentUnknownError, openComponentRegistry } from '../chain/componentRegistry.ts'
import type { Chain } from '../chain/connectChain.ts'
import type { Head } from '../chain/head.ts'
import { readGenesis } from '../chain/readGenesis.ts'
import { fromHex, type Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { hashLeaf } from '../protocol/log/treeHash.ts'
import { verifyInclusion } from '../protocol/log/verifyInclusion.ts'
import type { VerifiedCommit } from '../protocol/wire/certificate.ts'
import type { Commit } from '../protocol/wire/commit.ts'
import type { RetirementMarker } from '../protocol/wire/next.ts'
import { committeeOf, createEpochsOf, currentCommittee, type Epochs, verifyCommit } from './epochs.ts'
import { followEpochs } from './followEpochs.ts'
import { type LogReader, NotInLogError } from './logReader.ts'

export class NotAnchoredError extends CoalitionError {
  constructor({ index, size }: { index: bigint; size: bigint }) {
    super('NOT_ANCHORED', `Entry ${index} is not under the newest head on chain, which covers ${size} entries.`, {
      fix: 'Wait for the next anchor, or check the index: it counts from 0.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

export class NotVerifiedError extends CoalitionError {
  constructor({ reason, cause }: { reason: string; cause?: unknown }) {
    super('NOT_VERIFIED', `The entry is not verified: ${reason}.`, {
      fix: 'Do not rely on it. Read from another member; if the chain and every member disagree, the log was rewritten off chain.',
      kind: 'refused',
      cause,
    })
  }
}

/** What was proven of one entry, and by what. */
export type VerifiedEntry = {
  index: bigint
  entry: Uint8Array
  component: Hex
  /** The newest head on chain, under which the entry stands. */
  head: Head
  commit: VerifiedCommit
  /** The component's last word, where the head is its last. */
  retirement: RetirementMarker | null
  registry: Hex
  chainId: number
}

/**
 * Verifies that an entry stands in a component's anchored log, from three things alone: bytes of the entry and tiles from
 * any log server, the chain, and the certificate of the anchored commit. None of them is believed by itself.
 *
 * 1. The chain's newest head is rebuilt from events and compared with storage.
 * 2. The entry's inclusion under that head's root is proven here, and once more by the contract.
 * 3. The head's commit is certified by a quorum of the committee of its epoch. The first committee is the one that the
 *    component's key names, each rotation is certified by the committee before it, and the last is the head's.
 *
 * @throws {ComponentUnknownError} nobody registered the component there.
 * @throws {GenesisUnprovenError} the endpoint gives another registration than the component's.
 * @throws {NotAnchoredError} the entry is newer than the newest head.
 * @throws {NotVerifiedError} a proof or the certificate does not hold, or the log says other than the chain.
 * @throws {EpochUnprovenError} the log shows a rotation that does not hold.
 * @throws what the chain and the log reader throw.
 */
export async function verifyEntry(
  { chain, log }: { chain: Chain; log: LogReader },
  { index, component, registry: address }: { index: bigint; component: Hex; registry: Hex },
): Promise<VerifiedEntry> {
  const registry = await openComponentRegistry(chain, { address })
  const head = await registry.readHead({ component })
  const size = head.logSize
  if (index >= size) throw new NotAnchoredError({ index, size })
  const { entry, proof } = await readEntry(log, { index, size })
  verify('the inclusion proof does not lead to the anchored root', () =>
    verifyInclusion({ index, size, root: fromHex(head.logRoot), leafHash: hashLeaf(entry), proof }),
  )
  await registry.verifyInclusion({ component, head, index, leaf: entry, proof })

  const epochs = await readEpochs({ chain, log }, { head, component, address })
  const record = await readAnchoredCommit(log, head)
  assertCommitOfHead(record.commit, { head, epochs })
  const commit = verify('the certificate of the anchored commit does not hold', () => verifyCommit(epochs, record))
  const { retirement } = epochs
  return { index, entry, component, head, commit, retirement, registry: address, chainId: chain.chainId }
}

/** Who decided, from the genesis committee that the component's key names to the committee that the head names. */
async function readEpochs(
  { chain, log }: { chain: Chain; log: LogReader },
  { head, component, address }: { head: Head; component: Hex; address: Hex },
): Promise<Epochs> {
  const genesis = await readGenesis(chain, { address, component })
  if (genesis === undefined) throw new ComponentUnknownError({ component })
  const known = createEpochsOf(component, genesis.committee)
  // What came after the head is nothing to this proof, except what a retired component's last word was.
  const upTo = head.retired ? head.epoch + 1n : head.epoch
  const epochs = await followEpochs({ logs: [log] }, known, { upTo })
  const { epoch } = currentCommittee(epochs)
  if (epoch < head.epoch || (head.retired && epochs.retirement === null))
    throw new NotVerifiedError({ reason: `the log served does not show what ended epoch ${epoch}` })
  if (currentCommittee(epochs).committeeHash !== head.committeeHash) {
    throw new NotVerifiedError({
      reason: `the log served leads to another committee in epoch ${epoch} than the anchored`,
    })
  }
  return epochs
}

async function readEntry(log: LogReader, of: { index: bigint; size: bigint }) {
  try {
    const [entry, proof] = await Promise.all([log.readEntry(of), log.proveInclusion(of)])
    return { entry, proof }
  } catch (cause) {
    if (!(cause instanceof NotInLogError)) throw cause
    throw new NotVerifiedError({ reason: `the log served has not the ${of.size} entries that are anchored`, cause })
  }
}

async function readAnchoredCommit(log: LogReader, { height }: Head) {
  try {
    return await log.readCommit(height)
  } catch (cause) {
    if (!(cause instanceof NotInLogError)) throw cause
    throw new NotVerifiedError({ reason: `the log served has no commit at the anchored height ${height}`, cause })
  }
}

function assertCommitOfHead(commit: Commit, { head, epochs }: { head: Head; epochs: Epochs }): void {
  // A rotation's own commit is of the epoch that it ended, and its head of the one that it began.
  const rotation = head.epoch === 0n ? undefined : committeeOf(epochs, head.epoch - 1n)?.end?.commit
  const isOfHead =
    commit.component === epochs.component &&
    (commit.epoch === head.epoch || (rotation?.height === commit.height && rotation.epoch === commit.epoch)) &&
    commit.height === head.height &&
    commit.logSize === head.logSize &&
    commit.logRoot === head.logRoot &&
    commit.state === head.state &&
    commit.timestampMs === head.timestampMs
  if (!isOfHead) throw new NotVerifiedError({ reason: `the log serves another commit at height ${head.height}` })
}

function verify<T>(reason: string, check: () => T): T {
  try {
    return check()
  } catch (cause) {
    if (!(cause instanceof CoalitionError)) throw cause
    throw new NotVerifiedError({ reason, cause })
  }
}
