import { openComponentRegistry } from '../../chain/componentRegistry.ts'
import type { Chain } from '../../chain/connectChain.ts'
import type { LogReader } from '../../client/logReader.ts'
import { type AnchoredCommittee, readAnchoredCommittee } from '../../client/readAnchoredCommittee.ts'
import type { Hex, UniqueId } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { ComponentRetiredError } from '../../protocol/wire/next.ts'
import type { Logger } from '../runtime/logger.ts'

/** How often the chain is asked for an issuer's committee: how late a member may learn that it rotated. */
export const ISSUER_READ_EVERY_MS = 60_000
/** For how long what was read counts while nothing newer can be. */
export const ISSUER_COUNTS_FOR_MS = 600_000

export class IssuerUnreadError extends CoalitionError {
  constructor({ ticketsRoot, reason }: { ticketsRoot: UniqueId; reason: string }) {
    super('ISSUER_UNREAD', `Who signs tickets under ${ticketsRoot} is not known now: ${reason}.`, {
      fix: 'Have the member’s operator see to its ISSUERS and RPC_URLS (docs/operators/attested.md); the ticket may be good.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

/** An issuer that a rule names, and where to learn of its rotations. */
export type Issuer = {
  ticketsRoot: UniqueId
  /** Component key. */
  component: Hex
  /** Its registry's address on the home chain. */
  registry: Hex
  /** Logs of its members; none is needed before its first rotation. */
  logs: readonly LogReader[]
}

export type Issuers = {
  /**
   * The issuer's committee, as the chain had it when it was last asked.
   *
   * @throws {IssuerUnreadError} it could not be asked for ten minutes, or never was.
   * @throws {ComponentRetiredError} nobody speaks for the issuer any more.
   */
  signersOf(ticketsRoot: UniqueId): readonly Hex[]
  /** Asks the chain about every issuer now. Never rejects. */
  read(): Promise<void>
  start(): void
  stop(): void
}

type Held = { committee: AnchoredCommittee; atMs: number }

/**
 * Knows the present committees of ticket issuers, for validators that may not ask (spec §8.3). What counts is the chain's
 * newest head: a rotation is certified by the committee before it and checked by the registry, so that keys of a committee
 * that was replaced lead nowhere, whichever log they write.
 *
 * @param deps.chain undefined where the member reads none: then nobody's signature counts.
 */
export function createIssuers(
  deps: {
    chain: Chain | undefined
    /** Says for how long, however the clock is set meanwhile. */
    monotonic: { nowMs(): number }
    logger: Logger
  },
  { issuers, fromBlock }: { issuers: readonly Issuer[]; fromBlock: bigint },
): Issuers {
  const { chain, monotonic, logger } = deps
  const held = new Map<UniqueId, Held>()
  const faults = new Map<UniqueId, CoalitionError>()
  /** One question an issuer at a time: whose logs are slow holds up itself alone. */
  const reading = new Map<UniqueId, Promise<void>>()
  let timer: NodeJS.Timeout | undefined

  async function readOne(issuer: Issuer): Promise<void> {
    if (chain === undefined) return
    const { ticketsRoot, component, registry: address, logs } = issuer
    // What is answered late was true when it was asked, not longer.
    const atMs = monotonic.nowMs()
    const known = held.get(ticketsRoot)?.committee
    try {
      const registry = await openComponentRegistry(chain, { address, fromBlock })
      const committee = await readAnchoredCommittee({ registry, logs }, { component, known })
      held.set(ticketsRoot, { committee, atMs })
      faults.delete(ticketsRoot)
      if (committee.signers === known?.signers) return
      const { head, signers } = committee
      logger.info({ issuer: component, epoch: head.epoch, signers }, 'tickets of this committee count')
    } catch (error) {
      if (!(error instanceof CoalitionError)) throw error
      if (error instanceof ComponentRetiredError) held.delete(ticketsRoot)
      faults.set(ticketsRoot, error)
      const { code, message } = error
      logger.error(
        { issuer: component, code, reason: message, alarm: true },
        'whose signatures count under an issuer’s tickets could not be read',
      )
    }
  }

  function readSoon(issuer: Issuer): Promise<void> {
    const { ticketsRoot } = issuer
    const started =
      reading.get(ticketsRoot) ??
      readOne(issuer)
        .catch((error: unknown) => logger.error({ err: error }, 'an issuer could not be read'))
        .finally(() => reading.delete(ticketsRoot))
    reading.set(ticketsRoot, started)
    return started
  }

  const read = async (): Promise<void> => void (await Promise.all(issuers.map(readSoon)))

  return {
    read,
    signersOf(ticketsRoot) {
      const found = held.get(ticketsRoot)
      if (found !== undefined && monotonic.nowMs() - found.atMs <= ISSUER_COUNTS_FOR_MS) return found.committee.signers
      const fault = faults.get(ticketsRoot)
      if (fault instanceof ComponentRetiredError) throw fault
      throw new IssuerUnreadError({ ticketsRoot, reason: fault?.code ?? 'the chain was not asked yet' })
    },
    start() {
      void read()
      timer = setInterval(() => void read(), ISSUER_READ_EVERY_MS)
    },
    stop: () => clearInterval(timer),
  }
}
