import type { Hex } from '../protocol/bytes.ts'
import { type ComponentRegistry, HeadUnprovenError } from './componentRegistry.ts'
import { createFollower } from './createFollower.ts'
import { deriveRingWord } from './head.ts'

/**
 * Height and digest of the commit that a component's newest head was anchored with; undefined while only its registration is.
 * The head is proven by the registry's storage, the digest by the event that the head came with.
 *
 * It does not wait for confirmations: a reorganisation may remove an anchor, and the commit stays certified.
 *
 * @throws {ComponentUnknownError | HeadUnprovenError}
 */
export async function readAnchoredCommit(
  registry: ComponentRegistry,
  { component, fromBlock = 0n }: { component: Hex; fromBlock?: bigint },
): Promise<{ height: bigint; digest: Hex } | undefined> {
  const { chain, address } = registry
  const head = await registry.readHead({ component })
  if (head.anchorIndex === 0n) return undefined
  const word = deriveRingWord(head)
  const events = await createFollower(chain, { address, component, fromBlock }).poll()
  const event = events.find(({ anchor }) => deriveRingWord(anchor.head) === word)
  if (event === undefined) throw new HeadUnprovenError({ component })
  return { height: head.height, digest: event.anchor.commitDigest }
}
