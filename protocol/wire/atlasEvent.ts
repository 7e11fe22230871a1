import type { Hex } from '../bytes.ts'
import { deriveTypehash, packWords, packWordsAndBytes } from './typedData.ts'

/** Leaves of an Atlas's log, `abi.encode(TYPEHASH, …)` each: from them alone a reader has every card (spec §10). */

export const CARD_PUBLISHED_TYPEHASH: Hex = deriveTypehash('CardPublished(bytes card)')
export const CARD_WITHDRAWN_TYPEHASH: Hex = deriveTypehash('CardWithdrawn(bytes32 citizen,uint64 sequence)')
export const CARD_KEY_CHANGED_TYPEHASH: Hex = deriveTypehash(
  'CardKeyChanged(bytes32 citizen,address cardSigner,uint64 sequence)',
)
export const CITIZEN_LISTED_TYPEHASH: Hex = deriveTypehash('CitizenListed(bytes32 citizen,address cardSigner)')
export const CITIZEN_UNLISTED_TYPEHASH: Hex = deriveTypehash('CitizenUnlisted(bytes32 citizen)')

/** `card` as `encodeCard` gives it: published for the first time, or in place of another. */
export const encodeCardPublished = (card: Uint8Array): Uint8Array => packWordsAndBytes([CARD_PUBLISHED_TYPEHASH], card)

export const encodeCardWithdrawn = ({ citizen, sequence }: { citizen: Hex; sequence: bigint }): Uint8Array =>
  packWords([CARD_WITHDRAWN_TYPEHASH, citizen, sequence])

export const encodeCardKeyChanged = (change: { citizen: Hex; cardSigner: Hex; sequence: bigint }): Uint8Array =>
  packWords([CARD_KEY_CHANGED_TYPEHASH, change.citizen, change.cardSigner, change.sequence])

export const encodeCitizenListed = ({ citizen, cardSigner }: { citizen: Hex; cardSigner: Hex }): Uint8Array =>
  packWords([CITIZEN_LISTED_TYPEHASH, citizen, cardSigner])

/** The citizen left the config: its card, if it had one, is withdrawn with it. */
export const encodeCitizenUnlisted = (citizen: Hex): Uint8Array => packWords([CITIZEN_UNLISTED_TYPEHASH, citizen])
