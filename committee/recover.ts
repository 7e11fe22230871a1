import { CoalitionError } from '../protocol/errors.ts'
import { type CommitteeState, type CreateStateParameters, createState, ownKeyOf } from './state.ts'
import type { WalRecord } from './types.ts'

export class RecoveryRefusedError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('RECOVERY_REFUSED', `The write-ahead log does not fit this member’s store: ${reason}.`, {
      fix: 'Do not sign with this store again: rotate the member out and let it return with a fresh key.',
      kind: 'refused',
    })
  }
}

export type RecoverParameters = CreateStateParameters & {
  /** In the order in which they were persisted; those of heights already decided are passed over. */
  records: readonly WalRecord[]
}

/**
 * The state of a member that was killed: it knows all that it may have signed at the height after `parent`, and its lock
 * (spec §5.4). Values are executed again before they count.
 *
 * @throws {RecoveryRefusedError} a record of a height that the store has not reached, of another member or epoch, or two
 *   that contradict each other.
 */
export function recover({ committee, parent, records }: RecoverParameters): CommitteeState {
  const state = createState({ committee, parent })
  const own = new Map(state.own)
  let { round, step, locked, valid } = state
  for (const { message, lock } of records) {
    if (message.height < state.height) continue
    const { kind } = message
    const refuse = (reason: string): never => {
      throw new RecoveryRefusedError({
        reason: `${kind} of height ${message.height}, round ${message.round} ${reason}`,
      })
    }
    if (message.height > state.height) refuse(`comes before a commit of height ${state.height}`)
    if (message.component !== committee.component) refuse('is of another component')
    if (message.epoch !== committee.epoch) refuse('is of another epoch')
    if (message.signer !== committee.self) refuse('is of another member')
    const key = ownKeyOf(message)
    if (own.has(key)) refuse('is there twice')
    if (message.round < round) refuse(`follows one of round ${round}`)
    own.set(key, message)
    round = message.round
    step = kind === 'proposal' ? 'propose' : kind
    if (lock === null) continue
    locked = { round: lock.round, commitDigest: lock.proposal.commitDigest }
    valid = lock
  }
  return { ...state, own, round, step, locked, valid }
}
