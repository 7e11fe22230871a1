import { decodeAbiParameters, encodeAbiParameters, parseAbiParameters } from 'viem/utils'
import { fromHex, type Hex, isEqualBytes, toHex } from '../bytes.ts'
import { assertCitizenList, CITIZENS_MAX, type ListedCitizen } from './atlasParameters.ts'
import { REQUEST_ANCHOR_TYPEHASH, UnknownCommandError } from './chronicleCommand.ts'
import { CARD_SIZE_MAX_BYTES, type CardKeyChange, type CardWithdrawal } from './citizenCard.ts'
import { deriveTypehash } from './typedData.ts'

/** What may be asked of an Atlas. A citizen's signature (64 bytes, EIP-2098) stands beside what it signed. */
export type AtlasCommand =
  /** Publishes a citizen's card, or replaces the one it has. `card` as `encodeCard` gives it. */
  | { kind: 'publish'; card: Uint8Array; signature: Hex }
  | { kind: 'withdraw'; withdrawal: CardWithdrawal; signature: Hex }
  /** Signed with the old key. */
  | { kind: 'changeKey'; change: CardKeyChange; signature: Hex }
  /** The citizens of a republished config. */
  | { kind: 'list'; citizens: readonly ListedCitizen[] }
  /** Marks the commit for the chain before its cadence is due. */
  | { kind: 'requestAnchor' }

const PUBLISH_TYPEHASH = deriveTypehash('PublishCard(bytes card,bytes signature)')
const WITHDRAW_TYPEHASH = deriveTypehash('WithdrawCard(bytes32 atlas,bytes32 citizen,uint64 sequence,bytes signature)')
const CHANGE_KEY_TYPEHASH = deriveTypehash(
  'ChangeCardKey(bytes32 atlas,bytes32 citizen,address cardSigner,uint64 sequence,bytes signature)',
)
const LIST_TYPEHASH = deriveTypehash(
  'ListCitizens(ListedCitizen[] citizens)ListedCitizen(bytes32 citizen,address cardSigner)',
)

const PUBLISH = parseAbiParameters('bytes32 typehash, bytes card, bytes signature')
const WITHDRAW = parseAbiParameters(
  'bytes32 typehash, bytes32 atlas, bytes32 citizen, uint64 sequence, bytes signature',
)
const CHANGE_KEY = parseAbiParameters(
  'bytes32 typehash, bytes32 atlas, bytes32 citizen, address cardSigner, uint64 sequence, bytes signature',
)
const LIST = parseAbiParameters('bytes32 typehash, (bytes32 citizen, address cardSigner)[] citizens')
/** A list is the longest command, unless the bound on cards grows. */
const SIZE_MAX_BYTES = Math.max(64 * (CITIZENS_MAX + 2), CARD_SIZE_MAX_BYTES + 512)

/** `abi.encode(TYPEHASH, fields…)`. */
export function encodeAtlasCommand(command: AtlasCommand): Uint8Array {
  switch (command.kind) {
    case 'publish':
      return fromHex(encodeAbiParameters(PUBLISH, [PUBLISH_TYPEHASH, toHex(command.card), command.signature]))
    case 'withdraw': {
      const { atlas, citizen, sequence } = command.withdrawal
      return fromHex(encodeAbiParameters(WITHDRAW, [WITHDRAW_TYPEHASH, atlas, citizen, sequence, command.signature]))
    }
    case 'changeKey': {
      const { atlas, citizen, cardSigner, sequence } = command.change
      const values = [CHANGE_KEY_TYPEHASH, atlas, citizen, cardSigner, sequence, command.signature] as const
      return fromHex(encodeAbiParameters(CHANGE_KEY, values))
    }
    case 'list':
      assertCitizenList(command.citizens)
      return fromHex(encodeAbiParameters(LIST, [LIST_TYPEHASH, command.citizens]))
    case 'requestAnchor':
      return fromHex(REQUEST_ANCHOR_TYPEHASH)
  }
}

/**
 * The exact inverse of `encodeAtlasCommand`. What the card says is not looked at.
 *
 * @throws {UnknownCommandError} another kind, or not the one canonical encoding.
 * @throws {InvalidAtlasParametersError} a list that is too long or out of order.
 */
export function decodeAtlasCommand(bytes: Uint8Array): AtlasCommand {
  if (bytes.length > SIZE_MAX_BYTES) throw new UnknownCommandError()
  let command: AtlasCommand | undefined
  try {
    command = decodeKind(bytes)
  } catch {
    throw new UnknownCommandError()
  }
  if (command === undefined || !isEqualBytes(encodeAtlasCommand(command), bytes)) throw new UnknownCommandError()
  return command
}

function decodeKind(bytes: Uint8Array): AtlasCommand | undefined {
  switch (toHex(bytes.subarray(0, 32))) {
    case REQUEST_ANCHOR_TYPEHASH:
      return { kind: 'requestAnchor' }
    case PUBLISH_TYPEHASH: {
      const [, card, signature] = decodeAbiParameters(PUBLISH, bytes)
      return { kind: 'publish', card: fromHex(card), signature }
    }
    case WITHDRAW_TYPEHASH: {
      const [, atlas, citizen, sequence, signature] = decodeAbiParameters(WITHDRAW, bytes)
      return { kind: 'withdraw', withdrawal: { atlas, citizen, sequence }, signature }
    }
    case CHANGE_KEY_TYPEHASH: {
      const [, atlas, citizen, cardSigner, sequence, signature] = decodeAbiParameters(CHANGE_KEY, bytes)
      const change = { atlas, citizen, cardSigner: cardSigner.toLowerCase() as Hex, sequence }
      return { kind: 'changeKey', change, signature }
    }
    case LIST_TYPEHASH: {
      const [, citizens] = decodeAbiParameters(LIST, bytes)
      const lowerCase = citizens.map(({ citizen, cardSigner }) => ({
        citizen,
        cardSigner: cardSigner.toLowerCase() as Hex,
      }))
      return { kind: 'list', citizens: lowerCase }
    }
    default:
      return undefined
  }
}
