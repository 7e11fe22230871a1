import type { Head } from '../chain/head.ts'
import { fromHex, type Hex, toHex } from '../protocol/bytes.ts'
import { CoalitionError, countOf } from '../protocol/errors.ts'
import { createNoteVerifier } from '../protocol/log/noteVerifier.ts'
import { verifyCheckpoint } from '../protocol/log/verifyCheckpoint.ts'
import type { VerifiedCommit } from '../protocol/wire/certificate.ts'
import { ZERO_BYTES32 } from '../protocol/wire/commit.ts'
import { quorumOf } from '../protocol/wire/committee.ts'
import type { RetirementMarker } from '../protocol/wire/next.ts'
import { EpochUnprovenError } from './epochEnd.ts'
import { committeeOf, createEpochs, currentCommittee, type Epochs, verifyCommit } from './epochs.ts'
import { followEpochs } from './followEpochs.ts'
import { type LogReader, LogUnreachableError } from './logReader.ts'
import type { MemberStatus } from './memberStatus.ts'
import type { Component } from './readComponent.ts'

/**
 * `behind` still votes and catches up; `joining` does not vote yet; `retired` has the component's last commit, after which
 * nobody votes; `cutOff` says that its Redis does not answer; `faulty`
 * serves what does not hold.
 */
export type Standing = 'atWork' | 'behind' | 'joining' | 'retired' | 'cutOff' | 'faulty' | 'silent'

/** A Redis that answers is heard each second. */
const REDIS_SILENT_MAX_MS = 10_000

export type SurveyedMember = {
  signer: Hex
  standing: Standing
  url: string | null
  /** Of its newest commit, whose certificate was verified; null where there is none to verify. */
  height: bigint | null
  /** Heights that the newest verified commit is ahead of it. */
  behindBy: bigint | null
  /** What is wrong with it, where something is. */
  reason: string | null
  /** What it says of itself beside that: a claim. */
  status: MemberStatus | null
}

export type Survey = {
  component: Hex
  /** The current one, in which `members` decide; null where nobody gives a usable answer, and then they are those of the newest epoch that was proven. */
  epoch: bigint | null
  /** Of `members`. */
  committeeHash: Hex
  /** The component's last word, where it has retired: then nothing is decided any more. */
  retirement: RetirementMarker | null
  /** Of the newest verified commit; 0 before the first; null where nobody gives a usable answer. */
  height: bigint | null
  commitDigest: Hex | null
  quorum: number
  /** Members that vote. */
  responsive: number
  /** How many of those may be lost before nothing is decided any more; negative where too many are. */
  margin: number
  members: SurveyedMember[]
  /** URLs that nothing usable answers at, or that answer for a seat which another URL has. */
  unusable: { url: string; reason: string }[]
  /** The chain's newest head of the component, and how far it is behind; null where nobody registered it. */
  anchor: Anchor | null
  /** Certified contradictions: more than a third of the committee is Byzantine, or the chain was given another log. */
  alarms: string[]
}

export type Anchor = {
  height: bigint
  logSize: bigint
  logRoot: Hex
  anchorIndex: bigint
  /** Time of the anchoring block, seconds since the Unix epoch. */
  anchoredAt: bigint
  retired: boolean
  /** Commits since, and the seconds between their times; null where nobody gives a usable answer. Not every commit is marked for the chain. */
  lagCommits: bigint | null
  lagSeconds: bigint | null
}

export type SurveyCommitteeParameters = Pick<Component, 'component' | 'members' | 'origin'> & {
  /** The component's newest head on its home chain; undefined where nobody registered it. */
  head: Head | undefined
}

type Seen = { url: string; log: LogReader; status: MemberStatus; newest: VerifiedCommit | undefined }

/**
 * Asks each of `logs` how its member does, and verifies what can be: its checkpoint by the member's note key, its newest
 * commit by the certificate of its epoch's committee, all of them against each other and against the chain's head. Never
 * throws for a member. The committee surveyed is the newest that the logs lead to.
 */
