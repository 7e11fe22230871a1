import { CoalitionError } from '../protocol/errors.ts'
import { type Commit, ZERO_BYTES32 } from '../protocol/wire/commit.ts'
import {
  type CommitteeRotated,
  decodeCommitteeRotated,
  decodeRetirementMarker,
  deriveNextOfRotation,
} from '../protocol/wire/governance.ts'
import { hashRetirementMarker, type RetirementMarker } from '../protocol/wire/next.ts'
import type { LogReader } from './logReader.ts'

/** What a commit decides of who decides next. */
export type EpochEnd =
  | { kind: 'rotation'; rotated: CommitteeRotated }
  | { kind: 'retirement'; marker: RetirementMarker }

export class EpochUnprovenError extends CoalitionError {
  constructor({ url, epoch, reason, cause }: { url: string; epoch: bigint; reason: string; cause?: unknown }) {
    super('EPOCH_UNPROVEN', `The log at ${url} does not show what ended epoch ${epoch}: ${reason}.`, {
      fix: 'Read from another member, and from this one not until its operator has explained it.',
      kind: 'refused',
      cause,
    })
  }
}

/**
 * What `commit.next` stands for, from the entry that the deciding commit appended last (spec §4); undefined where the commit
 * ends no epoch. Where the commit is certified, so is this: `next` commits to all of it.
 *
 * @throws {EpochUnprovenError} the entry is not what the commit names.
 * @throws what the log reader throws.
 */
export async function readEpochEnd(log: LogReader, commit: Commit): Promise<EpochEnd | undefined> {
  const { component, epoch, logSize, next } = commit
  if (next === ZERO_BYTES32) return undefined
  const refuse = (): EpochUnprovenError =>
    new EpochUnprovenError({ url: log.url, epoch, reason: 'its last entry is not what the last commit names' })
  if (logSize === 0n) throw refuse()
  const entry = await log.readEntry({ index: logSize - 1n, size: logSize })
  const rotated = decodeCommitteeRotated(entry)
  if (rotated !== undefined && deriveNextOfRotation({ component, rotated }) === next)
    return { kind: 'rotation', rotated }
  const marker = decodeRetirementMarker(entry)
  if (marker !== undefined && hashRetirementMarker(marker) === next) return { kind: 'retirement', marker }
  throw refuse()
}
