import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { decodeCheckpoint } from '../../../protocol/log/checkpoint.ts'
import { decodeCosignature, encodeCosignedMessage, InvalidCosignatureError } from '../../../protocol/log/cosignature.ts'
import { createNoteVerifier } from '../../../protocol/log/noteVerifier.ts'
import { NoteSignatureError, openNote } from '../../../protocol/log/openNote.ts'
import { decodeNote, encodeNote } from '../../../protocol/log/signedNote.ts'
import { decodeVerifierKey } from '../../../protocol/log/verifierKey.ts'
import vectors from '../../vectors/tlog/cosignature.json' with { type: 'json' }
import { flipBit, fromBase64 } from './naiveTree.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

for (const { checkpoint, cosignerVkey, originHashHex } of vectors.verifiable) {
  const verifiers = [createNoteVerifier(decodeVerifierKey(cosignerVkey))]

  test(`openNote: verifies the cosignature of ${cosignerVkey}`, () => {
    const { text, verified } = openNote({ note: utf8(checkpoint), verifiers })
    assert.equal(verified.length, 1)
    const { origin } = decodeCheckpoint(text)
    assert.equal(createHash('sha256').update(origin).digest('hex'), originHashHex)
  })

  test('openNote: refuses a cosignature with another time, or over another head', () => {
    const { text, signatures } = decodeNote(utf8(checkpoint))
    const [line] = signatures
    const later = encodeNote({ text, signatures: [{ ...line!, signature: flipBit(line!.signature, 56) }] })
    assert.throws(() => openNote({ note: later, verifiers }), NoteSignatureError)
    const other = encodeNote({ text: text.replace('300', '301'), signatures })
    assert.throws(() => openNote({ note: other, verifiers }), NoteSignatureError)
  })

  test('openNote: refuses a cosignature key’s signature without a time', () => {
    const { text, signatures } = decodeNote(utf8(checkpoint))
    const plain = encodeNote({
      text,
      signatures: [{ ...signatures[0]!, signature: signatures[0]!.signature.slice(8) }],
    })
    assert.throws(() => openNote({ note: plain, verifiers }), NoteSignatureError)
  })
}

for (const { sigBase64, unixSeconds, ok, reason } of vectors.timestamps) {
  test(`decodeCosignature: ${ok ? `reads the time ${unixSeconds}` : `refuses a ${reason}`}`, () => {
    const bytes = fromBase64(sigBase64).slice(4) // behind the key id
    if (ok) assert.equal(decodeCosignature(bytes).timestampSeconds, BigInt(unixSeconds!))
    else assert.throws(() => decodeCosignature(bytes), InvalidCosignatureError)
  })
}

test('decodeCosignature: refuses a time of 2^63, and takes the second before', () => {
  const bytes = new Uint8Array(72)
  bytes[0] = 0x80
  assert.throws(() => decodeCosignature(bytes), InvalidCosignatureError)
  bytes.fill(0xff, 0, 8)
  bytes[0] = 0x7f
  assert.equal(decodeCosignature(bytes).timestampSeconds, 2n ** 63n - 1n)
})

test('encodeCosignedMessage: is the specification’s example', () => {
  const { checkpoint, cosignedMessage } = vectors.specExample
  const { text, signatures } = decodeNote(utf8(checkpoint))
  const { timestampSeconds } = decodeCosignature(signatures[1]!.signature)
  const message = encodeCosignedMessage({ timestampSeconds, text: utf8(text) })
  assert.equal(new TextDecoder().decode(message), cosignedMessage)
})
