import type { Next } from '../../chain/encodeAnchor.ts'
import type { Head } from '../../chain/head.ts'
import { EpochUnprovenError, readEpochEnd } from '../../client/epochEnd.ts'
import { type LogReader, LogUnreachableError, NotInLogError, OtherComponentError } from '../../client/logReader.ts'
import { fromHex, type Hex, toHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { rootOf } from '../../protocol/log/treeRoot.ts'
import { verifyGrowth } from '../../protocol/log/verifyGrowth.ts'
import { type VerifiedCommit, verifyCertificate } from '../../protocol/wire/certificate.ts'
import type { Commit } from '../../protocol/wire/commit.ts'
import { deriveCommitteeHash, type Member } from '../../protocol/wire/committee.ts'
import { ChainContradictedError } from './alarms.ts'

/** A commit that may be anchored next, and the log that offers it. */
export type Candidate = { log: LogReader; verified: VerifiedCommit; next: Next | undefined }

export class NotForTheChainError extends CoalitionError {
  constructor({ url, height }: { url: string; height: bigint }) {
    super(
      'NOT_FOR_THE_CHAIN',
      `The log at ${url} offers height ${height}, which is not a marked commit of this component.`,
      {
        fix: 'Leave this log out of LOG_URLS until its operator has explained it.',
        kind: 'refused',
      },
    )
  }
}

export class LogsUnusableError extends CoalitionError {
  constructor({ reasons }: { reasons: readonly string[] }) {
    super('LOGS_UNUSABLE', `No log gives a certified commit that continues the anchored one: ${reasons.join('; ')}`, {
      fix: 'Give LOG_URLS of more members; if every log contradicts the chain, raise an alarm: a log was rewritten.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

/** Of a head, what a candidate is held against. */
type Base = Pick<Head, 'epoch' | 'height' | 'logSize' | 'logRoot'>

/** What a component has on chain right after its registration. */
export const BEGINNING: Base = { epoch: 0n, height: 0n, logSize: 0n, logRoot: toHex(rootOf([])) }

export type ReadCandidatesParameters = {
  /** Component key. */
  component: Hex
  /** What is anchored. */
  head: Base
  /** The head's committee. */
  members: readonly Member[]
}

/**
 * What each log offers to anchor on `head`, as far as its certificate holds; the highest first. While an epoch that has
 * ended is the head's, that is the commit which ended it: nothing of the next may be anchored before.
 *
 * @returns Empty where no log has anything newer.
 * @throws {ChainContradictedError} a certified commit and the head exclude each other.
 * @throws {LogsUnusableError | OtherComponentError} every log is at fault.
 */
export async function readCandidates(
  logs: readonly LogReader[],
  parameters: ReadCandidatesParameters,
): Promise<Candidate[]> {
  const offered = await Promise.allSettled(logs.map((log) => readCandidate(log, parameters)))
  const candidates = offered.flatMap((each) => (each.status === 'fulfilled' ? (each.value ?? []) : []))
  const failures = offered.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []))
  for (const error of failures) {
    if (!(error instanceof CoalitionError) || error instanceof ChainContradictedError) throw error
  }
  const faults = failures.filter((error) => !(error instanceof NotInLogError))
  if (faults.length === logs.length) throw describeFaults(faults)
  return candidates.sort((a, b) => (a.verified.commit.height > b.verified.commit.height ? -1 : 1))
}

async function readCandidate(
  log: LogReader,
  { component, head, members }: ReadCandidatesParameters,
): Promise<Candidate | undefined> {
  const newest = await log.readNewestAnchor()
  // Right after a rotation its own commit is the newest marked one, and it is anchored.
  if (newest.commit.epoch < head.epoch) return undefined
  const { commit, certificate } = newest.commit.epoch > head.epoch ? await log.readEpochEnd(head.epoch) : newest
  // A certificate alone is not enough: a liar may serve one of a commit that is not for the chain.
  const isForTheChain = commit.component === component && commit.anchor && commit.epoch === head.epoch
  if (!isForTheChain) throw new NotForTheChainError({ url: log.url, height: commit.height })
  const verified = verifyCertificate({ commit, certificate, signers: members.map(({ signer }) => signer) })
  assertBesideHead(commit, { head, url: log.url })
  if (commit.logSize <= head.logSize) return undefined
  return { log, verified, next: await readNext(log, commit) }
}

/** Both are certified, so one log must hold both. */
function assertBesideHead(commit: Commit, { head, url }: { head: Base; url: string }): void {
  const heights = commit.height - head.height
  const leaves = commit.logSize - head.logSize
  const isContradiction =
    heights * leaves < 0n || (heights === 0n && leaves !== 0n) || (leaves === 0n && commit.logRoot !== head.logRoot)
  if (isContradiction) throw new ChainContradictedError({ url, height: commit.height, anchoredHeight: head.height })
}

/** What the registry is shown of how a certified commit ends its epoch. */
async function readNext(log: LogReader, commit: Commit): Promise<Next | undefined> {
  const end = await readEpochEnd(log, commit)
  if (end === undefined) return undefined
  if (end.kind === 'rotation') return { kind: 'rotation', newCommitteeHash: deriveCommitteeHash(end.rotated.members) }
  return { kind: 'retirement', successor: end.marker.successor, reason: end.marker.reason }
}

/**
 * The committee that a head names, from the entry of the rotation that made it. Whatever a log says is compared with the
 * head's committee hash, so no log is believed.
 *
 * @throws {LogsUnusableError | OtherComponentError} no log has it.
 */
export async function readCommittee(logs: readonly LogReader[], head: Head): Promise<readonly Member[]> {
  const epoch = head.epoch - 1n
  const faults: Error[] = []
  for (const log of logs) {
    try {
      const { commit } = await log.readEpochEnd(epoch)
      const end = await readEpochEnd(log, commit)
      if (end?.kind === 'rotation' && deriveCommitteeHash(end.rotated.members) === head.committeeHash) {
        return end.rotated.members
      }
      throw new EpochUnprovenError({
        url: log.url,
        epoch,
        reason: 'it leads to another committee than the anchored one',
      })
    } catch (error) {
      if (!(error instanceof CoalitionError)) throw error
      faults.push(error)
    }
  }
  throw describeFaults(faults)
}

/** Logs that answer and are all another component's accuse nobody: the config, or the URLs, are wrong. */
function describeFaults(faults: readonly Error[]): CoalitionError {
  const answered = faults.filter((fault) => !(fault instanceof LogUnreachableError))
  const [other] = answered
  if (other instanceof OtherComponentError && answered.every((fault) => fault instanceof OtherComponentError)) {
    return other
  }
  return new LogsUnusableError({ reasons: faults.map(({ message }) => message) })
}

/** The highest candidate whose log also proves that it continues what is anchored. @throws {LogsUnusableError} none. */
export async function proveGrowth(
  { logSize: size1, logRoot }: Head,
  candidates: readonly Candidate[],
): Promise<Candidate & { consistencyProof: readonly Uint8Array[] }> {
  const reasons: string[] = []
  for (const candidate of candidates) {
    const { commit } = candidate.verified
    const size2 = commit.logSize
    try {
      const proof = await candidate.log.proveConsistency({ size1, size2 })
      verifyGrowth({ size1, root1: fromHex(logRoot), size2, root2: fromHex(commit.logRoot), proof })
      return { ...candidate, consistencyProof: proof }
    } catch (error) {
      if (!(error instanceof CoalitionError)) throw error
      reasons.push(error.message)
    }
  }
  throw new LogsUnusableError({ reasons })
}