export async function surveyCommittee(
  { logs }: { logs: readonly LogReader[] },
  { component, members: genesisMembers, origin, head }: SurveyCommitteeParameters,
): Promise<Survey> {
  const alarms: string[] = []
  const lies = new Map<LogReader, string>()
  const lookAt = (epochs: Epochs): Promise<Looked[]> =>
    Promise.all(logs.map((log) => look(log, { epochs, origin, lie: lies.get(log) })))
  let epochs = await followEach(logs, createEpochs({ component, members: genesisMembers }), { lies, alarms })
  let looked = await lookAt(epochs)
  // A rotation between the two questions would make whoever has decided it look faulty.
  const followed = await followEach(logs, epochs, { lies, alarms })
  if (followed !== epochs) {
    epochs = followed
    looked = await lookAt(epochs)
  }
  const { signers, committeeHash } = currentCommittee(epochs)
  const unusable: Survey['unusable'] = []
  const seats = new Map<Hex, Seen>()
  const faults = new Map<Hex, { url: string; reason: string; status: MemberStatus }>()

  for (const found of looked) {
    const { url } = found
    if ('unusable' in found) unusable.push({ url, reason: found.unusable })
    else if (seats.has(found.status.signer) || faults.has(found.status.signer)) {
      unusable.push({ url, reason: `another URL answers for ${found.status.signer} already` })
    } else if ('fault' in found) faults.set(found.status.signer, { url, reason: found.fault, status: found.status })
    else seats.set(found.status.signer, found)
  }

  const fault = ({ url, status }: Seen, reason: string): void => {
    seats.delete(status.signer)
    faults.set(status.signer, { url, reason, status })
  }
  const byHeight = (): Seen[] => [...seats.values()].sort((a, b) => Number(heightOf(b) - heightOf(a)))

  // Two certified commits of one height cannot be while fewer than a third of the committee is Byzantine.
  for (const each of byHeight().filter(({ newest }) => newest !== undefined)) {
    const { commit, digest } = each.newest!
    for (const reference of byHeight().filter(({ status }) => status.signer !== each.status.signer)) {
      if (heightOf(reference) < commit.height) continue
      const known = await readVerified(reference, commit.height, epochs)
      if (typeof known === 'string') {
        fault(reference, known)
        continue
      }
      if (known.digest !== digest) {
        alarms.push(
          `at height ${commit.height} ${each.url} has commit ${digest} and ${reference.url} ${known.digest}, both certified`,
        )
      }
      break
    }
  }
  if (head !== undefined) {
    const anchored = committeeOf(epochs, head.epoch)
    if (anchored !== undefined && anchored.committeeHash !== head.committeeHash) {
      alarms.push(`the committee of epoch ${head.epoch} is not the one that the chain holds`)
    }
    if (anchored === undefined) {
      alarms.push(`the chain holds a head of epoch ${head.epoch}, to which no log that was given leads`)
    }
  }
  if (head !== undefined && head.height > 0n) {
    for (const each of byHeight().filter((one) => heightOf(one) >= head.height)) {
      const anchored = await readVerified(each, head.height, epochs)
      if (typeof anchored === 'string') fault(each, anchored)
      else if (anchored.commit.logRoot !== head.logRoot || anchored.commit.logSize !== head.logSize) {
        alarms.push(`height ${head.height} of ${each.url} is certified and is not what the chain holds`)
      }
    }
  }

  const [highest] = byHeight()
  const newest = highest?.newest
  const height = highest === undefined ? null : heightOf(highest)
  const members = signers.map((signer): SurveyedMember => {
    const broken = faults.get(signer)
    if (broken !== undefined) {
      const { url, reason, status } = broken
      return { signer, standing: 'faulty', url, height: null, behindBy: null, reason, status }
    }
    const seen = seats.get(signer)
    if (seen === undefined) {
      return { signer, standing: 'silent', url: null, height: null, behindBy: null, reason: null, status: null }
    }
    const behindBy = (height ?? 0n) - heightOf(seen)
    const { url, status } = seen
    const isCutOff = status.redisSilentMs > REDIS_SILENT_MAX_MS
    const standing = isCutOff ? 'cutOff' : standingOf(status, { behindBy, isRetired: epochs.retirement !== null })
    const reason = isCutOff ? describeSilence(status) : describeClock(status)
    return { signer, standing, url, height: heightOf(seen), behindBy, reason, status }
  })
  const responsive = members.filter(({ standing }) => standing === 'atWork' || standing === 'behind').length
  const quorum = quorumOf(signers.length)
  return {
    component,
    epoch: highest === undefined ? null : currentCommittee(epochs).epoch,
    committeeHash,
    retirement: epochs.retirement,
    height,
    commitDigest: highest === undefined ? null : (newest?.digest ?? ZERO_BYTES32),
    quorum,
    responsive,
    margin: responsive - quorum,
    members,
    unusable,
    anchor: head === undefined ? null : describeAnchor(head, { height, newest }),
    alarms,
  }
}

function standingOf(
  { isJoined }: MemberStatus,
  { behindBy, isRetired }: { behindBy: bigint; isRetired: boolean },
): Standing {
  if (isRetired && behindBy === 0n) return 'retired'
  if (!isJoined) return 'joining'
  return behindBy > 0n ? 'behind' : 'atWork'
}

const describeSilence = ({ redisSilentMs }: MemberStatus): string =>
  `its Redis has not answered for ${Math.round(redisSilentMs / 1000)} s`

const describeClock = ({ clock }: MemberStatus): string | null =>
  clock?.isOff === true
    ? `its clock is ${Math.abs(clock.aheadMs)} ms ${clock.aheadMs > 0 ? 'ahead of' : 'behind'} the decided time`
    : null

const heightOf = ({ newest }: Seen): bigint => newest?.commit.height ?? 0n

