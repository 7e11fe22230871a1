import type { Hex } from '../protocol/bytes.ts'
import type { SignedPrecommit, SignedPrevote, SignedVote } from './types.ts'

/** Votes of one kind and round by signer; a liar's conflicting votes each count for what they name, as in the paper. */
export type Ballots<Vote extends SignedVote> = ReadonlyMap<Hex, readonly Vote[]>
export type Prevotes = Ballots<SignedPrevote>
export type Precommits = Ballots<SignedPrecommit>

/** How many members voted for `commitDigest`, null being nil. */
export function countVotes(ballots: Ballots<SignedVote>, commitDigest: Hex | null): number {
  let count = 0
  for (const votes of ballots.values()) if (votes.some((vote) => vote.commitDigest === commitDigest)) count++
  return count
}

/** The value, or nil, that at least `quorum` members voted for; undefined where they are split or few. */
export function findMajority(ballots: Ballots<SignedVote>, quorum: number): Hex | null | undefined {
  const counts = new Map<Hex | null, number>()
  for (const votes of ballots.values()) {
    for (const { commitDigest } of votes) {
      const count = (counts.get(commitDigest) ?? 0) + 1
      if (count >= quorum) return commitDigest
      counts.set(commitDigest, count)
    }
  }
  return undefined
}

/** The votes for one value, a vote a member. */
export function listVotesFor<Vote extends SignedVote>(ballots: Ballots<Vote>, commitDigest: Hex): Vote[] {
  return [...ballots.values()].flatMap((votes) => votes.filter((vote) => vote.commitDigest === commitDigest))
}

/** Signatures for one value by signer, as `createCertificate` takes them. */
export const gatherSignatures = (ballots: Ballots<SignedVote>, commitDigest: Hex): Map<Hex, Hex> =>
  new Map(listVotesFor(ballots, commitDigest).map(({ signer, signature }) => [signer, signature]))

/** `ballots` with one more vote. */
export function addVote<Vote extends SignedVote>(ballots: Ballots<Vote>, vote: Vote): Ballots<Vote> {
  return new Map(ballots).set(vote.signer, [...(ballots.get(vote.signer) ?? []), vote])
}
