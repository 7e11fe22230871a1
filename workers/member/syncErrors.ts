import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError, countOf } from '../../protocol/errors.ts'

export class SyncTrustMissingError extends CoalitionError {
  constructor() {
    super('SYNC_TRUST_MISSING', 'A sync needs something to start from that no peer can make up, and none was given.', {
      fix: 'Set RPC_URLS to endpoints of the component’s home chain, or SYNC_TRUST to HEIGHT:COMMIT_DIGEST of a commit that you know.',
    })
  }
}

export class TrustContradictedError extends CoalitionError {
  constructor({ url, height, digest, trusted }: { url: string; height: bigint; digest: Hex; trusted: Hex }) {
    super(
      'TRUST_CONTRADICTED',
      `The log at ${url} has commit ${digest} at height ${height}, where ${trusted} is trusted.`,
      {
        fix: 'Check what you trust. If it is right, this peer serves another history: leave it out, and ask its operator.',
        kind: 'refused',
      },
    )
  }
}

export class StoreContradictedError extends CoalitionError {
  constructor({ height, logSize }: { height: bigint; logSize: bigint }) {
    super(
      'STORE_CONTRADICTED',
      `This store’s own history of ${countOf(logSize, 'entry')}, up to height ${height}, is not the beginning of the one that is trusted and certified.`,
      {
        fix: 'Keep the store as evidence and do not run it: either what you trust is wrong, or a quorum signed two histories.',
        kind: 'refused',
      },
    )
  }
}

export class SnapshotUnprovenError extends CoalitionError {
  constructor({ url, reason, cause }: { url: string; reason: string; cause?: unknown }) {
    super('SNAPSHOT_UNPROVEN', `What the log at ${url} offers to begin from is not proven: ${reason}.`, {
      fix: 'Sync from another member; ask the operator of this one, where it does not run another release.',
      kind: 'refused',
      cause,
    })
  }
}

export class SnapshotTooOldError extends CoalitionError {
  constructor({ url, height, trustedHeight }: { url: string; height: bigint; trustedHeight: bigint }) {
    super(
      'SNAPSHOT_TOO_OLD',
      `The newest state that the log at ${url} offers is of height ${height}, and height ${trustedHeight} is trusted.`,
      {
        fix: 'Try again after the next commit that is marked for the chain: members keep states of those alone.',
        kind: 'refused',
        isRetryable: true,
      },
    )
  }
}

export class PeerTooSlowError extends CoalitionError {
  constructor({ url }: { url: string }) {
    super('PEER_TOO_SLOW', `The log at ${url} delivers its entries too slowly.`, {
      fix: 'Sync from a member that is nearer, or less busy.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

/** Why one peer was of no use. */
export type Fault = { url: string; reason: string }

export class SyncFailedError extends CoalitionError {
  constructor({ faults }: { faults: readonly Fault[] }) {
    const reasons = faults.map(({ url, reason }) => `${url}: ${reason}`)
    super('SYNC_FAILED', `No peer gave a state to begin from, and the store is as it was. ${reasons.join(' ')}`, {
      fix: 'Give SYNC_URLS of more members. Where all of them contradict what you trust, find out first which of the two is right.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}
