import { z } from 'zod'
import { type Hex, isHex } from '../bytes.ts'
import { CardMalformedError, type CitizenCard, decodeCard, encodeCard } from './citizenCard.ts'
import { SIGNATURE_SIZE_BYTES } from './signature.ts'

/** Bytes of a card file at the most: the bounds of a card in JSON, with every space that an editor puts in. */
export const CARD_FILE_SIZE_MAX_BYTES = 32_768

/** A card and its citizen's signature (64 bytes, EIP-2098) over `deriveCardDigest`, as a command carries them. */
export type SignedCard = {
  /** As `encodeCard` gives it. */
  card: Uint8Array
  signature: Hex
}

/** A card as a person writes it: who signs it knows which Atlas it is for, and may know the sequence. */
export type CardDraft = Omit<CitizenCard, 'atlas' | 'sequence'> & {
  atlas?: Hex | undefined
  sequence?: bigint | undefined
}

const hex = z.custom<Hex>((value) => isHex(value), 'not lower-case hex')
const sequence = z
  .string()
  .regex(/^[1-9][0-9]{0,19}$/, 'not a decimal uint64 of 1 or more')
  .transform(BigInt)
const FIELDS = {
  citizen: hex,
  role: z.string(),
  kind: z.enum(['lattice', 'organism']),
  endpoints: z.array(z.string()),
  ticketRoot: hex,
  mrTds: z.array(hex),
  schemaVersion: z.number(),
}
const CARD = z.strictObject({ atlas: hex, ...FIELDS, sequence })
const SIGNED = z.strictObject({
  card: CARD,
  signature: z.custom<Hex>((value) => isHex(value, SIGNATURE_SIZE_BYTES), `not ${SIGNATURE_SIZE_BYTES} bytes of hex`),
})
const DRAFT = z.strictObject({ ...FIELDS, atlas: hex.optional(), sequence: sequence.optional() })

/** A card as JSON has it: the sequence is a decimal string. */
export type CardJson = Omit<CitizenCard, 'sequence'> & { sequence: string }

export const toCardJson = ({ atlas, citizen, role, kind, ...rest }: CitizenCard): CardJson => ({
  ...{ atlas, citizen, role, kind },
  ...{ endpoints: rest.endpoints, ticketRoot: rest.ticketRoot, mrTds: rest.mrTds },
  ...{ schemaVersion: rest.schemaVersion, sequence: rest.sequence.toString() },
})

/** @throws {CardMalformedError} not of this form; what its members say is `encodeCard`'s to check. */
export const fromCardJson = (json: unknown): CitizenCard => parse(CARD, json)

/** A signed card as its citizen publishes it: `{ "card": { … }, "signature": "0x…" }`. */
export const encodeSignedCard = ({ card, signature }: SignedCard): string =>
  `${JSON.stringify({ card: toCardJson(decodeCard(card)), signature }, null, 2)}\n`

/** The inverse of `encodeSignedCard`, whatever the spaces. Says nothing of the signature yet. @throws {CardMalformedError} */
export function decodeSignedCard(text: string): SignedCard {
  const { card, signature } = parse(SIGNED, parseText(text))
  return { card: encodeCard(card), signature }
}

/** What a person wrote, to be signed. @throws {CardMalformedError} */
export const decodeCardDraft = (text: string): CardDraft => parse(DRAFT, parseText(text))

function parseText(text: string): unknown {
  if (text.length > CARD_FILE_SIZE_MAX_BYTES) {
    throw new CardMalformedError({ reason: `its file has more than ${CARD_FILE_SIZE_MAX_BYTES} bytes` })
  }
  try {
    return JSON.parse(text)
  } catch {
    throw new CardMalformedError({ reason: 'its file is not JSON' })
  }
}

function parse<Shape extends z.ZodType>(shape: Shape, json: unknown): z.infer<Shape> {
  const parsed = shape.safeParse(json)
  if (parsed.success) return parsed.data
  const { path, message } = parsed.error.issues[0]!
  throw new CardMalformedError({ reason: `${path.join('.') || 'its file'}: ${message}` })
}
