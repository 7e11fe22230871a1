import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { verifyCertificate } from '../../protocol/wire/certificate.ts'
import { encodeAuditEntry } from '../../protocol/wire/chronicleEntry.ts'
import { deriveCommitDigest } from '../../protocol/wire/commit.ts'
import { hashCommittee } from '../../protocol/wire/committee.ts'
import { hashRetirementMarker, hashRotation } from '../../protocol/wire/next.ts'
import type { RecordedEnd } from '../../protocol/wire/recordedEnd.ts'
import { type Audit, createAudit, type WatchedComponent } from './audit.ts'

export class OwnEndError extends CoalitionError {
  constructor() {
    super('OWN_END', 'The commit is this Chronicle’s own: what ends its epochs is in its log already.', {
      fix: 'Record other components’ rotations and retirements; a committee’s own is its last entry of the epoch.',
      kind: 'refused',
    })
  }
}

export class ComponentUnpublishedError extends CoalitionError {
  constructor({ component }: { component: Hex }) {
    super('COMPONENT_UNPUBLISHED', `No config that was published here names component ${component}.`, {
      fix: 'Publish the config that names it first: it says which committee is to be believed.',
      kind: 'refused',
    })
  }
}

export class RetirementRecordedError extends CoalitionError {
  constructor({ component }: { component: Hex }) {
    super('RETIREMENT_RECORDED', `That component ${component} retired is recorded already.`, {
      fix: 'There is nothing to record: nothing of it follows its retirement.',
      kind: 'refused',
    })
  }
}

export class EndOutOfTurnError extends CoalitionError {
  constructor({ component, epoch, next }: { component: Hex; epoch: bigint; next: bigint }) {
    super(
      'END_OUT_OF_TURN',
      `The commit ends epoch ${epoch} of component ${component}; epoch ${next} comes next here.`,
      {
        fix: 'Record each rotation once, in order: only the committees that were recorded can be believed.',
        kind: 'refused',
      },
    )
  }
}

export class EndUnprovenError extends CoalitionError {
  constructor({ component, reason }: { component: Hex; reason: string }) {
    super('END_UNPROVEN', `The end of an epoch of component ${component} is not proven: ${reason}.`, {
      fix: 'Bring the last commit of the epoch, the committee that certified it, and what its next commits to.',
      kind: 'refused',
    })
  }
}

/**
 * Asserts that a quorum of a watched component's committee decided the end that is claimed (spec §10): cheap to dear.
 *
 * @throws {OwnEndError | ComponentUnpublishedError | RetirementRecordedError | EndOutOfTurnError} it is not to be recorded here.
 * @throws {EndUnprovenError} another committee, or `commit.next` commits to something else.
 * @throws {CertificateRefusedError} see `verifyCertificate`.
 */
export function assertRecordable(audit: Audit | undefined, { self, end }: { self: Hex; end: RecordedEnd }): void {
  const { commit, certificate, committee } = end
  const { component, epoch } = commit
  if (component === self) throw new OwnEndError()
  const watched = audit?.components.get(component)
  if (watched === undefined) throw new ComponentUnpublishedError({ component })
  if (watched.isRetired) throw new RetirementRecordedError({ component })
  if (epoch !== watched.epoch) throw new EndOutOfTurnError({ component, epoch, next: watched.epoch })
  if (hashCommittee(committee) !== watched.committeeHash) {
    throw new EndUnprovenError({ component, reason: `the committee is not that of epoch ${epoch}` })
  }
  if (end.kind === 'recordRotation' && end.newEpoch !== epoch + 1n) {
    throw new EndUnprovenError({ component, reason: `epoch ${end.newEpoch} does not follow epoch ${epoch}` })
  }
  if (hashEnd(end) !== commit.next) {
    throw new EndUnprovenError({ component, reason: 'the commit decides something else' })
  }
  verifyCertificate({ commit, certificate, signers: committee.signers })
}

const hashEnd = (end: RecordedEnd): Hex => {
  const { component, height } = end.commit
  if (end.kind === 'recordRotation') {
    return hashRotation({ component, newEpoch: end.newEpoch, newCommitteeHash: end.newCommitteeHash })
  }
  return hashRetirementMarker({ component, successor: end.successor, effectiveHeight: height, reason: end.reason })
}

/** Records an end that `assertRecordable` let pass: the next one is believed by the committee that it names. */
export function applyEnd(audit: Audit, end: RecordedEnd): { audit: Audit; event: Uint8Array } {
  const { component, height, timestampMs } = end.commit
  const watched = audit.components.get(component)!
  const { kind: componentKind, componentId } = watched
  const commitDigest = deriveCommitDigest(end.commit)
  const recorded = { component, componentKind, componentId, height, timestampMs, commitDigest }
  const change = (to: Partial<WatchedComponent>): Audit =>
    createAudit({ ...audit, components: new Map(audit.components).set(component, { ...watched, ...to }) })
  if (end.kind === 'recordRotation') {
    const { newEpoch, newCommitteeHash } = end
    return {
      audit: change({ epoch: newEpoch, committeeHash: newCommitteeHash }),
      event: encodeAuditEntry({ kind: 'committeeRotated', ...recorded, newEpoch, newCommitteeHash }),
    }
  }
  const { successor, reason } = end
  const kind = componentKind === 'confluence' ? 'confluenceRetired' : 'moduleRetired'
  return { audit: change({ isRetired: true }), event: encodeAuditEntry({ kind, ...recorded, successor, reason }) }
}
