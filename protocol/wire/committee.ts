import { assertHex, type Hex, toHex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { keccak256 } from '../hash.ts'
import { ADDRESSES_MAX, assertAddressList } from './addressList.ts'
import { ZERO_BYTES32 } from './commit.ts'
import { deriveTypehash, packWords } from './typedData.ts'

/** One seat of a committee (spec §5.1). */
export type Member = {
  /** Address whose key signs the member's votes: 20 bytes. */
  signer: Hex
  /** Ed25519 public key of the member's signed notes (spec §6): 32 bytes, not zero. Left out where it signs none. */
  noteKey?: Hex
}

export class InvalidNoteKeyError extends CoalitionError {
  constructor({ field, reason }: { field: string; reason: string }) {
    super('INVALID_NOTE_KEY', `${field} ${reason}.`, {
      fix: 'Give each member a note key of its own, or leave noteKey out for a member that signs no notes.',
    })
  }
}

/** How many of `memberCount` members must sign: n − f with f = ⌊(n−1)/3⌋, computed, never configured (spec §5.1). */
export function quorumOf(memberCount: number): number {
  if (!Number.isInteger(memberCount) || memberCount < 1 || memberCount > ADDRESSES_MAX) {
    throw new RangeError(`a committee has 1 to ${ADDRESSES_MAX} members, not ${memberCount}`)
  }
  return memberCount - Math.floor((memberCount - 1) / 3)
}

export const COMMITTEE_DETAILS_TYPEHASH: Hex = deriveTypehash('CommitteeDetails(bytes32[] noteKeys)')

/**
 * `keccak256(abi.encode(keccak256(abi.encode(address[] signers)), bytes32 details))` (spec §5.1).
 *
 * @param members 1 to 256, in strictly ascending order of signer.
 * @throws {AddressCountError | InvalidHexError | ZeroAddressError | AddressesOutOfOrderError} see `assertAddressList`.
 * @throws {InvalidNoteKeyError} a note key is zero, or two members share one.
 */
export function deriveCommitteeHash(members: readonly Member[]): Hex {
  assertMembers(members, { field: 'members' })
  return hashCommittee({ signers: members.map(({ signer }) => signer), details: deriveDetails(members) })
}

/** A committee as the chain knows it: addresses in strictly ascending order, and what else its hash commits to. */
export type Committee = { signers: readonly Hex[]; details: Hex }

/** `deriveCommitteeHash` of a committee whose details are not spelled out; says nothing of its order. */
export function hashCommittee({ signers, details }: Committee): Hex {
  const list = packWords([32, signers.length, ...signers])
  return toHex(keccak256(packWords([toHex(keccak256(list)), details])))
}

/**
 * What a committee hash commits to beside its signers, because the chain need not see it (spec §5.1):
 * `keccak256(abi.encode(COMMITTEE_DETAILS_TYPEHASH, bytes32[] noteKeys))`, a key for each member in the signers' order,
 * zero for a member without; zero altogether where no member has one.
 */
export function deriveDetails(members: readonly Member[]): Hex {
  if (members.every(({ noteKey }) => noteKey === undefined)) return ZERO_BYTES32
  const noteKeys = members.map(({ noteKey }) => noteKey ?? ZERO_BYTES32)
  return toHex(keccak256(packWords([COMMITTEE_DETAILS_TYPEHASH, 64, noteKeys.length, ...noteKeys])))
}

/** Throws what `deriveCommitteeHash` throws; `options.field` names the list in the error. */
export function assertMembers(members: readonly Member[], options: { field: string }): void {
  const { field } = options
  assertAddressList(
    members.map(({ signer }) => signer),
    { list: field, field: (index) => `${field}[${index}].signer` },
  )
  const seen = new Set<Hex>()
  members.forEach(({ noteKey }, index) => {
    if (noteKey === undefined) return
    const noteField = `${field}[${index}].noteKey`
    assertHex(noteKey, { field: noteField, sizeBytes: 32 })
    // Zero already says "none"; a shared key would let one member's note pass for two.
    if (noteKey === ZERO_BYTES32) throw new InvalidNoteKeyError({ field: noteField, reason: 'is zero' })
    if (seen.has(noteKey)) throw new InvalidNoteKeyError({ field: noteField, reason: 'is another member’s too' })
    seen.add(noteKey)
  })
}
