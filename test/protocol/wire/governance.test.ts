import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeAbiParameters, keccak256, parseAbiParameters, stringToHex, zeroHash } from 'viem'
import { REASON_SIZE_BYTES_MAX } from '../../../chain/encodeAnchor.ts'
import { fromHex, type Hex, toHex } from '../../../protocol/bytes.ts'
import { AddressesOutOfOrderError } from '../../../protocol/wire/addressList.ts'
import { deriveCommitteeHash, type Member } from '../../../protocol/wire/committee.ts'
import {
  decodeCommitteeRotated,
  decodeGovernanceCommand,
  decodeRetirementMarker,
  deriveNextOfRotation,
  encodeCommitteeRotated,
  encodeGovernanceCommand,
  encodeRetirementMarker,
  type GovernanceCommand,
  InvalidGovernanceError,
  isGovernanceCommand,
  RETIREMENT_REASON_SIZE_MAX_BYTES,
} from '../../../protocol/wire/governance.ts'
import { hashRotation } from '../../../protocol/wire/next.ts'
import { createTestMembers } from './members.ts'

const component: Hex = `0x${'c0'.repeat(32)}`
const successor: Hex = `0x${'5c'.repeat(32)}`
const noteKey: Hex = `0x${'4b'.repeat(32)}`
const signers = createTestMembers(7).map(({ signer }) => signer)
const members: Member[] = signers.map((signer, index) => (index === 2 ? { signer, noteKey } : { signer }))
const rotation: GovernanceCommand = { kind: 'approveRotation', newEpoch: 1n, members }
const retirement: GovernanceCommand = { kind: 'approveRetirement', epoch: 0n, successor, reason: 'replaced — “v2”' }

test('encodeGovernanceCommand: is the ABI encoding behind a typehash', () => {
  const noteKeys = members.map((member) => member.noteKey ?? zeroHash)
  assert.equal(
    toHex(encodeGovernanceCommand(rotation)),
    encodeAbiParameters(parseAbiParameters('bytes32, uint64, address[], bytes32[]'), [
      keccak256(stringToHex('ApproveRotation(uint64 newEpoch,address[] signers,bytes32[] noteKeys)')),
      1n,
      signers,
      noteKeys,
    ]),
  )
  assert.equal(
    toHex(encodeGovernanceCommand(retirement)),
    encodeAbiParameters(parseAbiParameters('bytes32, uint64, bytes32, string'), [
      keccak256(stringToHex('ApproveRetirement(uint64 epoch,bytes32 successor,string reason)')),
      0n,
      successor,
      'replaced — “v2”',
    ]),
  )
})

test('decodeGovernanceCommand: gives back every command', () => {
  const uint64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
  const anyCommand: fc.Arbitrary<GovernanceCommand> = fc.oneof(
    fc.record(
      {
        kind: fc.constant('approveRotation' as const),
        newEpoch: uint64,
        members: fc
          .shuffledSubarray(members, { minLength: 1 })
          .map((some) => members.filter((each) => some.includes(each))),
      },
      { noNullPrototype: true },
    ),
    fc.record(
      {
        kind: fc.constant('approveRetirement' as const),
        epoch: uint64,
        successor: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex),
        reason: fc.string({ unit: 'grapheme', maxLength: 12 }),
      },
      { noNullPrototype: true },
    ),
  )
  fc.assert(
    fc.property(anyCommand, (command) => {
      const encoded = encodeGovernanceCommand(command)
      assert.ok(isGovernanceCommand(encoded))
      assert.deepEqual(decodeGovernanceCommand(encoded), command)
    }),
  )
})

for (const [name, command] of Object.entries({ rotation, retirement }))
  test(`decodeGovernanceCommand: refuses a ${name} that is cut off, longer, or flipped anywhere outside its values`, () => {
    const encoded = encodeGovernanceCommand(command)
    for (let size = 0; size < encoded.length; size++) {
      assert.throws(() => decodeGovernanceCommand(encoded.subarray(0, size)), InvalidGovernanceError)
    }
    assert.throws(() => decodeGovernanceCommand(new Uint8Array([...encoded, 0])), InvalidGovernanceError)
    for (let at = 0; at < encoded.length; at++) {
      const flipped = new Uint8Array(encoded)
      flipped[at]! ^= 0x80
      let decoded: GovernanceCommand
      try {
        decoded = decodeGovernanceCommand(flipped)
      } catch (error) {
        assert.ok(error instanceof InvalidGovernanceError)
        continue
      }
      // What still decodes says something else, and is the one encoding of that.
      assert.notDeepEqual(decoded, command)
      assert.deepEqual(encodeGovernanceCommand(decoded), flipped)
    }
  })

test('governance: refuses members out of order and a reason that the registry would not take', () => {
  const reversed = [...members].reverse()
  assert.throws(() => encodeGovernanceCommand({ ...rotation, members: reversed }), AddressesOutOfOrderError)
  const reason = 'é'.repeat(RETIREMENT_REASON_SIZE_MAX_BYTES / 2)
  assert.equal(RETIREMENT_REASON_SIZE_MAX_BYTES, REASON_SIZE_BYTES_MAX)
  encodeGovernanceCommand({ ...retirement, reason })
  assert.throws(() => encodeGovernanceCommand({ ...retirement, reason: `${reason}.` }), InvalidGovernanceError)
})

test('encodeCommitteeRotated: holds the whole committee, and its hash is what the commit names', () => {
  const rotated = { newEpoch: 3n, members }
  const entry = encodeCommitteeRotated(rotated)
  assert.deepEqual(decodeCommitteeRotated(entry), rotated)
  assert.equal(
    deriveNextOfRotation({ component, rotated }),
    hashRotation({ component, newEpoch: 3n, newCommitteeHash: deriveCommitteeHash(members) }),
  )
  assert.equal(decodeCommitteeRotated(encodeGovernanceCommand(rotation)), undefined)
  assert.equal(isGovernanceCommand(entry), false)
})

test('encodeRetirementMarker: holds the marker, and only its one encoding is read', () => {
  const marker = { component, successor, effectiveHeight: 9n, reason: 'replaced' }
  const entry = encodeRetirementMarker(marker)
  assert.deepEqual(decodeRetirementMarker(entry), marker)
  assert.equal(decodeRetirementMarker(new Uint8Array([...entry, 0])), undefined)
  assert.equal(decodeRetirementMarker(entry.subarray(0, entry.length - 1)), undefined)
  assert.equal(decodeRetirementMarker(fromHex(successor)), undefined)
})
