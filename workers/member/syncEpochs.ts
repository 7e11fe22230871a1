import { readEpochEnd } from '../../client/epochEnd.ts'
import type { LogReader } from '../../client/logReader.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { type VerifiedCommit, verifyCertificate } from '../../protocol/wire/certificate.ts'
import { ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import type { CommitRecord } from '../../protocol/wire/commitRecord.ts'
import type { Member } from '../../protocol/wire/committee.ts'
import { SnapshotUnprovenError } from './syncErrors.ts'
import type { Trust } from './syncTrust.ts'

/** Rotations between what is trusted and what is offered: of more, something newer has to be trusted. */
const ROTATIONS_MAX = 4096n

/** A commit whose certificate was verified, and the committee it was verified against. */
export type Certified = { verified: VerifiedCommit; signers: readonly Hex[] }

/**
 * Verifies the offered commit by the committee of its epoch, which each rotation since the trusted commit leads to: the
 * commit that ended an epoch is certified by that epoch's committee and names the next one (spec §5.1).
 *
 * @param options.members the committee of the trusted commit's epoch, which follows from the trusted commit.
 * @returns every commit that was verified, the offered one last.
 * @throws {SnapshotUnprovenError | CertificateRefusedError | EpochUnprovenError}
 */
export async function certifyOffer(
  log: LogReader,
  { offered, trust, members }: { offered: CommitRecord; trust: Trust; members: readonly Member[] },
): Promise<Certified[]> {
  const { commit } = offered
  const refuse = (reason: string): never => {
    throw new SnapshotUnprovenError({ url: log.url, reason })
  }
  if (commit.epoch - trust.epoch > ROTATIONS_MAX) refuse(`${commit.epoch - trust.epoch} rotations lie before it`)
  const certified: Certified[] = []
  const certify = (record: CommitRecord, committee: readonly Member[]): VerifiedCommit => {
    const signers = committee.map(({ signer }) => signer)
    const verified = verifyCertificate({ ...record, signers })
    certified.push({ verified, signers })
    return verified
  }
  let current = members
  let lowest = { height: trust.height, logSize: trust.logSize }
  for (let epoch = trust.epoch; epoch < commit.epoch; epoch++) {
    const end = await log.readEpochEnd(epoch)
    const { component, height, logSize } = end.commit
    const isEnd = component === commit.component && end.commit.epoch === epoch
    const isBetween = height >= lowest.height && height < commit.height && logSize >= lowest.logSize
    if (!isEnd || !isBetween) refuse(`it does not show what ended epoch ${epoch}`)
    const { digest } = certify(end, current)
    // One that is trusted may be the end itself; then no other end counts, whoever signed it.
    const isTrusted = height === trust.height || (epoch === trust.epoch && trust.next !== ZERO_BYTES32)
    if (isTrusted && digest !== trust.digest) refuse('the trusted epoch ended otherwise')
    const decided = await readEpochEnd(log, end.commit)
    if (decided?.kind !== 'rotation' || decided.rotated.newEpoch !== epoch + 1n) {
      return refuse(`nobody is seen to follow epoch ${epoch}`)
    }
    current = decided.rotated.members
    lowest = { height: height + 1n, logSize }
  }
  certify(offered, current)
  return certified
}
