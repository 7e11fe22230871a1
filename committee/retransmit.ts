import { SIGNATURE_SIZE_BYTES } from '../protocol/wire/signature.ts'
import type { CommitteeState } from './state.ts'
import { readRound } from './transition.ts'
import type { ProvenValue, SignedMessage, SignedPrevote } from './types.ts'

/**
 * What peers may have missed of the current height: this member's own messages of its round, its votes of the round before,
 * without which others may be unable to leave that, and the newest value that a quorum prevoted, with the prevotes that
 * prove it. Nothing is signed anew.
 */
export function listPendingMessages(state: CommitteeState): SignedMessage[] {
  const { committee, round, valid } = state
  const { proposal, prevotes, precommits } = readRound(state, round)
  const before = readRound(state, round - 1)
  const messages: SignedMessage[] = []
  messages.push(...(before.prevotes.get(committee.self) ?? []), ...(before.precommits.get(committee.self) ?? []))
  if (proposal !== null && proposal.message.signer === committee.self) messages.push(proposal.message)
  messages.push(...(prevotes.get(committee.self) ?? []), ...(precommits.get(committee.self) ?? []))
  if (valid === null) return messages
  if (!messages.includes(valid.proposal)) messages.push(valid.proposal)
  return [...messages, ...listProofVotes(state, valid)]
}

/** The prevotes that a proof holds, each as its member sent it. */
function listProofVotes({ committee }: CommitteeState, { round, proposal, proof }: ProvenValue): SignedPrevote[] {
  const { component, epoch, height, commitDigest } = proposal
  const present = committee.signers.filter((_, index) => (proof.signers >> BigInt(index)) & 1n)
  return present.map((signer, position) => {
    const from = 2 + 2 * SIGNATURE_SIZE_BYTES * position
    const signature = `0x${proof.signatures.slice(from, from + 2 * SIGNATURE_SIZE_BYTES)}` as const
    return { kind: 'prevote', component, epoch, height, round, signer, commitDigest, signature }
  })
}
