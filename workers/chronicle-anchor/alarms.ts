import { CoalitionError } from '../../protocol/errors.ts'

export class AnchorLagsError extends CoalitionError {
  constructor({ logSize, confirmedLogSize, lagMs }: { logSize: bigint; confirmedLogSize: bigint; lagMs: number }) {
    super(
      'ANCHOR_LAGS',
      `A log of ${logSize} leaves has been due on chain for ${Math.floor(lagMs / 1000)} s; ${confirmedLogSize} are confirmed.`,
      {
        fix: 'Look why: the anchorer’s other messages, the payer’s ether, the chain’s blocks and fees, the other anchorers.',
        kind: 'refused',
        isRetryable: true,
      },
    )
  }
}

export class ChainContradictedError extends CoalitionError {
  constructor({ url, height, anchoredHeight }: { url: string; height: bigint; anchoredHeight: bigint }) {
    super(
      'CHAIN_CONTRADICTED',
      `The log at ${url} has a certified commit of height ${height} that cannot stand beside the anchored height ${anchoredHeight}.`,
      {
        fix: 'A quorum signed two histories: keep both commits as evidence, and stop relying on this component.',
        kind: 'refused',
      },
    )
  }
}

/** Codes at which a person has to look; every other failure of a tick is the next tick's to try again. */
const ALARMS: ReadonlySet<string> = new Set([
  'ANCHOR_LAGS',
  'CHAIN_CONTRADICTED',
  'FEE_CAP_REACHED',
  'LOGS_UNUSABLE',
  'OTHER_COMPONENT',
  'OUT_OF_FUNDS',
  'REORG_TOO_DEEP',
  'RPC_DISAGREEMENT',
  'WRONG_CHAIN',
])

/** The code that is the alarm, or undefined where none is raised. */
export const alarmOf = (error: unknown): string | undefined =>
  error instanceof CoalitionError && ALARMS.has(error.code) ? error.code : undefined
