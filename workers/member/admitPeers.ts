import type { Hex, UniqueId } from '../../protocol/bytes.ts'
import type { AdmissionRule } from '../../protocol/tickets/admissionRules.ts'
import { type AdmissionDependencies, createAdmission } from '../attestation/admission.ts'
import type { Logger } from '../runtime/logger.ts'
import { createGate, type Gate, type GateWiring } from './gate.ts'
import { createNonces, type HomeBlocks } from './nonces.ts'
import { createPresenter, type TicketSources } from './presenter.ts'
import type { Replica } from './replica.ts'
import type { Store } from './store.ts'

export type AdmitPeersDependencies<State> = {
  replica: Pick<Replica<State>, 'state'>
  store: Pick<Store, 'readRecord'>
  clock: { nowMs(): number }
  /** Says for how long, however the clock is set meanwhile. */
  monotonic: { nowMs(): number }
  logger: Logger
  /** This member's attestation pool; needed where a rule is of class tdx. */
  verify?: AdmissionDependencies['verify'] | undefined
  /** Needed where a rule is of class issued-by. */
  issuerSigners?: AdmissionDependencies['issuerSigners']
  /** Undefined where the member reads no chain. */
  blocks?: HomeBlocks | undefined
  /** Where this member has its own tickets from. */
  sources: TicketSources
}

/**
 * Wires what admits peers to a component with ticket validators; the driver takes it as `createGate`.
 *
 * @throws {InvalidAdmissionError} (by what is returned) a rule has a key that is no key.
 */
export const admitPeers =
  <State>(
    { replica, store, clock, monotonic, logger, verify, issuerSigners, blocks, sources }: AdmitPeersDependencies<State>,
    { componentId, rules }: { componentId: UniqueId; rules: readonly AdmissionRule[] },
  ) =>
  (wiring: GateWiring): Gate => {
    const nonces = createNonces({ replica, store, blocks })
    const admission = createAdmission(
      {
        ...(verify !== undefined && { verify }),
        issuerSigners,
        clock,
        currentMembers: wiring.members,
        disconnect: (signer: Hex) => logger.info({ signer }, 'an admission ended: this peer is not connected any more'),
        // Only members change a committee: this is how the member asks its operator for the approval.
        requestRotation: (signer: Hex, endsAtMs: number) =>
          logger.error(
            { signer, endsAtMs, isSelf: signer === wiring.self, alarm: true },
            'the admission of a member ends: see why it is not renewed, or rotate it out',
          ),
      },
      { componentId, rules },
    )
    const tdx = rules.find((rule) => rule.class === 'tdx')
    return createGate({
      ...wiring,
      admission,
      nonces,
      clock,
      monotonic,
      logger,
      createPresenter: (show) =>
        createPresenter(
          { sources, clock, monotonic, logger, newestNonce: nonces.newest, show },
          { componentId, signer: wiring.self, lifetimeMaxMs: tdx?.lifetimeMaxMs },
        ),
    })
  }
