import { decodeAbiParameters, encodeAbiParameters, parseAbiParameters } from 'viem/utils'
import { assertHex, type Branded, fromHex, type Hex, isEqualBytes, toHex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { keccak256 } from '../hash.ts'
import { assertName } from '../identity/name.ts'
import { isSignedBy } from './certificate.ts'
import { deriveSigningDigest, deriveTypehash, hashStruct } from './typedData.ts'

/** Bytes of one encoded card at the most. */
export const CARD_SIZE_MAX_BYTES = 8_192
export const CARD_ENDPOINTS_MAX = 16
/** Bytes of one endpoint, in UTF-8. */
export const CARD_ENDPOINT_SIZE_MAX_BYTES = 256
export const CARD_MR_TDS_MAX = 16
/** Bytes of one MR_TD: a SHA-384 digest. */
export const MR_TD_SIZE_BYTES = 48

/** What a citizen says of itself in an Atlas (spec §10). Lattices and organisms fill in the same form. */
export type CitizenCard = {
  /** Component key of the Atlas that it is for: a card cannot be carried to another. */
  atlas: Hex
  /** Stable id, 32 bytes; its first 20 are the CitizenId20 that people name it by. */
  citizen: Hex
  /** What it is to the coalition: 1–64 of `a-z 0-9 . _ -`. */
  role: string
  kind: 'lattice' | 'organism'
  /** Where it may be reached: hints, which nobody has checked. */
  endpoints: readonly string[]
  /** Root under which it issues its own tickets, 32 bytes; zero where it issues none. */
  ticketRoot: Hex
  /** MR_TDs that it runs as, 48 bytes each; none where it makes no such claim. */
  mrTds: readonly Hex[]
  /** Of what the endpoints speak; uint32, the citizen's own to count. */
  schemaVersion: number
  /** Grows with each thing that the citizen signs for this Atlas; uint64, from 1. */
  sequence: bigint
}

/** A card that its citizen's card key signed; only `verifyCard` makes one. */
export type VerifiedCard = Branded<{ card: CitizenCard; bytes: Uint8Array; hash: Hex }, 'VerifiedCard'>

export class CardMalformedError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('CARD_MALFORMED', `A citizen card cannot be read: ${reason}.`, {
      fix: `Encode it with encodeCard: at most ${CARD_ENDPOINTS_MAX} endpoints of ${CARD_ENDPOINT_SIZE_MAX_BYTES} bytes and ${CARD_MR_TDS_MAX} MR_TDs, ${CARD_SIZE_MAX_BYTES} bytes in all.`,
      kind: 'refused',
    })
  }
}

export class CardForgedError extends CoalitionError {
  constructor({ citizen, signer }: { citizen: Hex; signer: Hex }) {
    super('CARD_FORGED', `What is said for ${citizen} is not signed by its card key ${signer}.`, {
      fix: 'Sign with the card key that the Atlas knows for this citizen.',
      kind: 'refused',
    })
  }
}

export const CITIZEN_CARD_TYPEHASH: Hex = deriveTypehash(
  'CitizenCard(bytes32 atlas,bytes32 citizen,string role,uint8 kind,string[] endpoints,bytes32 ticketRoot,bytes[] mrTds,uint32 schemaVersion,uint64 sequence)',
)
export const CARD_WITHDRAWAL_TYPEHASH: Hex = deriveTypehash(
  'CardWithdrawal(bytes32 atlas,bytes32 citizen,uint64 sequence)',
)
export const CARD_KEY_CHANGE_TYPEHASH: Hex = deriveTypehash(
  'CardKeyChange(bytes32 atlas,bytes32 citizen,address cardSigner,uint64 sequence)',
)

const KINDS = ['lattice', 'organism'] as const
const FIELDS = parseAbiParameters(
  'bytes32 atlas, bytes32 citizen, string role, uint8 kind, string[] endpoints, bytes32 ticketRoot, bytes[] mrTds, uint32 schemaVersion, uint64 sequence',
)
/** A scheme and something behind it. Not the runtime's URL parser: members of other releases must judge alike. */
const ENDPOINT_PATTERN = /^[a-z][a-z0-9+.-]*:\/\/[\x21-\x7e]+$/
const UINT32_MAX = 2 ** 32 - 1
const UINT64_MAX = 2n ** 64n - 1n
const utf8 = new TextEncoder()

/** What a citizen signs to withdraw its card. */
export type CardWithdrawal = Pick<CitizenCard, 'atlas' | 'citizen' | 'sequence'>
/** What a citizen signs, with its old key, to be known by a new one. */
export type CardKeyChange = CardWithdrawal & { cardSigner: Hex }

/** `abi.encode` of the card's members in their order. @throws {CardMalformedError} a member is out of bounds. */
export function encodeCard(card: CitizenCard): Uint8Array {
  assertCard(card)
  const { atlas, citizen, role, kind, endpoints, ticketRoot, mrTds, schemaVersion, sequence } = card
  const values = [
    atlas,
    citizen,
    role,
    KINDS.indexOf(kind),
    endpoints,
    ticketRoot,
    mrTds,
    schemaVersion,
    sequence,
  ] as const
  const bytes = fromHex(encodeAbiParameters(FIELDS, values))
  if (bytes.length > CARD_SIZE_MAX_BYTES) throw new CardMalformedError({ reason: `it has ${bytes.length} bytes` })
  return bytes
}

