import { type ComponentState, listStateItems } from '../committee/execution.ts'
import { decodeSnapshot, findStateDifference } from '../committee/snapshot.ts'
import { CoalitionError } from '../protocol/errors.ts'
import type { Machine } from '../protocol/machine.ts'
import type { VerifiedCommit } from '../protocol/wire/certificate.ts'
import type { CommitRecord } from '../protocol/wire/commitRecord.ts'
import { createStateProver, type StateProver } from '../protocol/wire/stateTree.ts'
import { type Epochs, verifyCommit } from './epochs.ts'
import { followEpochs } from './followEpochs.ts'
import type { LogReader } from './logReader.ts'

export class StateUnprovenError extends CoalitionError {
  constructor({ url, reason, cause }: { url: string; reason: string; cause?: unknown }) {
    super('STATE_UNPROVEN', `The state that the log at ${url} serves does not hold: ${reason}.`, {
      fix: 'Read from another member, and from this one not until its operator has explained it.',
      kind: 'refused',
      cause,
    })
  }
}

export class NotAnchoredStateError extends CoalitionError {
  constructor({ height }: { height: bigint }) {
    super(
      'NOT_ANCHORED_STATE',
      `The chain’s newest head, of height ${height}, is not of the state that members serve.`,
      {
        fix: 'Before the first anchor there is none; else read again, as one may have come in between.',
        kind: 'refused',
        isRetryable: true,
      },
    )
  }
}

/** A component's whole state, which a quorum certified, and what proves each of its items. */
export type CertifiedState<State> = {
  state: ComponentState<State>
  /** The commit that left it so, as members serve it. */
  record: CommitRecord
  commit: VerifiedCommit
  /** Proves items under `commit.commit.state`. */
  prover: StateProver
  /** Who decided up to that commit, and since as far as the logs lead. */
  epochs: Epochs
}

export type ReadStateParameters<State> = {
  machine: Machine<State>
  /** Who decides, as far as the caller knows. */
  epochs: Epochs
  /** Height of a commit that is marked for the chain; of such, members keep the newest two. @default the newest of all logs */
  height?: bigint | undefined
  /** What was read before: given back, without reading it again, where there is nothing newer. */
  known?: CertifiedState<State> | undefined
}

/**
 * Reads a component's state from members' logs. None of them is believed: a quorum's certificate covers the state root, and
 * whatever else the state says of itself is compared with the same commit.
 *
 * @throws {NotInLogError} no log has the height, or has any state yet.
 * @throws {StateUnprovenError} no log serves a state that holds: the first reason.
 * @throws what `followEpochs` and the log reader throw.
 */
export async function readState<State>(
  { logs }: { logs: readonly LogReader[] },
  { machine, epochs: startingFrom, height, known }: ReadStateParameters<State>,
): Promise<CertifiedState<State>> {
  const read = (log: LogReader) => (height === undefined ? log.readNewestAnchor() : log.readCommit(height))
  const [epochs, offered] = await Promise.all([
    followEpochs({ logs }, startingFrom),
    Promise.allSettled(logs.map(async (log) => ({ log, record: await read(log) }))),
  ])
  const faults: unknown[] = []
  const offers: { log: LogReader; record: CommitRecord; commit: VerifiedCommit }[] = []
  for (const each of offered) {
    try {
      if (each.status === 'rejected') throw each.reason
      const { log, record } = each.value
      offers.push({ log, record, commit: verifyCommit(epochs, record) })
    } catch (error) {
      faults.push(error)
    }
  }
  offers.sort((a, b) => (a.commit.commit.height > b.commit.commit.height ? -1 : 1))
  for (const { log, record, commit } of offers) {
    if (commit.digest === known?.commit.digest) return { ...known, epochs }
    try {
      return { ...(await readStateOf(log, { machine, commit })), record, commit, epochs }
    } catch (error) {
      faults.push(error)
    }
  }
  const unexpected = faults.find((error) => !(error instanceof CoalitionError))
  throw unexpected ?? faults.find((error) => error instanceof StateUnprovenError) ?? faults[0]
}

async function readStateOf<State>(
  log: LogReader,
  { machine, commit: { commit } }: { machine: Machine<State>; commit: VerifiedCommit },
): Promise<Pick<CertifiedState<State>, 'state' | 'prover'>> {
  const refuse = (reason: string, cause?: unknown) => new StateUnprovenError({ url: log.url, reason, cause })
  const snapshot = await log.readSnapshot(commit.height)
  let state: ComponentState<State>
  try {
    state = decodeSnapshot(machine, snapshot)
  } catch (cause) {
    // A stranger's bytes: whatever a decoder makes of them, they are no state.
    throw refuse('it is no state of this component’s machine', cause)
  }
  const difference = findStateDifference(machine, { state, commit })
  if (difference !== undefined) throw refuse(`its ${difference} is not that of the commit at its height`)
  return { state, prover: createStateProver(listStateItems(machine, state)) }
}
