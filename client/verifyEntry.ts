import { openComponentRegistry } from '../chain/componentRegistry.ts'
import type { Chain } from '../chain/connectChain.ts'
import type { Head } from '../chain/head.ts'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError, countOf } from '../protocol/errors.ts'
import type { VerifiedCommit } from '../protocol/wire/certificate.ts'
import type { RetirementMarker } from '../protocol/wire/next.ts'
import type { LogReader } from './logReader.ts'
import { proveEntries } from './proveEntries.ts'
import { readAnchored } from './readAnchored.ts'

export class NotAnchoredError extends CoalitionError {
  constructor({ index, size }: { index: bigint; size: bigint }) {
    super(
      'NOT_ANCHORED',
      `Entry ${index} is not under the newest head on chain, which covers ${countOf(size, 'entry')}.`,
      {
        fix: 'Wait for the next anchor, or check the index: it counts from 0.',
        kind: 'refused',
        isRetryable: true,
      },
    )
  }
}

/** What was proven of one entry, and by what. */
export type VerifiedEntry = {
  index: bigint
  entry: Uint8Array
  component: Hex
  /** The newest head on chain, under which the entry stands. */
  head: Head
  commit: VerifiedCommit
  /** The component's last word, where the head is its last. */
  retirement: RetirementMarker | null
  registry: Hex
  chainId: number
}

/**
 * Verifies that an entry stands in a component's anchored log, from three things alone: bytes of the entry and tiles from
 * any log server, the chain, and the certificate of the anchored commit. None of them is believed by itself.
 *
 * 1. The chain's newest head is rebuilt from events and compared with storage.
 * 2. The entry's inclusion under that head's root is proven here, and once more by the contract.
 * 3. The head's commit is certified by a quorum of the committee of its epoch. The first committee is the one that the
 *    component's key names, each rotation is certified by the committee before it, and the last is the head's.
 *
 * @throws {ComponentUnknownError} nobody registered the component there.
 * @throws {GenesisUnprovenError} the endpoint gives another registration than the component's.
 * @throws {NotAnchoredError} the entry is newer than the newest head.
 * @throws {NotVerifiedError} a proof or the certificate does not hold, or the log says other than the chain.
 * @throws {EpochUnprovenError} the log shows a rotation that does not hold.
 * @throws what the chain and the log reader throw.
 */
export async function verifyEntry(
  { chain, log }: { chain: Chain; log: LogReader },
  { index, component, registry: address }: { index: bigint; component: Hex; registry: Hex },
): Promise<VerifiedEntry> {
  const registry = await openComponentRegistry(chain, { address })
  const head = await registry.readHead({ component })
  const { logSize: size, logRoot: root } = head
  if (index >= size) throw new NotAnchoredError({ index, size })
  const [proven] = await proveEntries(log, { start: index, end: index + 1n, size, root })
  const { entry, proof } = proven!
  await registry.verifyInclusion({ component, head, index, leaf: entry, proof })
  const { commit, epochs } = await readAnchored({ registry, log }, { component, head })
  const { retirement } = epochs
  return { index, entry, component, head, commit, retirement, registry: address, chainId: chain.chainId }
}
