import { z } from 'zod'
import type { Head } from '../chain/head.ts'
import { type Hex, isHex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { formatCanonicalJson } from '../protocol/identity/json.ts'
import { type CardJson, fromCardJson, toCardJson } from '../protocol/wire/cardFile.ts'
import type { CitizenCard } from '../protocol/wire/citizenCard.ts'
import { type CommitRecord, decodeCommitRecord, encodeCommitRecord } from '../protocol/wire/commitRecord.ts'
import type { AtlasCitizen } from './atlasCatalogue.ts'

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

export type AtlasAnswer = {
  /** The commit whose state root the proofs lead to, and its certificate. */
  record: CommitRecord
  /** The head on chain with that state root, where it was the newest when this was answered. */
  head: Head | null
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

const hexOf = (sizeBytes: number) => z.custom<Hex>((value) => isHex(value, sizeBytes), `not ${sizeBytes} bytes of hex`)
const uint64 = z
  .string()
  .regex(/^(?:0|[1-9][0-9]{0,19})$/, 'not a decimal uint64')
  .transform(BigInt)
  .refine((value) => value < 1n << 64n, 'above 2^64 − 1')
const proof = z.array(hexOf(32)).max(PROOF_NODES_MAX)

const HEAD = z.strictObject({
  committeeHash: hexOf(32),
  epoch: uint64,
  height: uint64,
  logSize: uint64,
  logRoot: hexOf(32),
  state: hexOf(32),
  timestampMs: uint64,
  anchorIndex: uint64,
  anchoredAt: uint64,
  retired: z.boolean(),
})
const CITIZEN = z.strictObject({
  citizen: hexOf(32),
  cardSigner: hexOf(20),
  isListed: z.boolean(),
  sequence: uint64,
  seatProof: proof,
  card: z.strictObject({ card: z.unknown(), proof }).nullable(),
})
const ANSWER = z.strictObject({
  record: z.unknown(),
  head: HEAD.nullable(),
  citizens: z.array(CITIZEN).max(ATLAS_PAGE_MAX),
  after: hexOf(32).nullable(),
})

/** A head as JSON has it: numbers as decimal strings. */
export const toHeadJson = (head: Head): Record<string, string | boolean> =>
  Object.fromEntries(
    Object.entries(head).map(([name, value]) => [name, typeof value === 'bigint' ? value.toString() : value]),
  )

export type EncodeAtlasAnswerParameters = Omit<AtlasAnswer, 'citizens'> & { citizens: readonly AtlasCitizen[] }

export const encodeAtlasAnswer = ({ record, head, citizens, after }: EncodeAtlasAnswerParameters): string =>
  formatCanonicalJson({
    record: JSON.parse(encodeCommitRecord(record)),
    head: head && toHeadJson(head),
    citizens: citizens.map(toCitizenJson),
    after,
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
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new AtlasAnswerMalformedError({ reason: 'it is not JSON' })
  }
  const parsed = ANSWER.safeParse(json)
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!
    throw new AtlasAnswerMalformedError({ reason: `${path.join('.') || 'it'}: ${message}` })
  }
  const { record, head, citizens, after } = parsed.data
  return {
    record: decodeCommitRecord(JSON.stringify(record) ?? ''),
    head,
    after,
    citizens: citizens.map(({ card, ...seat }) => ({
      ...seat,
      card: card && { card: fromCardJson(card.card), proof: card.proof },
    })),
  }
}
