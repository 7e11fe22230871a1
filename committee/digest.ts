import { type Hex, toHex } from '../protocol/bytes.ts'
import { hashLeaf } from '../protocol/log/treeHash.ts'
import { rootOf } from '../protocol/log/treeRoot.ts'
import { derivePrecommitDigest } from '../protocol/wire/commit.ts'
import { deriveSigningDigest, deriveTypehash, hashStruct } from '../protocol/wire/typedData.ts'
import type { Message, Position, Proposal } from './types.ts'

/** The EIP-712 types of what members sign to one another; every one its own, so that none is read as another (spec §4). */
const BLOCK_TYPE =
  'Block(bytes32 component,uint64 epoch,uint64 height,bytes32 parent,uint64 timestampMs,bytes32 batchRoot,bytes32 extensionsRoot)'
const POSITION_FIELDS = 'bytes32 component,uint64 epoch,uint64 height,uint32 round'

const BLOCK_TYPEHASH = deriveTypehash(BLOCK_TYPE)
const PROPOSAL_TYPEHASH = deriveTypehash(
  `Proposal(Block block,uint32 round,uint32 validRoundOffset,bytes32 commitDigest)${BLOCK_TYPE}`,
)
const PREVOTE_TYPEHASH = deriveTypehash(`Prevote(${POSITION_FIELDS},bytes32 commitDigest)`)
const NIL_PREVOTE_TYPEHASH = deriveTypehash(`NilPrevote(${POSITION_FIELDS})`)
const NIL_PRECOMMIT_TYPEHASH = deriveTypehash(`NilPrecommit(${POSITION_FIELDS})`)

/** RFC 9162 root over encoded envelopes or extensions: `batchRoot` and `extensionsRoot` of a commit's body (spec §4). */
export const deriveListRoot = (entries: readonly Uint8Array[]): Hex => toHex(rootOf(entries.map(hashLeaf)))

// Hashing a batch is the dear part, and the same value is asked for at every vote. Keyed by a value that never changes.
const proposalIds = new WeakMap<Proposal, Hex>()

/** Names the block of a proposal: equal in every round in which it is proposed. `hashStruct` of `Block`, 32 bytes. */
export function deriveProposalId(proposal: Proposal): Hex {
  const known = proposalIds.get(proposal)
  if (known !== undefined) return known
  const { component, epoch, height, parent, timestampMs, batch, extensions } = proposal
  const words = [component, epoch, height, parent, timestampMs, deriveListRoot(batch), deriveListRoot(extensions)]
  const proposalId = hashStruct(BLOCK_TYPEHASH, words)
  proposalIds.set(proposal, proposalId)
  return proposalId
}

/** What a member signs for `message`: an EIP-712 digest, 32 bytes. A vote extension is signed apart. */
export function deriveMessageDigest(message: Message): Hex {
  switch (message.kind) {
    case 'proposal': {
      const { round, validRound, commitDigest } = message
      // The round is an offset from 1, because −1 is no uint32.
      const words = [deriveProposalId(message), round, validRound + 1, commitDigest]
      return deriveSigningDigest(hashStruct(PROPOSAL_TYPEHASH, words))
    }
    case 'prevote':
      return message.commitDigest === null
        ? deriveSigningDigest(hashStruct(NIL_PREVOTE_TYPEHASH, positionWords(message)))
        : derivePrevoteDigest({ ...message, commitDigest: message.commitDigest })
    case 'precommit':
      return message.commitDigest === null
        ? deriveSigningDigest(hashStruct(NIL_PRECOMMIT_TYPEHASH, positionWords(message)))
        : derivePrecommitDigest({ commitDigest: message.commitDigest, round: message.round })
  }
}

/** What is signed to prevote a value; a proof of lock holds a quorum of these. */
export function derivePrevoteDigest(vote: Omit<Position, 'signer'> & { commitDigest: Hex }): Hex {
  return deriveSigningDigest(hashStruct(PREVOTE_TYPEHASH, [...positionWords(vote), vote.commitDigest]))
}

const positionWords = ({ component, epoch, height, round }: Omit<Position, 'signer'>): (Hex | bigint | number)[] => [
  component,
  epoch,
  height,
  round,
]