function describeAnchor(
  head: Head,
  { height: heard, newest }: { height: bigint | null; newest: VerifiedCommit | undefined },
): Anchor {
  const { height, logSize, logRoot, anchorIndex, anchoredAt, retired, timestampMs } = head
  const place = { height, logSize, logRoot, anchorIndex, anchoredAt, retired }
  if (heard === null) return { ...place, lagCommits: null, lagSeconds: null }
  if (newest === undefined || newest.commit.height <= height) return { ...place, lagCommits: 0n, lagSeconds: 0n }
  // A head of registration has no time of its own.
  const sinceMs = timestampMs === 0n ? anchoredAt * 1000n : timestampMs
  const lagMs = newest.commit.timestampMs - sinceMs
  return { ...place, lagCommits: newest.commit.height - height, lagSeconds: lagMs > 0n ? lagMs / 1000n : 0n }
}

type Looked = Seen | { url: string; unusable: string } | { url: string; fault: string; status: MemberStatus }

/** As far as any of `logs` leads. Each is followed by itself, so that what one of them makes up is seen. */
async function followEach(
  logs: readonly LogReader[],
  known: Epochs,
  { lies, alarms }: { lies: Map<LogReader, string>; alarms: string[] },
): Promise<Epochs> {
  const walks = await Promise.all(
    logs.map(async (log): Promise<{ log: LogReader; epochs: Epochs }> => {
      try {
        return { log, epochs: await followEpochs({ logs: [log] }, known) }
      } catch (error) {
        if (!(error instanceof CoalitionError)) throw error
        if (error instanceof EpochUnprovenError) lies.set(log, error.message)
        return { log, epochs: known }
      }
    }),
  )
  let longest = { log: undefined as LogReader | undefined, epochs: known }
  for (const walk of walks) {
    for (const [index, { epoch, end }] of walk.epochs.committees.entries()) {
      const other = longest.epochs.committees[index]?.end
      if (end === null || other == null || end.digest === other.digest) continue
      alarms.push(
        `epoch ${epoch} ended with commit ${end.digest} at ${walk.log.url} and ${other.digest} at ${longest.log?.url}, both certified`,
      )
      break
    }
    if (endCount(walk.epochs) > endCount(longest.epochs)) longest = walk
  }
  return longest.epochs
}

const endCount = ({ committees }: Epochs): number => committees.filter(({ end }) => end !== null).length

type LookOptions = { epochs: Epochs; origin: string; lie: string | undefined }

async function look(log: LogReader, { epochs, origin, lie }: LookOptions): Promise<Looked> {
  const { url } = log
  let status: MemberStatus
  let note: Uint8Array
  try {
    // The checkpoint first: what it covers is then part of the height that the status names.
    note = await log.readCheckpoint()
    status = await log.readStatus()
  } catch (error) {
    if (!(error instanceof CoalitionError)) throw error
    return { url, unusable: error.message }
  }
  if (status.component !== epochs.component) return { url, unusable: `it is of component ${status.component}` }
  const { members, epoch } = currentCommittee(epochs)
  const member = members.find(({ signer }) => signer === status.signer)
  if (member === undefined) return { url, unusable: `${status.signer} has no seat in the committee of epoch ${epoch}` }
  const broken = (fault: string): Looked => ({ url, fault, status })
  if (lie !== undefined) return broken(lie)
  const seen: Seen = { url, log, status, newest: undefined }
  if (status.height > 0n) {
    const newest = await readVerified(seen, status.height, epochs)
    if (typeof newest === 'string') return broken(newest)
    if (newest.digest !== status.commitDigest) return broken('it names another commit than it serves')
    seen.newest = newest
  }
  if (member.noteKey === undefined) return seen
  try {
    const key = { name: origin, algorithm: 'ed25519', publicKey: fromHex(member.noteKey) } as const
    const { size, root } = verifyCheckpoint({ note, origin, verifiers: [createNoteVerifier(key)] })
    const logSize = seen.newest?.commit.logSize ?? 0n
    if (size > logSize)
      return broken(`its checkpoint is of ${countOf(size, 'entry')} and its newest commit of ${logSize}`)
    if (size === logSize && seen.newest !== undefined && toHex(root) !== seen.newest.commit.logRoot) {
      return broken('its checkpoint has another root than its newest commit')
    }
  } catch (error) {
    if (!(error instanceof CoalitionError)) throw error
    // Without the member's own signature, anybody may be answering at this URL.
    return { url, unusable: `${status.signer} did not sign its checkpoint: ${error.message}` }
  }
  return seen
}

/** A commit of this component and height with a certificate that holds, or why there is none. */
async function readVerified(
  { log }: Pick<Seen, 'log'>,
  height: bigint,
  epochs: Epochs,
): Promise<VerifiedCommit | string> {
  try {
    const { commit, certificate } = await log.readCommit(height)
    if (commit.component !== epochs.component || commit.height !== height) return `height ${height} is another commit`
    return verifyCommit(epochs, { commit, certificate })
  } catch (error) {
    if (!(error instanceof CoalitionError)) throw error
    return error instanceof LogUnreachableError ? 'it stopped answering' : error.message
  }
}
