import type { LogReader } from '../../client/logReader.ts'
import type { ComponentState } from '../../committee/execution.ts'
import { decodeSnapshot, findStateDifference } from '../../committee/snapshot.ts'
import type { Hex } from '../../protocol/bytes.ts'
import type { Machine } from '../../protocol/machine.ts'
import { deriveCommitDigest, ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import type { CommitRecord } from '../../protocol/wire/commitRecord.ts'
import { SnapshotUnprovenError } from './syncErrors.ts'
import type { Pace } from './syncPace.ts'
import { followDown, type Trust } from './syncTrust.ts'

/** A commit and the state after it, as one peer has them: they belong together, and nobody has certified them yet. */
export type Offer = {
  record: CommitRecord
  digest: Hex
  snapshot: Uint8Array
  /** What is trusted, and not newer than the offer. */
  trust: Trust
}

export type ReadOfferParameters<State> = { machine: Machine<State>; component: Hex; trust: Trust; pace: Pace }

/**
 * Reads the newest state that a peer keeps, and the commit it is of.
 *
 * @throws {SnapshotUnprovenError} they do not belong together, or exclude what is trusted.
 * @throws {SnapshotTooOldError} they are older than what is trusted, and it does not lead down to them.
 * @throws what the reader throws.
 */
export async function readOffer<State>(
  log: LogReader,
  { machine, component, trust: newest, pace }: ReadOfferParameters<State>,
): Promise<Offer> {
  const snapshot = await log.readSnapshot('anchor')
  const state = decode(log, { machine, snapshot })
  const record = await log.readCommit(state.height)
  const { commit, body } = record
  const refuse = (reason: string): never => {
    throw new SnapshotUnprovenError({ url: log.url, reason })
  }
  if (commit.component !== component) refuse(`it is of component ${commit.component}`)
  if (body.machineVersion !== machine.version) refuse(`it is of machine version ${body.machineVersion}`)
  const difference = findStateDifference(machine, { state, commit })
  if (difference !== undefined) refuse(`its ${difference} is not that of the commit at its height`)
  const digest = deriveCommitDigest(commit)
  const { height } = commit
  const trust = height < newest.height ? await followDown(log, { trust: newest, height, pace }) : newest
  if (height === trust.height && digest !== trust.digest) refuse('it is another commit than the trusted one')
  const isAfterEnd = height > trust.height && trust.next !== ZERO_BYTES32 && commit.epoch === trust.epoch
  if (commit.epoch < trust.epoch || isAfterEnd) refuse('its epoch had ended at the trusted height')
  if (commit.logSize < trust.logSize) refuse('its log is shorter than the trusted one')
  return { record, digest, snapshot, trust }
}

function decode<State>(
  { url }: LogReader,
  { machine, snapshot }: { machine: Machine<State>; snapshot: Uint8Array },
): ComponentState<State> {
  try {
    return decodeSnapshot(machine, snapshot)
  } catch (cause) {
    // A stranger's bytes: whatever a decoder makes of them, they are no state.
    throw new SnapshotUnprovenError({ url, reason: 'it is no state of this component’s machine', cause })
  }
}
