import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeAbiParameters, hashTypedData, parseAbiParameters } from 'viem'
import { createAbiReader, createAbiWriter } from '../../committee/abi.ts'
import {
  decodeHeader,
  decodeMessage,
  encodeMessage,
  PROPOSAL_SIZE_MAX_BYTES,
  VOTE_SIZE_MAX_BYTES,
} from '../../committee/codec.ts'
import { deriveListRoot, deriveMessageDigest } from '../../committee/digest.ts'
import {
  decodeExtension,
  deriveExtensionDigest,
  EXTENSION_SIZE_MAX_BYTES,
  encodeExtension,
} from '../../committee/extension.ts'
import { MalformedMessageError } from '../../committee/malformedMessage.ts'
import { decodeRecord, encodeRecord } from '../../committee/record.ts'
import type { Message, SignedMessage } from '../../committee/types.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { deriveCommitDigest } from '../../protocol/wire/commit.ts'
import { DOMAIN } from '../../protocol/wire/typedData.ts'
import { COMPONENT, createBlock, createCommit, createSigners, digestOf, fakeSign, fakeSigned } from './fixture.ts'

const [signer] = createSigners(1) as [Hex]
const position = { component: COMPONENT, epoch: 3n, height: 1n, round: 5, signer }
const block = createBlock('text', { extensions: [new Uint8Array(40).fill(9)] })
const commit = createCommit(block, { epoch: 3n })
const commitDigest = deriveCommitDigest(commit)
const proof = { round: 2, signers: 7n, signatures: toHex(new Uint8Array(192).fill(5)) }

const messages: Record<string, Message> = {
  'a new proposal': { kind: 'proposal', ...position, ...block, validRound: -1, commitDigest, proof: null },
  'a re-proposal': { kind: 'proposal', ...position, ...block, validRound: 2, commitDigest, proof },
  'an empty proposal': {
    kind: 'proposal',
    ...position,
    ...block,
    batch: [],
    extensions: [],
    validRound: -1,
    commitDigest,
    proof: null,
  },
  'a prevote': { kind: 'prevote', ...position, commitDigest },
  'a nil prevote': { kind: 'prevote', ...position, commitDigest: null },
  'a precommit': { kind: 'precommit', ...position, commitDigest, commit, extension: null },
  'a precommit with an extension': {
    kind: 'precommit',
    ...position,
    commitDigest,
    commit,
    extension: new Uint8Array(33),
  },
  'a nil precommit': { kind: 'precommit', ...position, commitDigest: null, commit: null, extension: null },
}

for (const [name, message] of Object.entries(messages)) {
  const signed: SignedMessage = fakeSigned(message)
  const bytes = encodeMessage(signed)

  test(`decodeMessage: reads ${name} back`, () => {
    assert.deepEqual(decodeMessage(bytes), signed)
    const { kind, signature } = signed
    const isNil = signed.kind !== 'proposal' && signed.commitDigest === null
    assert.deepEqual(decodeHeader(bytes), { ...position, kind, signature, isNil })
  })

  test(`decodeMessage: refuses every truncation of ${name}, and any word after its end`, () => {
    for (let size = 0; size < bytes.length; size++) {
      assert.throws(() => decodeMessage(bytes.subarray(0, size)), MalformedMessageError)
    }
    assert.throws(() => decodeMessage(new Uint8Array([...bytes, ...new Uint8Array(32)])), MalformedMessageError)
  })

  test(`decodeMessage: has one encoding of ${name}`, () => {
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const flipped = Uint8Array.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      let decoded: SignedMessage
      try {
        decoded = decodeMessage(flipped)
      } catch (error) {
        assert.ok(error instanceof MalformedMessageError, `bit ${bit}: ${error}`)
        continue
      }
      assert.deepEqual(encodeMessage(decoded), flipped, `bit ${bit}`)
    }
  })

  test(`encodeRecord and decodeRecord: are exact inverses for ${name}`, () => {
    const value = fakeSigned(messages['a re-proposal'] as Message & { kind: 'proposal' })
    for (const lock of [null, { round: 2, proposal: value, proof }]) {
      assert.deepEqual(decodeRecord(encodeRecord({ message, lock })), { message, lock })
    }
  })
}

test('decodeMessage: refuses bytes above the bound of their kind', () => {
  assert.throws(() => decodeMessage(new Uint8Array(PROPOSAL_SIZE_MAX_BYTES + 1)), MalformedMessageError)
  const vote = new Uint8Array(VOTE_SIZE_MAX_BYTES + 1)
  vote[31] = 2
  assert.throws(() => decodeHeader(vote), MalformedMessageError)
})

test('decodeMessage: refuses a valid round that is not a past one', () => {
  const future = fakeSigned({ ...messages['a re-proposal']!, validRound: 5 } as Message)
  assert.throws(() => decodeMessage(encodeMessage(future)), MalformedMessageError)
})

const anyBytes = fc.uint8Array({ maxLength: 70 })
const anyWord = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex)

