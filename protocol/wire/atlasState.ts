import { type Hex, toHex } from '../bytes.ts'
import { keccak256 } from '../hash.ts'
import { CITIZEN_CARD_TYPEHASH } from './citizenCard.ts'
import type { StateItem } from './stateTree.ts'
import { deriveTypehash, packWords } from './typedData.ts'

/** What an Atlas's state says of its citizens, such that a contract can check it (spec §4, §10). */

const CITIZEN_TYPEHASH = deriveTypehash('Citizen(address cardSigner,bool isListed,uint64 sequence)')

/** Who speaks for a citizen, and how far it has counted. */
export type CitizenSeat = {
  readonly cardSigner: Hex
  readonly isListed: boolean
  /** Of the last thing that the citizen signed for this Atlas; 0 before the first. */
  readonly sequence: bigint
}

/** The state item that proves a citizen's card: the card's EIP-712 hash under its stable id. */
export const toCardItem = (citizen: Hex, cardHash: Hex): StateItem => item(CITIZEN_CARD_TYPEHASH, citizen, cardHash)

/** The state item that proves a citizen's key, seat and sequence. */
export const toCitizenItem = (citizen: Hex, { cardSigner, isListed, sequence }: CitizenSeat): StateItem =>
  item(CITIZEN_TYPEHASH, citizen, toHex(keccak256(packWords([cardSigner, isListed, sequence]))))

const item = (typehash: Hex, key: Hex, value: Hex): StateItem => ({ typehash, key: toHex(packWords([key])), value })
