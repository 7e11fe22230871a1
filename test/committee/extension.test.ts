import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeAbiParameters, parseAbiParameters } from 'viem'
import { hasExtensions } from '../../committee/execution.ts'
import {
  decodeExtensionList,
  deriveExtensionDigest,
  ENCODED_EXTENSION_SIZE_MAX_BYTES,
  encodeExtension,
  encodeExtensionList,
  isSignedExtensionQuorum,
  type VoteExtension,
} from '../../committee/extension.ts'
import { MalformedMessageError } from '../../committee/malformedMessage.ts'
import { decodeParentRecord, encodeParentRecord } from '../../committee/parentRecord.ts'
import { almanac } from '../../modules/almanac/machine.ts'
import { chronicle } from '../../modules/chronicle/machine.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { signDigest } from '../../protocol/wire/signature.ts'
import { createTestMembers } from '../protocol/wire/members.ts'
import { COMPONENT } from './fixture.ts'

const members = createTestMembers(5)
const signers = members.slice(0, 4).map(({ signer }) => signer)
const commitDigest: Hex = `0x${'c1'.repeat(32)}`
const parameters = { component: COMPONENT, height: 7n, commitDigest, signers }

/** What member `index` attached, with `over` before it signed and `after` behind its back. */
function extend(index: number, over: Partial<VoteExtension> = {}, after: Partial<VoteExtension> = {}): Uint8Array {
  const { signer, secretKey } = members[index]!
  const said = { component: COMPONENT, height: 7n, round: 2, commitDigest, data: Uint8Array.of(index), ...over }
  const signature = signDigest(deriveExtensionDigest(said), secretKey)
  return encodeExtension({ ...said, signer, signature, ...after })
}

const cases: [string, readonly Uint8Array[], boolean][] = [
  ['a quorum’s', [extend(0), extend(1), extend(2)], true],
  ['everybody’s', [extend(0), extend(1), extend(2), extend(3)], true],
  ['nobody’s', [], false],
  ['fewer than a quorum’s', [extend(0), extend(1)], false],
  ['one member’s twice', [extend(0), extend(1), extend(1)], false],
  ['out of order', [extend(1), extend(0), extend(2)], false],
  ['one of who has no seat', [extend(0), extend(1), extend(2), extend(4)], false],
  ['one of another commit', [extend(0), extend(1), extend(2, { commitDigest: `0x${'c2'.repeat(32)}` })], false],
  ['one of another height', [extend(0), extend(1), extend(2, { height: 8n })], false],
  ['one of another round', [extend(0), extend(1), extend(2, { round: 1 })], false],
  ['one of another component', [extend(0), extend(1), extend(2, { component: commitDigest })], false],
  ['one with other data than were signed', [extend(0), extend(1), extend(2, {}, { data: Uint8Array.of(9) })], false],
  ['one in the name of another', [extend(0), extend(1), extend(2, {}, { signer: signers[3]! })], false],
  ['one that cannot be read', [extend(0), extend(1), Uint8Array.of(1)], false],
]
for (const [name, encoded, expected] of cases)
  test(`isSignedExtensionQuorum: ${expected ? 'takes' : 'refuses'} ${name}`, () => {
    assert.equal(isSignedExtensionQuorum(encoded, parameters), expected)
  })

const bytes = fc.uint8Array({ maxLength: 90 })
const address = fc.uint8Array({ minLength: 20, maxLength: 20 }).map(toHex)

test('encodeParentRecord and decodeParentRecord: are exact inverses, in the ABI', () => {
  const record = fc.record(
    { signers: fc.array(address, { maxLength: 5 }), extensions: fc.array(bytes, { maxLength: 5 }) },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(record, (parent) => {
      const encoded = encodeParentRecord(parent)
      assert.deepEqual(decodeParentRecord(encoded), parent)
      const packed: Hex = `0x${parent.signers.map((signer) => signer.slice(2)).join('')}`
      const fields = parseAbiParameters('bytes signers, bytes[] extensions')
      assert.equal(toHex(encoded), encodeAbiParameters(fields, [packed, parent.extensions.map(toHex)]))
    }),
  )
})

test('encodeExtensionList and decodeExtensionList: are exact inverses, in the ABI, and bounded', () => {
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 5 }), (extensions) => {
      const encoded = encodeExtensionList(extensions)
      assert.deepEqual(decodeExtensionList(encoded), extensions)
      assert.equal(toHex(encoded), encodeAbiParameters(parseAbiParameters('bytes[]'), [extensions.map(toHex)]))
      assert.throws(() => decodeExtensionList(encoded.subarray(1)), MalformedMessageError)
    }),
  )
  const largest = new Uint8Array(ENCODED_EXTENSION_SIZE_MAX_BYTES)
  const longest = encodeExtensionList(Array(256).fill(largest))
  assert.equal(longest.length, 352_320)
  assert.equal(decodeExtensionList(longest).length, 256)
  for (const list of [Array(257).fill(new Uint8Array(0)), [new Uint8Array(largest.length + 1)]]) {
    assert.throws(() => decodeExtensionList(encodeExtensionList(list)), MalformedMessageError)
  }
})

test('decodeParentRecord: refuses what is cut short, lengthened, or has a part of an address', () => {
  const encoded = encodeParentRecord({ signers, extensions: [extend(0)] })
  for (let size = 0; size < encoded.length; size++) {
    assert.throws(() => decodeParentRecord(encoded.subarray(0, size)), MalformedMessageError)
  }
  assert.throws(() => decodeParentRecord(new Uint8Array([...encoded, 0])), MalformedMessageError)
  const part = encodeParentRecord({ signers: ['0x5151' as Hex], extensions: [] })
  assert.throws(() => decodeParentRecord(part), MalformedMessageError)
})

test('hasExtensions: follows from the machine', () => {
  assert.equal(hasExtensions(almanac), true)
  assert.equal(hasExtensions(chronicle), false)
})
