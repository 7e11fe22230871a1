import { z } from 'zod'
import type { Head } from '../chain/head.ts'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { formatCanonicalJson } from '../protocol/identity/json.ts'
import { type CardJson, fromCardJson, toCardJson } from '../protocol/wire/cardFile.ts'
import type { CitizenCard } from '../protocol/wire/citizenCard.ts'
import { type CommitRecord, decodeCommitRecord, encodeCommitRecord } from '../protocol/wire/commitRecord.ts'
import { decodeJson, hexOf, uint64 } from '../protocol/wire/decodeJson.ts'
import { RETIREMENT_REASON_SIZE_MAX_BYTES } from '../protocol/wire/governance.ts'
import type { RetirementMarker } from '../protocol/wire/next.ts'
import type { AtlasCitizen } from './atlasCatalogue.ts'
import { HEAD_JSON, toHeadJson } from './headJson.ts'

/** What the Atlas's read model answers over HTTP (docs/integrators/atlas.md): canonical JSON, claims until they are verified. */

/** Citizens of one page at the most. */
export const ATLAS_PAGE_MAX = 64
/** Nodes of a state proof at the most, as the registry takes them. */
const PROOF_NODES_MAX = 64

/** A citizen as claimed, with what proves it. */
export type ClaimedCitizen = {
  citizen: Hex
  cardSigner: Hex
  isListed: boolean
  sequence: bigint
  seatProof: readonly Hex[]
  card: { card: CitizenCard; proof: readonly Hex[] } | null
}

/** Of the Atlas that was asked for. */
export type ClaimedRetirement = Omit<RetirementMarker, 'component'>

export type AtlasAnswer = {
  /** The commit whose state root the proofs lead to, and its certificate. */
  record: CommitRecord
  /** The head on chain with that state root, where it was the newest when this was answered. */
  head: Head | null
  /** The Atlas's last word, where it has spoken one: proven where `record` is of the commit that decided it. */
  retirement: ClaimedRetirement | null
  citizens: readonly ClaimedCitizen[]
  /** Where the next page begins; null on the last, and where one citizen was asked for. */
  after: Hex | null
}

export class AtlasAnswerMalformedError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('ATLAS_ANSWER_MALFORMED', `What the read model answers cannot be read: ${reason}.`, {
      fix: 'Check that the URL is of an atlas-sync worker of this release, or ask another one.',
      kind: 'refused',
    })
  }
}

const proof = z.array(hexOf(32)).max(PROOF_NODES_MAX)

const CITIZEN = z.strictObject({
  citizen: hexOf(32),
  cardSigner: hexOf(20),
  isListed: z.boolean(),
  sequence: uint64,
  seatProof: proof,
  card: z.strictObject({ card: z.unknown(), proof }).nullable(),
})
const RETIREMENT = z.strictObject({
  successor: hexOf(32),
  effectiveHeight: uint64,
  reason: z.string().max(RETIREMENT_REASON_SIZE_MAX_BYTES),
})
const ANSWER = z.strictObject({
  record: z.unknown(),
  head: HEAD_JSON.nullable(),
  retirement: RETIREMENT.nullable(),
  citizens: z.array(CITIZEN).max(ATLAS_PAGE_MAX),
  after: hexOf(32).nullable(),
})

export type EncodeAtlasAnswerParameters = Omit<AtlasAnswer, 'citizens'> & { citizens: readonly AtlasCitizen[] }

export const encodeAtlasAnswer = ({ record, head, retirement, citizens, after }: EncodeAtlasAnswerParameters): string =>
  formatCanonicalJson({
    record: JSON.parse(encodeCommitRecord(record)),
    head: head && toHeadJson(head),
    retirement: retirement && toRetirementJson(retirement),
    citizens: citizens.map(toCitizenJson),
    after,
  })

export const toRetirementJson = ({ successor, effectiveHeight, reason }: ClaimedRetirement) => ({
  ...{ successor, reason },
  effectiveHeight: effectiveHeight.toString(),
})

const toCitizenJson = ({ citizen, seat, seatProof, card }: AtlasCitizen) => ({
  citizen,
  cardSigner: seat.cardSigner,
  isListed: seat.isListed,
  sequence: seat.sequence.toString(),
  seatProof: seatProof.proof,
  card: card === undefined ? null : { card: toCardJson(card.card) satisfies CardJson, proof: card.proof },
})

/** Proves nothing yet. @throws {AtlasAnswerMalformedError | MalformedCommitRecordError | CardMalformedError} not of this form. */
export function decodeAtlasAnswer(text: string): AtlasAnswer {
  const refuse = (reason: string) => new AtlasAnswerMalformedError({ reason })
  const { record, head, retirement, citizens, after } = decodeJson(text, { shape: ANSWER, refuse })
  return {
    record: decodeCommitRecord(JSON.stringify(record) ?? ''),
    head,
    retirement,
    after,
    citizens: citizens.map(({ card, ...seat }) => ({
      ...seat,
      card: card && { card: fromCardJson(card.card), proof: card.proof },
    })),
  }
}
