import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeAbiParameters, keccak256, parseAbiParameters, stringToHex } from 'viem'
import { type Hex, InvalidHexError, toHex } from '../../../protocol/bytes.ts'
import { AddressCountError, AddressesOutOfOrderError, ZeroAddressError } from '../../../protocol/wire/addressList.ts'
import { ZERO_BYTES32 } from '../../../protocol/wire/commit.ts'
import {
  deriveCommitteeHash,
  deriveDetails,
  InvalidNoteKeyError,
  type Member,
  quorumOf,
} from '../../../protocol/wire/committee.ts'

const address = (byte: string): Hex => `0x${byte.repeat(20)}`
const noteKey: Hex = `0x${'4b'.repeat(32)}`
const anyMembers = fc
  .uniqueArray(
    fc.record({
      signer: fc.uint8Array({ minLength: 20, maxLength: 20 }).map(toHex),
      noteKey: fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex), { nil: undefined }),
    }),
    { minLength: 1, maxLength: 12, selector: ({ signer }) => signer },
  )
  .filter((members) => members.every((member) => BigInt(member.signer) !== 0n))
  .filter((members) => {
    const keys = members.flatMap((member) => member.noteKey ?? [])
    return new Set(keys).size === keys.length && !keys.includes(ZERO_BYTES32)
  })
  .map((members) =>
    members
      .map((member): Member => (member.noteKey ? { ...member, noteKey: member.noteKey } : { signer: member.signer }))
      .sort((a, b) => (a.signer < b.signer ? -1 : 1)),
  )

test('deriveCommitteeHash: is the formula of spec §5.1, as viem encodes it', () => {
  fc.assert(
    fc.property(anyMembers, (members) => {
      const typehash = keccak256(stringToHex('CommitteeDetails(bytes32[] noteKeys)'))
      const noteKeys = members.map((member) => member.noteKey ?? ZERO_BYTES32)
      const details = members.some((member) => member.noteKey)
        ? keccak256(encodeAbiParameters(parseAbiParameters('bytes32, bytes32[]'), [typehash, noteKeys]))
        : ZERO_BYTES32
      const signers = encodeAbiParameters(parseAbiParameters('address[]'), [members.map(({ signer }) => signer)])
      const expected = encodeAbiParameters(parseAbiParameters('bytes32, bytes32'), [keccak256(signers), details])
      assert.equal(deriveDetails(members), details)
      assert.equal(deriveCommitteeHash(members), keccak256(expected))
    }),
  )
})

test('deriveCommitteeHash: takes one member and 256, and refuses none and 257', () => {
  const members = Array.from({ length: 257 }, (_, index) => ({
    signer: `0x${(index + 1).toString(16).padStart(40, '0')}` as Hex,
  }))
  assert.notEqual(deriveCommitteeHash(members.slice(0, 1)), deriveCommitteeHash(members.slice(0, 256)))
  assert.throws(() => deriveCommitteeHash([]), AddressCountError)
  assert.throws(() => deriveCommitteeHash(members), AddressCountError)
})

test('deriveCommitteeHash: refuses signers out of order and names the right order', () => {
  const members = [{ signer: address('bb') }, { signer: address('aa') }]
  assert.throws(() => deriveCommitteeHash(members), {
    code: 'ADDRESSES_OUT_OF_ORDER',
    message: 'members[1].signer does not follow the address before it.',
    fix: `List each address once, in ascending order: ${address('aa')}, ${address('bb')}.`,
  })
})

test('deriveCommitteeHash: refuses a signer listed twice', () => {
  const twice = [{ signer: address('aa') }, { signer: address('aa') }]
  assert.throws(() => deriveCommitteeHash(twice), AddressesOutOfOrderError)
})

test('deriveCommitteeHash: refuses the zero address', () => {
  assert.throws(() => deriveCommitteeHash([{ signer: address('00') }]), ZeroAddressError)
})

test('deriveCommitteeHash: refuses a checksummed address', () => {
  assert.throws(() => deriveCommitteeHash([{ signer: address('aB') }]), InvalidHexError)
})

test('deriveCommitteeHash: refuses a note key that is zero, shared or of another length', () => {
  const pair = (first: Hex, second: Hex): Member[] => [
    { signer: address('aa'), noteKey: first },
    { signer: address('bb'), noteKey: second },
  ]
  assert.throws(() => deriveCommitteeHash(pair(noteKey, ZERO_BYTES32)), InvalidNoteKeyError)
  assert.throws(() => deriveCommitteeHash(pair(noteKey, noteKey)), InvalidNoteKeyError)
  assert.throws(() => deriveCommitteeHash(pair(noteKey, '0x4b')), InvalidHexError)
})

test('quorumOf: is n − ⌊(n−1)/3⌋, so that two quorums share more than f members', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 16, 256].map(quorumOf), [1, 2, 3, 3, 4, 5, 5, 11, 171])
  for (let n = 1; n <= 256; n++) assert.ok(3 * (2 * quorumOf(n) - n) > n - 1, `n = ${n}`)
})

test('quorumOf: refuses what is no committee', () => {
  for (const count of [0, -1, 257, 1.5, Number.NaN]) assert.throws(() => quorumOf(count), RangeError)
})