/** The exact inverse of `encodeCard`. @throws {CardMalformedError} not the one canonical encoding, or out of bounds. */
export function decodeCard(bytes: Uint8Array): CitizenCard {
  if (bytes.length > CARD_SIZE_MAX_BYTES) throw new CardMalformedError({ reason: `it has ${bytes.length} bytes` })
  let card: CitizenCard
  try {
    const [atlas, citizen, role, kind, endpoints, ticketRoot, mrTds, schemaVersion, sequence] = decodeAbiParameters(
      FIELDS,
      bytes,
    )
    card = { atlas, citizen, role, kind: KINDS[kind]!, endpoints, ticketRoot, mrTds, schemaVersion, sequence }
  } catch {
    throw new CardMalformedError({ reason: 'it is not ABI-encoded as one' })
  }
  if (isEqualBytes(encodeCard(card), bytes)) return card
  throw new CardMalformedError({ reason: 'its encoding is not canonical' })
}

/** EIP-712 `hashStruct`, 32 bytes: the value of the card's state item, which a contract can compute again. */
export function hashCard(card: CitizenCard): Hex {
  const { atlas, citizen, role, kind, endpoints, ticketRoot, mrTds, schemaVersion, sequence } = card
  return hashStruct(CITIZEN_CARD_TYPEHASH, [
    atlas,
    citizen,
    hashText(role),
    KINDS.indexOf(kind),
    hashList(endpoints.map(hashText)),
    ticketRoot,
    hashList(mrTds.map((mrTd) => toHex(keccak256(fromHex(mrTd))))),
    schemaVersion,
    sequence,
  ])
}

/** What a card key signs, 32 bytes each: EIP-712 under the domain of everything that is signed here. */
export const deriveCardDigest = (card: CitizenCard): Hex => deriveSigningDigest(hashCard(card))

export const deriveWithdrawalDigest = ({ atlas, citizen, sequence }: CardWithdrawal): Hex =>
  deriveSigningDigest(hashStruct(CARD_WITHDRAWAL_TYPEHASH, [atlas, citizen, sequence]))

export const deriveKeyChangeDigest = ({ atlas, citizen, cardSigner, sequence }: CardKeyChange): Hex =>
  deriveSigningDigest(hashStruct(CARD_KEY_CHANGE_TYPEHASH, [atlas, citizen, cardSigner, sequence]))

/**
 * Decodes a card and checks that `signer` signed it.
 *
 * @throws {CardMalformedError} no card. @throws {CardForgedError} not signed by `signer`.
 */
export function verifyCard(bytes: Uint8Array, { signature, signer }: { signature: Hex; signer: Hex }): VerifiedCard {
  const card = decodeCard(bytes)
  const hash = hashCard(card)
  if (!isSignedBy({ digest: deriveSigningDigest(hash), signature, signer })) {
    throw new CardForgedError({ citizen: card.citizen, signer })
  }
  return { card, bytes, hash } as VerifiedCard
}

function assertCard({
  atlas,
  citizen,
  role,
  kind,
  endpoints,
  ticketRoot,
  mrTds,
  schemaVersion,
  sequence,
}: CitizenCard) {
  const refuseUnless = (isGood: boolean, reason: string): void => {
    if (!isGood) throw new CardMalformedError({ reason })
  }
  for (const [field, value] of Object.entries({ atlas, citizen, ticketRoot }))
    assertHex(value, { field, sizeBytes: 32 })
  assertName(role, { field: 'role' })
  refuseUnless(KINDS.includes(kind), 'its kind is neither lattice nor organism')
  refuseUnless(endpoints.length <= CARD_ENDPOINTS_MAX, `it has ${endpoints.length} endpoints`)
  for (const endpoint of endpoints) {
    const sizeBytes = utf8.encode(endpoint).length
    refuseUnless(sizeBytes >= 1 && sizeBytes <= CARD_ENDPOINT_SIZE_MAX_BYTES, `an endpoint has ${sizeBytes} bytes`)
    refuseUnless(ENDPOINT_PATTERN.test(endpoint), 'an endpoint is no URL in printable ASCII')
  }
  refuseUnless(mrTds.length <= CARD_MR_TDS_MAX, `it has ${mrTds.length} MR_TDs`)
  for (const [index, mrTd] of mrTds.entries())
    assertHex(mrTd, { field: `mrTds[${index}]`, sizeBytes: MR_TD_SIZE_BYTES })
  const isUint32 = Number.isInteger(schemaVersion) && schemaVersion >= 0 && schemaVersion <= UINT32_MAX
  refuseUnless(isUint32, 'its schema version is no uint32')
  refuseUnless(sequence >= 1n && sequence <= UINT64_MAX, 'its sequence is no uint64 of 1 or more')
}

const hashText = (text: string): Hex => toHex(keccak256(utf8.encode(text)))

/** EIP-712 of an array: the hash of its elements' encodings one after the other. */
const hashList = (hashes: readonly Hex[]): Hex =>
  toHex(keccak256(fromHex(`0x${hashes.map((hash) => hash.slice(2)).join('')}`)))
