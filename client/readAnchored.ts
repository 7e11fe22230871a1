import type { ComponentRegistry } from '../chain/componentRegistry.ts'
import type { Head } from '../chain/head.ts'
import type { Hex } from '../protocol/bytes.ts'
import type { VerifiedCommit } from '../protocol/wire/certificate.ts'
import type { Commit } from '../protocol/wire/commit.ts'
import type { CommitRecord } from '../protocol/wire/commitRecord.ts'
import { committeeOf, type Epochs, verifyCommit } from './epochs.ts'
import { followToHead } from './followToHead.ts'
import { type LogReader, NotInLogError } from './logReader.ts'
import { NotVerifiedError, verify } from './notVerified.ts'

/** What the chain says of a component, and who says it. */
export type Anchored = {
  /** The newest head on chain. */
  head: Head
  /** The commit that it was anchored with, as the log served it. */
  record: CommitRecord
  commit: VerifiedCommit
  /** Who decided, from the genesis committee that the component's key names to the committee that the head names. */
  epochs: Epochs
}

/**
 * Reads the commit of `head`, certified by a quorum of the committee of its epoch. The first committee is the one that the
 * component's key names, each rotation is certified by the committee before it, and the last is the head's: old keys that
 * leaked lead to another committee, and the chain's head refuses that one.
 *
 * @param parameters.head the component's newest head, as `registry.readHead` proved it.
 * @throws {ComponentUnknownError} nobody registered the component there.
 * @throws {GenesisUnprovenError} the endpoint gives another registration than the component's.
 * @throws {NotVerifiedError} the certificate does not hold, or the log says other than the chain.
 * @throws {EpochUnprovenError} the log shows a rotation that does not hold.
 * @throws what the chain and the log reader throw.
 */
export async function readAnchored(
  { registry, log }: { registry: ComponentRegistry; log: LogReader },
  { component, head }: { component: Hex; head: Head },
): Promise<Anchored> {
  const epochs = await followToHead({ registry, log }, { component, head })
  const record = await readCommitOf(log, head)
  assertCommitOfHead(record.commit, { head, epochs })
  const commit = verify('the certificate of the anchored commit does not hold', () => verifyCommit(epochs, record))
  return { head, record, commit, epochs }
}

async function readCommitOf(log: LogReader, { height }: Head): Promise<CommitRecord> {
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
