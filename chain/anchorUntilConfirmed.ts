import type { Hex } from '../protocol/bytes.ts'
import { type ComponentRegistry, HeadUnprovenError } from './componentRegistry.ts'
import type { Follower, ObservedAnchor } from './createFollower.ts'
import { NonceTakenError, type Sender } from './createSender.ts'
import type { EncodeAnchorParameters } from './encodeAnchor.ts'
import type { Head } from './head.ts'
import { RegistryRefusedError } from './registryRefusal.ts'

export type AnchorUntilConfirmedParameters = {
  component: Hex
  /** Leaves of the commit to anchor: once as many are anchored and confirmed, all is done, whoever sent it. */
  logSize: bigint
  /** What to send on top of a head: after a reorganisation it may be another one than before. */
  prepare: (previous: Head) => Promise<EncodeAnchorParameters>
  /** Between two looks at the chain; 1,000 by default. */
  pollMs?: number
  signal?: AbortSignal
}

/**
 * Anchors, and sends again what a reorganisation removed, until an anchor of `logSize` leaves or more counts (spec §7.2).
 *
 * @throws {RegistryRefusedError} the registry refuses for another reason than that another anchor came first.
 * @throws {ReorgTooDeepError | FeeCapReachedError} somebody has to look.
 */
export async function anchorUntilConfirmed(
  { registry, sender, follower }: { registry: ComponentRegistry; sender: Sender; follower: Follower },
  parameters: AnchorUntilConfirmedParameters,
): Promise<ObservedAnchor> {
  const { component, logSize, prepare, pollMs = 1_000, signal } = parameters
  for (;;) {
    signal?.throwIfAborted()
    const previous = await readHead()
    if (previous !== undefined && previous.logSize < logSize) await sendUnlessOvertaken(previous)
    await follower.poll()
    const { confirmed } = follower
    if (confirmed !== undefined && confirmed.head.logSize >= logSize) return confirmed
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }

  /** Undefined where the chain changed between two questions: the next look sees it whole. */
  async function readHead(): Promise<Head | undefined> {
    try {
      return await registry.readHead({ component })
    } catch (error) {
      if (error instanceof HeadUnprovenError) return undefined
      throw error
    }
  }

  async function sendUnlessOvertaken(previous: Head): Promise<void> {
    try {
      await registry.anchor(sender, await prepare(previous))
    } catch (error) {
      const isOvertaken = error instanceof RegistryRefusedError && error.errorName === 'ComponentRegistryNotNewest'
      // The next look at the chain says what there is left to do.
      if (!isOvertaken && !(error instanceof NonceTakenError)) throw error
    }
  }
}
