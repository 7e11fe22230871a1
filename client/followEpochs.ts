import { CoalitionError } from '../protocol/errors.ts'
import { ZERO_BYTES32 } from '../protocol/wire/commit.ts'
import { EpochUnprovenError, readEpochEnd } from './epochEnd.ts'
import { currentCommittee, type Epochs, endEpoch, verifyCommit } from './epochs.ts'
import { type LogReader, LogUnreachableError, NotInLogError, OtherComponentError } from './logReader.ts'

/** Epochs that are followed at the most: a rotation a day for 27 years. */
const EPOCHS_MAX = 10_000n
/** Bytes that one log may answer with while it is followed. */
const READ_MAX_BYTES = 1 << 30

/** A member that synced has the whole log, and no commits below the height that it began at. */
export class EpochMissingError extends CoalitionError {
  constructor({ url, epoch }: { url: string; epoch: bigint }) {
    super('EPOCH_MISSING', `The log at ${url} is past epoch ${epoch} and does not have the commit that ended it.`, {
      fix: 'Read from a member that was there when the epoch ended.',
      kind: 'refused',
    })
  }
}

export type FollowEpochsOptions = {
  /** Goes no further than this epoch. @default as far as the logs lead */
  upTo?: bigint
}

/**
 * Walks from the newest committee that is `known` to the current one: the last commit of each epoch is certified by that
 * epoch's committee and names the next (spec §5.1). No log is believed, and the one that leads furthest is followed: a log that
 * hides a rotation, or has not seen it yet, is outdone by any that shows it.
 *
 * What this cannot know is whether anything newer exists, nor whether the keys of a committee that was replaced still are its
 * members' own: the chain's newest head says both, up to what is anchored.
 *
 * @returns `known` itself where there is nothing new, or no log to read.
 * @throws {EpochUnprovenError} no log is usable, and one shows an end that does not hold: the first of them is named.
 * @throws {OtherComponentError} none is, and one is of another component.
 * @throws {EpochMissingError | LogUnreachableError} no log is usable, and none answers otherwise.
 */
export async function followEpochs(
  { logs }: { logs: readonly LogReader[] },
  known: Epochs,
  { upTo }: FollowEpochsOptions = {},
): Promise<Epochs> {
  let epochs = known
  let usable = logs.map((log) => ({ log, readMaxBytes: log.bytesRead() + READ_MAX_BYTES }))
  const faults: CoalitionError[] = []
  while (epochs.retirement === null && (upTo === undefined || currentCommittee(epochs).epoch < upTo)) {
    let followed: Epochs | undefined
    for (const each of usable) {
      try {
        followed = await readNextEpoch(each, epochs)
      } catch (error) {
        if (!(error instanceof CoalitionError)) throw error
        faults.push(error)
        usable = usable.filter((other) => other !== each)
      }
      if (followed !== undefined) break
    }
    if (followed === undefined) break
    epochs = followed
  }
  if (usable.length > 0 || faults.length === 0) return epochs
  throw (
    faults.find((error) => error instanceof EpochUnprovenError) ??
    faults.find((error) => error instanceof OtherComponentError) ??
    faults[0]!
  )
}

/** One epoch more; undefined where this log's has not ended. */
async function readNextEpoch(
  { log, readMaxBytes }: { log: LogReader; readMaxBytes: number },
  epochs: Epochs,
): Promise<Epochs | undefined> {
  const { epoch } = currentCommittee(epochs)
  const refuse = (reason: string, cause?: unknown): EpochUnprovenError =>
    new EpochUnprovenError({ url: log.url, epoch, reason, cause })
  if (log.bytesRead() > readMaxBytes) throw refuse(`it answers with more than ${READ_MAX_BYTES} bytes`)
  try {
    const readEnd = () => log.readEpochEnd(epoch).catch(toUndefined)
    let record = await readEnd()
    if (record === undefined) {
      const newest = (await log.readNewestAnchor().catch(toUndefined))?.commit
      const isPast =
        newest !== undefined && (newest.epoch > epoch || (newest.epoch === epoch && newest.next !== ZERO_BYTES32))
      if (!isPast) return undefined
      // It may have ended in between.
      record = await readEnd()
      if (record === undefined) throw new EpochMissingError({ url: log.url, epoch })
    }
    if (epoch >= EPOCHS_MAX) throw refuse(`there are more than ${EPOCHS_MAX} epochs before it`)
    if (record.commit.epoch !== epoch) throw refuse(`it serves a commit of epoch ${record.commit.epoch}`)
    const verified = verifyCommit(epochs, record)
    const end = await readEpochEnd(log, verified.commit)
    if (end === undefined) throw refuse('the commit that it serves names no end')
    if (end.kind === 'retirement') return endEpoch(epochs, verified, end.marker)
    const { newEpoch, members } = end.rotated
    if (newEpoch !== epoch + 1n) throw refuse(`it leads to epoch ${newEpoch}`)
    return endEpoch(epochs, verified, members)
  } catch (error) {
    if (!(error instanceof CoalitionError)) throw error
    const namesLog =
      error instanceof EpochUnprovenError ||
      error instanceof EpochMissingError ||
      error instanceof LogUnreachableError ||
      error instanceof OtherComponentError
    throw namesLog ? error : refuse(error.message.replace(/\.$/, ''), error)
  }
}

function toUndefined(error: unknown): undefined {
  if (!(error instanceof NotInLogError)) throw error
}
