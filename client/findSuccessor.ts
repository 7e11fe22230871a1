import type { Chain } from '../chain/connectChain.ts'
import { readGenesis } from '../chain/readGenesis.ts'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { ZERO_BYTES32 } from '../protocol/wire/commit.ts'
import { createEpochsOf, type Epochs } from './epochs.ts'

/** What took a retired component's place, as its own key and the chain name it. */
export type Successor = {
  /** Component key. */
  component: Hex
  /** The same as the retired component's where the coalition kept the module and changed who runs it (spec §3). */
  componentId: Hex
  /** Its genesis committee; `followEpochs` leads on from there. */
  epochs: Epochs
}

export class NoSuccessorError extends CoalitionError {
  constructor() {
    super('NO_SUCCESSOR', 'Nothing takes the place of the retired component.', {
      fix: 'Ask the coalition’s operator; a newer config may offer something else.',
      kind: 'refused',
    })
  }
}

export class SuccessorUnregisteredError extends CoalitionError {
  constructor({ successor }: { successor: Hex }) {
    super('SUCCESSOR_UNREGISTERED', `Nobody has registered the successor ${successor} on this chain.`, {
      fix: 'Try again when it has anchored, or take its genesis committee from a config that names it: the key is made of both.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

/**
 * Finds who speaks for the successor that a `ComponentRetiredError` names (spec §9), so that a client can move: its key is
 * the hash of its id and genesis committee, which the registry emitted when somebody registered it.
 *
 * That it *is* the successor rests on the retirement, which a quorum of the retired component certified; this asks the chain
 * for nothing but the preimage of the key.
 *
 * @param parameters.registry where the retired component was at home, and its successor is looked for.
 * @throws {NoSuccessorError} the retirement names none.
 * @throws {SuccessorUnregisteredError} the chain does not know it yet.
 * @throws {GenesisUnprovenError} the endpoint gives another registration.
 */
export async function findSuccessor(
  { chain }: { chain: Chain },
  { successor, registry }: { successor: Hex; registry: Hex },
): Promise<Successor> {
  if (successor === ZERO_BYTES32) throw new NoSuccessorError()
  const genesis = await readGenesis(chain, { address: registry, component: successor })
  if (genesis === undefined) throw new SuccessorUnregisteredError({ successor })
  return {
    component: successor,
    componentId: genesis.componentId,
    epochs: createEpochsOf(successor, genesis.committee),
  }
}
