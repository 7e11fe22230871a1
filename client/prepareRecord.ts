import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { deriveDetails, type Member } from '../protocol/wire/committee.ts'
import type { RecordedEnd } from '../protocol/wire/recordedEnd.ts'
import { committeeOf, createEpochs, currentCommittee } from './epochs.ts'
import { followEpochs } from './followEpochs.ts'
import type { LogReader } from './logReader.ts'

export class EpochNotEndedError extends CoalitionError {
  constructor({ component, epoch, current }: { component: Hex; epoch: bigint; current: bigint }) {
    super('EPOCH_NOT_ENDED', `Epoch ${epoch} of component ${component} has not ended; the current one is ${current}.`, {
      fix: 'Name an epoch that a rotation or a retirement ended, or read from a member that has seen it end.',
      kind: 'refused',
    })
  }
}

export type PrepareRecordParameters = {
  component: Hex
  /** The genesis committee, with its members' note keys. */
  members: readonly Member[]
  /** The epoch whose end is to be recorded. */
  epoch: bigint
}

/**
 * Gathers from a component's own log all that a Chronicle asks for to record how an epoch of it ended: the log is followed from
 * the genesis committee, so that nothing is sent which the Chronicle would refuse.
 *
 * @throws {EpochNotEndedError} as far as the log leads.
 * @throws what `followEpochs` throws.
 */
export async function prepareRecord(
  { log }: { log: LogReader },
  { component, members, epoch }: PrepareRecordParameters,
): Promise<RecordedEnd> {
  const epochs = await followEpochs({ logs: [log] }, createEpochs({ component, members }), { upTo: epoch + 1n })
  const committee = committeeOf(epochs, epoch)
  if (committee === undefined || committee.end === null) {
    throw new EpochNotEndedError({ component, epoch, current: currentCommittee(epochs).epoch })
  }
  const { commit, certificate } = committee.end
  const proof = {
    commit,
    certificate,
    committee: { signers: committee.signers, details: deriveDetails(committee.members) },
  }
  const next = committeeOf(epochs, epoch + 1n)
  if (next !== undefined) {
    return { kind: 'recordRotation', ...proof, newEpoch: next.epoch, newCommitteeHash: next.committeeHash }
  }
  // An epoch that ended with no committee after it ended with the component.
  const { successor, reason } = epochs.retirement!
  return { kind: 'recordRetirement', ...proof, successor, reason }
}
