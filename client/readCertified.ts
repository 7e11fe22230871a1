import { CoalitionError } from '../protocol/errors.ts'
import type { VerifiedCommit } from '../protocol/wire/certificate.ts'
import type { CommitRecord } from '../protocol/wire/commitRecord.ts'
import { type Epochs, verifyCommit } from './epochs.ts'
import { followEpochs } from './followEpochs.ts'
import { type LogReader, NotInLogError } from './logReader.ts'

/** The newest commit that any of the logs could show, and who decided it. */
export type Certified = {
  /** As the log served it. */
  record: CommitRecord
  commit: VerifiedCommit
  /** The log that has it, and the entries under it. */
  log: LogReader
  epochs: Epochs
}

/**
 * Reads the newest commit of a component, certified by a quorum of the committee of its epoch. Members say how far they
 * are and are not believed; one that is behind, or says so, is passed over for one that can show more.
 *
 * @param known who decides, as far as the caller knows.
 * @throws {NotInLogError} nothing was decided yet.
 * @throws {CertificateRefusedError | EpochUnprovenError} no log shows a commit that holds: the first reason.
 * @throws what the log reader throws.
 */
export async function readCertified({ logs }: { logs: readonly LogReader[] }, known: Epochs): Promise<Certified> {
  const epochs = await followEpochs({ logs }, known)
  const looked = await Promise.allSettled(
    logs.map(async (log) => {
      const { height } = await log.readStatus()
      const record = await log.readCommit(height)
      // A rotation that came since it was looked for who decides is of a committee that nobody showed yet.
      const current =
        epochs.committees[Number(record.commit.epoch)] === undefined ? await followEpochs({ logs }, epochs) : epochs
      return { record, commit: verifyCommit(current, record), log, epochs: current }
    }),
  )
  const newest = looked
    .flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    .sort((a, b) => (a.record.commit.height > b.record.commit.height ? -1 : 1))[0]
  if (newest !== undefined) return newest
  const faults = looked.map((each) => (each as PromiseRejectedResult).reason as unknown)
  // What is no refusal is a mistake of ours; and that one log has nothing yet says less than that another does not hold.
  throw (
    faults.find((fault) => !(fault instanceof CoalitionError)) ??
    faults.find((fault) => !(fault instanceof NotInLogError)) ??
    faults[0]
  )
}
