import { CoalitionError } from '../protocol/errors.ts'
import {
  CARD_FILE_SIZE_MAX_BYTES,
  type CardDraft,
  decodeCardDraft,
  decodeSignedCard,
  type SignedCard,
} from '../protocol/wire/cardFile.ts'
import { readInput } from './input.ts'

/** What a card file holds: a card that is signed already, or one to be signed. */
export type CardFile = { kind: 'signed'; signed: SignedCard } | { kind: 'draft'; draft: CardDraft }

/**
 * Reads a card file: `{ "card": { … }, "signature": "0x…" }`, or the card's members alone.
 *
 * @param path a file, or `-` for standard input.
 * @throws {UnreadableInputError | InputTooLargeError} no such file, not UTF-8, or too large.
 * @throws {CardMalformedError} neither of the two.
 */
export async function readCardFile(path: string): Promise<CardFile> {
  const text = await readInput(path, { sizeMaxBytes: CARD_FILE_SIZE_MAX_BYTES })
  // A draft has no key of that name, so what is wrong with a signed card is said of that one.
  return /"signature"\s*:/.test(text)
    ? { kind: 'signed', signed: decodeSignedCard(text) }
    : { kind: 'draft', draft: decodeCardDraft(text) }
}

export class SignedAlreadyError extends CoalitionError {
  constructor({ path }: { path: string }) {
    super('SIGNED_ALREADY', `The card in ${path === '-' ? 'standard input' : path} is signed already.`, {
      fix: 'Publish it as it is, or give the card’s members alone to sign them anew.',
    })
  }
}

export class MissingSequenceError extends CoalitionError {
  constructor() {
    super('MISSING_SEQUENCE', 'Nothing says which sequence the card is to have.', {
      fix: 'Give --sequence, greater than any that the citizen signed before: coalition atlas show says the last.',
    })
  }
}
