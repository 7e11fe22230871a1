import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeAbiParameters, keccak256, parseAbiParameters, stringToHex } from 'viem'
import { type Hex, toHex } from '../../../protocol/bytes.ts'
import { AddressesOutOfOrderError } from '../../../protocol/wire/addressList.ts'
import {
  decodeChronicleCommand,
  encodeChronicleCommand,
  UnknownCommandError,
} from '../../../protocol/wire/chronicleCommand.ts'
import type { Commit } from '../../../protocol/wire/commit.ts'
import { InvalidGovernanceError } from '../../../protocol/wire/governance.ts'
import { decodeRecordedEnd, encodeRecordedEnd, type RecordedEnd } from '../../../protocol/wire/recordedEnd.ts'
import { createTestMembers, sampleCommit } from './members.ts'

const signers = createTestMembers(256).map(({ signer }) => signer)
const word = (byte: string): Hex => `0x${byte.repeat(32)}`
const certificate = { round: 3, signers: 7n, signatures: `0x${'5a'.repeat(192)}` as Hex }
const committee = { signers: signers.slice(0, 4), details: word('d0') }
const proof = { commit: sampleCommit, certificate, committee }
const rotation: RecordedEnd = { kind: 'recordRotation', ...proof, newEpoch: 1n, newCommitteeHash: word('e0') }
const retirement: RecordedEnd = { kind: 'recordRetirement', ...proof, successor: word('5c'), reason: 'moved — “v2”' }

test('encodeRecordedEnd: is the ABI encoding behind a typehash that names every field', () => {
  const commitType =
    'Commit(bytes32 component,uint64 epoch,uint64 height,bytes32 body,uint64 logSize,bytes32 logRoot,bytes32 state,uint64 timestampMs,bool anchor,bytes32 next)'
  const type = `RecordRotation(Commit commit,Certificate certificate,address[] signers,bytes32 details,uint64 newEpoch,bytes32 newCommitteeHash)Certificate(uint32 round,uint256 signers,bytes signatures)${commitType}`
  const fields = parseAbiParameters(
    'bytes32, (bytes32 component, uint64 epoch, uint64 height, bytes32 body, uint64 logSize, bytes32 logRoot, bytes32 state, uint64 timestampMs, bool anchor, bytes32 next), (uint32 round, uint256 signers, bytes signatures), address[], bytes32, uint64, bytes32',
  )
  const values = [sampleCommit, certificate, committee.signers, committee.details, 1n, word('e0')] as const
  const expected = encodeAbiParameters(fields, [keccak256(stringToHex(type)), ...values])
  assert.equal(toHex(encodeRecordedEnd(rotation)), expected)
})

const uint64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
const bytes = (sizeBytes: number) => fc.uint8Array({ minLength: sizeBytes, maxLength: sizeBytes }).map(toHex)
const anyCommit: fc.Arbitrary<Commit> = fc.record({
  component: bytes(32),
  epoch: uint64,
  height: uint64,
  body: bytes(32),
  logSize: uint64,
  logRoot: bytes(32),
  state: bytes(32),
  timestampMs: uint64,
  anchor: fc.boolean(),
  next: bytes(32),
})
const anyProof = fc.record({
  commit: anyCommit,
  certificate: fc.record({
    round: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    signers: fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }),
    signatures: fc.uint8Array({ maxLength: 256 }).map(toHex),
  }),
  committee: fc.record({
    signers: fc.integer({ min: 1, max: 256 }).map((count) => signers.slice(0, count)),
    details: bytes(32),
  }),
})
const anyEnd: fc.Arbitrary<RecordedEnd> = fc.oneof(
  fc
    .tuple(anyProof, fc.record({ newEpoch: uint64, newCommitteeHash: bytes(32) }))
    .map(([proof, end]) => ({ kind: 'recordRotation' as const, ...proof, ...end })),
  fc
    .tuple(anyProof, fc.record({ successor: bytes(32), reason: fc.string({ unit: 'grapheme', maxLength: 20 }) }))
    .filter(([, { reason }]) => Buffer.byteLength(reason) <= 256)
    .map(([proof, end]) => ({ kind: 'recordRetirement' as const, ...proof, ...end })),
)

test('decodeChronicleCommand: gives back every recorded end', () => {
  fc.assert(
    fc.property(anyEnd, (end) => {
      assert.deepEqual(decodeChronicleCommand(encodeChronicleCommand(end)), structuredClone(end))
    }),
    { numRuns: 50 },
  )
})

test('decodeRecordedEnd: takes the longest one, and nothing longer', () => {
  const end: RecordedEnd = {
    kind: 'recordRetirement',
    commit: sampleCommit,
    certificate: { round: 2 ** 32 - 1, signers: (1n << 256n) - 1n, signatures: `0x${'5a'.repeat(64 * 256)}` },
    committee: { signers, details: word('d0') },
    successor: word('5c'),
    reason: 'r'.repeat(256),
  }
  assert.deepEqual(decodeRecordedEnd(encodeRecordedEnd(end)), end)
  const signatures: Hex = `0x${'5a'.repeat(64 * 300)}`
  assert.equal(
    decodeRecordedEnd(encodeRecordedEnd({ ...end, certificate: { ...end.certificate, signatures } })),
    undefined,
  )
})

test('decodeChronicleCommand: refuses every truncation of a recorded end, every longer one and every flipped byte', () => {
  for (const end of [rotation, retirement]) {
    const encoded = encodeRecordedEnd(end)
    for (let size = 0; size < encoded.length; size += 7) {
      assert.throws(() => decodeChronicleCommand(encoded.subarray(0, size)), UnknownCommandError)
    }
    assert.throws(
      () => decodeChronicleCommand(new Uint8Array([...encoded, ...new Uint8Array(32)])),
      UnknownCommandError,
    )
    for (let at = 0; at < encoded.length; at++) {
      const flipped = Uint8Array.from(encoded)
      flipped[at]! ^= 0x80
      // Another value, or nothing: never the same one from other bytes.
      assert.notDeepEqual(decodeRecordedEnd(flipped), end, `byte ${at}`)
    }
  }
})

test('encodeRecordedEnd: refuses a committee that is none, and a reason that no registry takes', () => {
  const reversed = { ...committee, signers: [...committee.signers].reverse() }
  assert.throws(() => encodeRecordedEnd({ ...rotation, committee: reversed }), AddressesOutOfOrderError)
  assert.throws(() => encodeRecordedEnd({ ...retirement, reason: 'r'.repeat(257) }), InvalidGovernanceError)
})
