import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeAbiParameters, keccak256, parseAbiParameters, stringToHex } from 'viem'
import { type Hex, toHex } from '../../../protocol/bytes.ts'
import {
  type AuditEntry,
  COMPONENT_KINDS,
  classifyEntry,
  decodeChronicleEntry,
  encodeAuditEntry,
} from '../../../protocol/wire/chronicleEntry.ts'
import { encodeCommitteeRotated, encodeRetirementMarker } from '../../../protocol/wire/governance.ts'
import { encodeOperatorStatement } from '../../../protocol/wire/operatorStatement.ts'
import { createTestMembers } from './members.ts'

const word = (byte: string): Hex => `0x${byte.repeat(32)}`
const submitter: Hex = `0x${'51'.repeat(20)}`
const recorded = {
  component: word('c0'),
  componentKind: 'almanac',
  componentId: word('1d'),
  height: 7n,
  timestampMs: 1_760_000_000_000n,
  commitDigest: word('dd'),
} as const
const RECORDED =
  'bytes32 component,uint8 kind,bytes32 componentId,uint64 height,uint64 timestampMs,bytes32 commitDigest'
const recordedValues = [
  recorded.component,
  2,
  recorded.componentId,
  recorded.height,
  recorded.timestampMs,
  recorded.commitDigest,
]

const vectors: { entry: AuditEntry; type: string; values: readonly unknown[] }[] = [
  {
    entry: {
      kind: 'coalitionPublished',
      coalitionId: word('01'),
      coalitionRoot: word('02'),
      configHash: word('03'),
      submitter,
    },
    type: 'CoalitionPublished(bytes32 coalitionId,bytes32 coalitionRoot,bytes32 configHash,address submitter)',
    values: [word('01'), word('02'), word('03'), submitter],
  },
  {
    entry: { kind: 'coalitionSuperseded', coalitionId: word('01'), supersededBy: word('02') },
    type: 'CoalitionSuperseded(bytes32 coalitionId,bytes32 supersededBy)',
    values: [word('01'), word('02')],
  },
  {
    entry: {
      kind: 'citizenAdded',
      coalitionId: word('01'),
      citizen: word('a1'),
      citizenKind: 'organism',
      label: 'oracle',
    },
    type: 'CitizenAdded(bytes32 coalitionId,bytes32 citizen,uint8 kind,string label)',
    values: [word('01'), word('a1'), 2, 'oracle'],
  },
  {
    entry: { kind: 'citizenRemoved', coalitionId: word('01'), citizen: word('a1'), citizenKind: 'lattice' },
    type: 'CitizenRemoved(bytes32 coalitionId,bytes32 citizen,uint8 kind)',
    values: [word('01'), word('a1'), 1],
  },
  {
    entry: { kind: 'committeeRotated', ...recorded, newEpoch: 3n, newCommitteeHash: word('cc') },
    type: `ComponentRotated(${RECORDED},uint64 newEpoch,bytes32 newCommitteeHash)`,
    values: [...recordedValues, 3n, word('cc')],
  },
  {
    entry: { kind: 'moduleRetired', ...recorded, successor: word('5c'), reason: 'moved — “v2”' },
    type: `ModuleRetired(${RECORDED},bytes32 successor,string reason)`,
    values: [...recordedValues, word('5c'), 'moved — “v2”'],
  },
  {
    entry: { kind: 'confluenceRetired', ...recorded, successor: word('5c'), reason: '' },
    type: `ConfluenceRetired(${RECORDED},bytes32 successor,string reason)`,
    values: [...recordedValues, word('5c'), ''],
  },
]

for (const { entry, type, values } of vectors) {
  test(`encodeAuditEntry: ${entry.kind} is what viem’s encodeAbiParameters gives behind the typehash`, () => {
    const fields = parseAbiParameters(`bytes32 typehash,${type.slice(type.indexOf('(') + 1, -1)}`)
    const expected = encodeAbiParameters(fields, [keccak256(stringToHex(type)), ...values] as never)
    assert.equal(toHex(encodeAuditEntry(entry)), expected)
    assert.deepEqual(decodeChronicleEntry(encodeAuditEntry(entry)), entry)
  })

  test(`decodeChronicleEntry: knows no other bytes as ${entry.kind}`, () => {
    const encoded = encodeAuditEntry(entry)
    for (let size = 0; size < encoded.length; size++) {
      assert.equal(decodeChronicleEntry(encoded.subarray(0, size)), undefined)
    }
    assert.equal(decodeChronicleEntry(new Uint8Array([...encoded, 0])), undefined)
    for (let at = 0; at < encoded.length; at++) {
      const flipped = Uint8Array.from(encoded)
      flipped[at]! ^= 0x80
      const decoded = decodeChronicleEntry(flipped)
      // Another value, or nothing: never the same one from other bytes.
      if (decoded !== undefined) assert.notDeepEqual(decoded, entry, `byte ${at}`)
    }
  })
}

test('decodeChronicleEntry: gives back whatever a machine can write', () => {
  const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex)
  const uint64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
  const anyRetirement = fc.record({
    kind: fc.constantFrom('moduleRetired' as const, 'confluenceRetired' as const),
    component: bytes32,
    componentKind: fc.constantFrom(...COMPONENT_KINDS),
    componentId: bytes32,
    height: uint64,
    timestampMs: uint64,
    commitDigest: bytes32,
    successor: bytes32,
    reason: fc.string({ unit: 'grapheme' }),
  })
  fc.assert(
    fc.property(anyRetirement, (entry) => {
      // fast-check makes records without a prototype.
      assert.deepEqual(decodeChronicleEntry(encodeAuditEntry(entry)), structuredClone(entry))
    }),
  )
})

test('classifyEntry: finds each entry under its kind, and those about a citizen under its stable id', () => {
  for (const { entry } of vectors) {
    const citizen = 'citizen' in entry ? entry.citizen : null
    assert.deepEqual(classifyEntry(encodeAuditEntry(entry)), { kind: entry.kind, citizen })
  }
  const statement = encodeOperatorStatement({ submitter, sequence: 1n, index: 0, statement: new Uint8Array([1]) })
  assert.deepEqual(classifyEntry(statement), { kind: 'operatorStatement', citizen: null })
  assert.equal(classifyEntry(new Uint8Array(64)), undefined)
})

test('the Chronicle’s own rotation and retirement are told from those of others, and found with them', () => {
  const rotated = { newEpoch: 1n, members: createTestMembers(4).map(({ signer }) => ({ signer })) }
  const own = encodeCommitteeRotated(rotated)
  assert.deepEqual(decodeChronicleEntry(own), { kind: 'ownCommitteeRotated', ...rotated })
  assert.deepEqual(classifyEntry(own), { kind: 'committeeRotated', citizen: null })
  const marker = { component: word('c0'), successor: word('5c'), effectiveHeight: 9n, reason: 'done' }
  const last = encodeRetirementMarker(marker)
  assert.deepEqual(decodeChronicleEntry(last), { kind: 'ownRetirement', ...marker })
  assert.deepEqual(classifyEntry(last), { kind: 'moduleRetired', citizen: null })
})
