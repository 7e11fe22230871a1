import { type ComponentRegistry, ComponentUnknownError } from '../chain/componentRegistry.ts'
import type { Head } from '../chain/head.ts'
import { readGenesis } from '../chain/readGenesis.ts'
import type { Hex } from '../protocol/bytes.ts'
import { createEpochsOf, currentCommittee, type Epochs } from './epochs.ts'
import { followEpochs } from './followEpochs.ts'
import type { LogReader } from './logReader.ts'
import { NotVerifiedError } from './notVerified.ts'

/**
 * Who decided, from the genesis committee that the component's key names to the committee that `head` names. Each rotation is
 * certified by the committee before it, and the last committee is the head's: old keys that leaked lead to another one.
 *
 * @param deps.log of one member; undefined is enough where the component has never rotated.
 * @param parameters.head the component's newest head, as `registry.readHead` proved it.
 * @throws {ComponentUnknownError} nobody registered the component there.
 * @throws {GenesisUnprovenError} the endpoint gives another registration than the component's.
 * @throws {NotVerifiedError} the log leads elsewhere than the chain, or not as far.
 * @throws what `followEpochs` and the chain throw.
 */
export async function followToHead(
  { registry, log }: { registry: ComponentRegistry; log: LogReader | undefined },
  { component, head }: { component: Hex; head: Head },
): Promise<Epochs> {
  const { chain, address } = registry
  const genesis = await readGenesis(chain, { address, component })
  if (genesis === undefined) throw new ComponentUnknownError({ component })
  const known = createEpochsOf(component, genesis.committee)
  // What came after the head is nothing to this proof, except what a retired component's last word was.
  const upTo = head.retired ? head.epoch + 1n : head.epoch
  const epochs = await followEpochs({ logs: log === undefined ? [] : [log] }, known, { upTo })
  const { epoch, committeeHash } = currentCommittee(epochs)
  if (epoch < head.epoch || (head.retired && epochs.retirement === null)) {
    const served = log === undefined ? 'no log is given, which could' : 'the log served does not'
    throw new NotVerifiedError({ reason: `${served} show what ended epoch ${epoch}` })
  }
  if (committeeHash !== head.committeeHash) {
    throw new NotVerifiedError({
      reason: `the log served leads to another committee in epoch ${epoch} than the anchored`,
    })
  }
  return epochs
}
