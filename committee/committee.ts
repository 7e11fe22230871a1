import type { Hex } from '../protocol/bytes.ts'
import { quorumOf } from '../protocol/wire/committee.ts'
import type { Timeouts } from './timeouts.ts'

/** One member's view of its committee in one epoch. */
export type Committee = {
  /** Component key. */
  component: Hex
  epoch: bigint
  /** 1 to 256 addresses, strictly ascending (spec §5.1). */
  signers: readonly Hex[]
  /** Address of this member; one that is not among `signers` follows and signs nothing. */
  self: Hex
  /** Whether every precommit of a value carries a vote extension (spec §5.2). */
  hasExtensions: boolean
  timeouts: Timeouts
}

/** How many members may be faulty: f = n − quorum = ⌊(n−1)/3⌋ (spec §5.1). */
export const faultyMaxOf = (memberCount: number): number => memberCount - quorumOf(memberCount)

/** Whose turn it is: round-robin over the signers in ascending order, by height + round (spec §5.2). */
export function deriveProposer(signers: readonly Hex[], { height, round }: { height: bigint; round: number }): Hex {
  return signers[Number((height + BigInt(round)) % BigInt(signers.length))]!
}
