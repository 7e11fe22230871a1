import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeAbiParameters, hashTypedData, parseAbiParameters } from 'viem'
import { type Hex, toHex } from '../../../protocol/bytes.ts'
import {
  decodeEnvelope,
  deriveEnvelopeDigest,
  ENVELOPE_COMMANDS_MAX,
  ENVELOPE_SIZE_MAX_BYTES,
  EnvelopeRefusedError,
  encodeEnvelope,
  type SignedEnvelope,
  signEnvelope,
  verifyEnvelope,
} from '../../../protocol/wire/envelope.ts'
import { toEnvelopeTypedData } from '../../../protocol/wire/envelopeTypedData.ts'
import { DOMAIN } from '../../../protocol/wire/typedData.ts'
import { createTestMembers, sampleCommit } from './members.ts'

const [{ secretKey, signer }] = createTestMembers(1) as [{ secretKey: Uint8Array; signer: Hex }]
const component = sampleCommit.component

function sign(commands: Uint8Array[], sequence = 1n): SignedEnvelope {
  return signEnvelope({ component, submitter: signer, sequence, commands }, secretKey)
}

const sample = sign([new Uint8Array([1, 2, 3])])
const anyCommands = fc.array(fc.uint8Array({ maxLength: 100 }), { minLength: 1, maxLength: 5 })

test('deriveEnvelopeDigest: equals viem’s hashTypedData', () => {
  const types = {
    Envelope: [
      { name: 'component', type: 'bytes32' },
      { name: 'submitter', type: 'address' },
      { name: 'sequence', type: 'uint64' },
      { name: 'commands', type: 'bytes[]' },
    ],
  }
  const shown = toEnvelopeTypedData(sample)
  assert.deepEqual([shown.types.Envelope, shown.domain], [types.Envelope, DOMAIN])
  fc.assert(
    fc.property(anyCommands, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (commands, sequence) => {
      const message = { component, submitter: signer, sequence, commands: commands.map(toHex) }
      const expected = hashTypedData({ domain: DOMAIN, types, primaryType: 'Envelope', message })
      assert.equal(deriveEnvelopeDigest({ component, submitter: signer, sequence, commands }), expected)
    }),
  )
})

test('encodeEnvelope: gives what viem’s encodeAbiParameters gives', () => {
  const fields = parseAbiParameters(
    'bytes32 component, address submitter, uint64 sequence, bytes[] commands, bytes signature',
  )
  fc.assert(
    fc.property(anyCommands, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (commands, sequence) => {
      const { signature } = sample
      const expected = encodeAbiParameters(fields, [component, signer, sequence, commands.map(toHex), signature])
      assert.equal(toHex(encodeEnvelope({ component, submitter: signer, sequence, commands, signature })), expected)
    }),
  )
})

test('encodeEnvelope and decodeEnvelope: are exact inverses', () => {
  fc.assert(
    fc.property(anyCommands, (commands) => {
      const envelope = sign(commands)
      assert.deepEqual(decodeEnvelope(encodeEnvelope(envelope)), envelope)
      assert.deepEqual(verifyEnvelope(encodeEnvelope(envelope), { component }).envelope, envelope)
    }),
    { numRuns: 20 },
  )
})

test('decodeEnvelope: refuses every truncation and any byte after the end', () => {
  const bytes = encodeEnvelope(sign([new Uint8Array([1, 2, 3])]))
  for (let size = 0; size < bytes.length; size++) {
    assert.throws(() => decodeEnvelope(bytes.subarray(0, size)), EnvelopeRefusedError)
  }
  assert.throws(() => decodeEnvelope(new Uint8Array([...bytes, 0])), EnvelopeRefusedError)
})

test('verifyEnvelope: refuses whichever byte differs, padding included', () => {
  const envelope = sign([new Uint8Array([1, 2, 3])])
  const bytes = encodeEnvelope(envelope)
  for (let index = 0; index < bytes.length; index++) {
    const flipped = Uint8Array.from(bytes)
    flipped[index]! ^= 1
    assert.throws(() => verifyEnvelope(flipped, { component }), EnvelopeRefusedError, `byte ${index}`)
  }
})

test('decodeEnvelope: refuses no command, too many, and too many bytes', () => {
  assert.throws(() => decodeEnvelope(encodeEnvelope(sign([]))), EnvelopeRefusedError)
  const many = Array.from({ length: ENVELOPE_COMMANDS_MAX + 1 }, () => new Uint8Array(1))
  assert.throws(() => decodeEnvelope(encodeEnvelope(sign(many))), EnvelopeRefusedError)
  assert.throws(() => decodeEnvelope(new Uint8Array(ENVELOPE_SIZE_MAX_BYTES + 1)), EnvelopeRefusedError)
})

test('verifyEnvelope: refuses another component and another submitter', () => {
  const envelope = sign([new Uint8Array(1)])
  const elsewhere = { component: `0x${'11'.repeat(32)}` } as const
  assert.throws(() => verifyEnvelope(encodeEnvelope(envelope), elsewhere), EnvelopeRefusedError)
  const forged = encodeEnvelope({ ...envelope, submitter: `0x${'11'.repeat(20)}` })
  assert.throws(() => verifyEnvelope(forged, { component }), EnvelopeRefusedError)
})