test('createAbiWriter: writes what viem encodes, and createAbiReader reads it', () => {
  const fields = parseAbiParameters('uint64 number, bytes[] list, bytes32 word, bytes data, bool flag, address account')
  const lists = fc.array(anyBytes, { maxLength: 4 })
  const numbers = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
  fc.assert(
    fc.property(numbers, lists, anyWord, anyBytes, fc.boolean(), (number, list, word, data, flag) => {
      const bytes = createAbiWriter()
        .word(number)
        .bytesList(list)
        .word(word)
        .bytes(data)
        .word(flag)
        .word(signer)
        .finish()
      const expected = encodeAbiParameters(fields, [number, list.map(toHex), word, toHex(data), flag, signer])
      assert.equal(toHex(bytes), expected)
      const reader = createAbiReader(bytes, { headWords: 6 })
      assert.equal(reader.uint(64), number)
      assert.deepEqual(reader.bytesList({ countMax: 4, sizeMaxBytes: 70 }), list)
      assert.equal(reader.bytes32(), word)
      assert.deepEqual(reader.bytes({ sizeMaxBytes: 70 }), data)
      assert.equal(reader.bool(), flag)
      assert.equal(reader.address(), signer)
      reader.end()
    }),
  )
})

test('createAbiReader: refuses a count, a size and a number above their bounds', () => {
  const list = createAbiWriter()
    .bytesList([new Uint8Array(2), new Uint8Array(2)])
    .finish()
  const read = (options: { countMax: number; sizeMaxBytes: number }) =>
    createAbiReader(list, { headWords: 1 }).bytesList(options)
  assert.equal(read({ countMax: 2, sizeMaxBytes: 2 }).length, 2)
  assert.throws(() => read({ countMax: 1, sizeMaxBytes: 2 }), MalformedMessageError)
  assert.throws(() => read({ countMax: 2, sizeMaxBytes: 1 }), MalformedMessageError)
  const number = createAbiWriter().word(256).finish()
  assert.throws(() => createAbiReader(number, { headWords: 1 }).uint(8), MalformedMessageError)
})

// viem is the oracle of what is signed.

const uint = (name: string, bits: number) => ({ name, type: `uint${bits}` })
const bytes32 = (name: string) => ({ name, type: 'bytes32' })
const place = [bytes32('component'), uint('epoch', 64), uint('height', 64), uint('round', 32)]
const types = {
  Block: [
    ...place.slice(0, 3),
    bytes32('parent'),
    uint('timestampMs', 64),
    bytes32('batchRoot'),
    bytes32('extensionsRoot'),
  ],
  Proposal: [
    { name: 'block', type: 'Block' },
    uint('round', 32),
    uint('validRoundOffset', 32),
    bytes32('commitDigest'),
  ],
  Prevote: [...place, bytes32('commitDigest')],
  NilPrevote: place,
  NilPrecommit: place,
  VoteExtension: [
    bytes32('component'),
    uint('height', 64),
    uint('round', 32),
    bytes32('commitDigest'),
    { name: 'data', type: 'bytes' },
  ],
  Commit: [
    ...place.slice(0, 3),
    bytes32('body'),
    uint('logSize', 64),
    bytes32('logRoot'),
    bytes32('state'),
    uint('timestampMs', 64),
    { name: 'anchor', type: 'bool' },
    bytes32('next'),
  ],
  Precommit: [{ name: 'commit', type: 'Commit' }, uint('round', 32)],
} as const
const hash = (primaryType: keyof typeof types, message: object): Hex =>
  hashTypedData({ domain: DOMAIN, types, primaryType, message } as never)

const roots = { batchRoot: deriveListRoot(block.batch), extensionsRoot: deriveListRoot(block.extensions) }
const signedBlock = { ...position, ...block, ...roots }
for (const [name, expected] of [
  ['a new proposal', hash('Proposal', { block: signedBlock, round: 5, validRoundOffset: 0, commitDigest })],
  ['a re-proposal', hash('Proposal', { block: signedBlock, round: 5, validRoundOffset: 3, commitDigest })],
  ['a prevote', hash('Prevote', { ...position, commitDigest })],
  ['a nil prevote', hash('NilPrevote', position)],
  ['a precommit', hash('Precommit', { commit, round: 5 })],
  ['a nil precommit', hash('NilPrecommit', position)],
] as const)
  test(`deriveMessageDigest: of ${name} equals viem’s hashTypedData`, () => {
    assert.equal(deriveMessageDigest(messages[name]!), expected)
  })

const extension = {
  component: COMPONENT,
  height: 1n,
  round: 5,
  commitDigest: digestOf(block),
  data: new Uint8Array([1, 2]),
}

test('deriveExtensionDigest: equals viem’s hashTypedData', () => {
  assert.equal(deriveExtensionDigest(extension), hash('VoteExtension', { ...extension, data: '0x0102' }))
})

test('encodeExtension and decodeExtension: are exact inverses within the bound', () => {
  for (const sizeBytes of [0, 1, 32, 33, EXTENSION_SIZE_MAX_BYTES]) {
    const whole = {
      ...extension,
      signer,
      signature: fakeSign(signer)(commitDigest),
      data: new Uint8Array(sizeBytes).fill(3),
    }
    assert.deepEqual(decodeExtension(encodeExtension(whole)), whole)
  }
  const signed = { ...extension, signer, signature: fakeSign(signer)(commitDigest) }
  const tooLong = { ...signed, data: new Uint8Array(EXTENSION_SIZE_MAX_BYTES + 1) }
  assert.throws(() => decodeExtension(encodeExtension(tooLong)), MalformedMessageError)
})
