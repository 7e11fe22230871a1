import type { ComponentRegistry } from '../chain/componentRegistry.ts'
import type { Head } from '../chain/head.ts'
import type { Hex } from '../protocol/bytes.ts'
import { ComponentRetiredError } from '../protocol/wire/next.ts'
import { currentCommittee } from './epochs.ts'
import { followToHead } from './followToHead.ts'
import type { LogReader } from './logReader.ts'

/** The committee of a component's newest head on chain. */
export type AnchoredCommittee = {
  head: Head
  /** Addresses, strictly ascending. */
  signers: readonly Hex[]
}

/**
 * Who may speak for a component now, as its home chain has it: a rotation counts from its anchor on, and then for everybody.
 * The chain says the committee's hash alone; its addresses come from whichever log leads there from the genesis committee by
 * certificates. A component that has never rotated needs no log.
 *
 * @param deps.logs of members; one that leads to the chain's committee is enough.
 * @param parameters.known what was read before: while the head is the same, or of the same committee, no log is read.
 * @throws {ComponentUnknownError} nobody registered the component there.
 * @throws {ComponentRetiredError} nobody speaks for it any more.
 * @throws {HeadUnprovenError} the events do not lead to what the registry stores.
 * @throws what `followToHead` throws of the first log, where none leads there.
 */
export async function readAnchoredCommittee(
  { registry, logs }: { registry: ComponentRegistry; logs: readonly LogReader[] },
  { component, known }: { component: Hex; known?: AnchoredCommittee | undefined },
): Promise<AnchoredCommittee> {
  if (known !== undefined && (await registry.isNewest({ component, head: known.head }))) return known
  const head = await registry.readHead({ component })
  if (head.retired) {
    const retirement = (await registry.readRetirement({ component }))!
    throw new ComponentRetiredError({ component, ...retirement, reason: '' })
  }
  if (known !== undefined && known.head.committeeHash === head.committeeHash) return { head, signers: known.signers }
  const sources = head.epoch === 0n || logs.length === 0 ? [undefined] : logs
  // All at once: one that hangs, or leads elsewhere, holds up nobody.
  const followed = sources.map((log) => followToHead({ registry, log }, { component, head }))
  try {
    return { head, signers: currentCommittee(await Promise.any(followed)).signers }
  } catch (error) {
    throw (error as AggregateError).errors[0]
  }
}
