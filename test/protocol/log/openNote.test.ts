import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CoalitionError } from '../../../protocol/errors.ts'
import { createNoteVerifier } from '../../../protocol/log/noteVerifier.ts'
import {
  AmbiguousVerifierError,
  NoteSignatureError,
  NoteUnverifiedError,
  openNote,
} from '../../../protocol/log/openNote.ts'
import { decodeNote, encodeNote } from '../../../protocol/log/signedNote.ts'
import { createEd25519Signer, signNote } from '../../../protocol/log/signNote.ts'
import { decodeVerifierKey, encodeVerifierKey } from '../../../protocol/log/verifierKey.ts'
import vectors from '../../vectors/tlog/signed-note.json' with { type: 'json' }
import { flipBit, fromBase64, hexOf } from './naiveTree.ts'

const verifierOf = (vkey: string) => createNoteVerifier(decodeVerifierKey(vkey))

for (const { name, noteBase64, verifierKeys, ok, verifiedKeyNames, unverifiedKeyNames, reason } of vectors.notes) {
  test(`openNote: ${ok ? 'opens' : `refuses (${reason})`} ${name}`, () => {
    const open = () => openNote({ note: fromBase64(noteBase64), verifiers: verifierKeys.map(verifierOf) })
    if (!ok) {
      assert.throws(open, CoalitionError)
      return
    }
    const { verified, unverified } = open()
    assert.deepEqual(
      verified.map(({ name }) => name),
      verifiedKeyNames,
    )
    assert.deepEqual(
      unverified.map(({ name }) => name),
      unverifiedKeyNames,
    )
  })
}

const BOTH = fromBase64(vectors.notes.find(({ name }) => name === 'both verified')!.noteBase64)
const [peter, enoch] = [verifierOf(vectors.verifierKeys[0]!.vkey), verifierOf(vectors.verifierKeys[1]!.vkey)]
const { text, signatures } = decodeNote(BOTH)
const [peterLine, enochLine] = [signatures[0]!, signatures[1]!]

test('openNote: names what it refuses', () => {
  assert.throws(() => openNote({ note: BOTH, verifiers: [] }), NoteUnverifiedError)
  const forged = { ...peterLine, signature: flipBit(peterLine.signature, 5) }
  const note = encodeNote({ text, signatures: [enochLine, forged] })
  assert.throws(() => openNote({ note, verifiers: [peter, enoch] }), NoteSignatureError)
  assert.throws(() => openNote({ note, verifiers: [peter, enoch] }), {
    message: 'The signature of PeterNeumann+c74f20a3 is not over this text.',
  })
})

test('openNote: refuses a changed text', () => {
  const note = encodeNote({ text: text.replace('is', 'was'), signatures })
  assert.throws(() => openNote({ note, verifiers: [peter] }), NoteSignatureError)
})

test('openNote: refuses a signature of another length by a known key', () => {
  for (const signature of [peterLine.signature.slice(1), Uint8Array.of(...peterLine.signature, 0)]) {
    const note = encodeNote({ text, signatures: [{ ...peterLine, signature }] })
    assert.throws(() => openNote({ note, verifiers: [peter] }), NoteSignatureError)
  }
})

test('openNote: sets aside a line with a known name and another id, or a known id and another name', () => {
  const stranger = { ...peterLine, keyId: 1 }
  const misnamed = { ...peterLine, name: 'CarmenSandiego' }
  const note = encodeNote({ text, signatures: [stranger, misnamed, enochLine] })
  const { verified, unverified } = openNote({ note, verifiers: [peter, enoch] })
  assert.deepEqual([verified.map(({ name }) => name), unverified.length], [['EnochRoot'], 2])
})

test('openNote: counts a key once however often it signed, and an unknown line once', () => {
  const other = { ...enochLine, signature: flipBit(enochLine.signature, 0) }
  const note = encodeNote({ text, signatures: [peterLine, peterLine, enochLine, enochLine, other] })
  const { verified, unverified } = openNote({ note, verifiers: [peter] })
  assert.equal(verified.length, 1)
  assert.deepEqual(
    unverified.map(({ signature }) => hexOf(signature)),
    [enochLine, other].map(({ signature }) => hexOf(signature)),
  )
})

test('openNote: refuses two verifiers of one key where the note carries its signature, and only there', () => {
  const note = encodeNote({ text, signatures: [peterLine] })
  assert.throws(() => openNote({ note, verifiers: [peter, enoch, peter] }), AmbiguousVerifierError)
  assert.equal(openNote({ note, verifiers: [enoch, peter, enoch] }).verified.length, 1)
})

test('createNoteVerifier: refuses a public key of small order, under which anyone could sign', () => {
  // The neutral point: under RFC 8032's bare equation R = B·S signs every message.
  const key = { name: 'nobody', algorithm: 'ed25519' as const, publicKey: Uint8Array.of(1, ...new Uint8Array(31)) }
  const signature = new Uint8Array(64)
  signature[0] = 1
  assert.equal(createNoteVerifier(key).isSigned(new Uint8Array(3), signature), false)
})

test('signNote: signs what Go’s note package signs, and replaces a line of the same key', () => {
  const seed = fromBase64('AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz').slice(1)
  const signer = createEd25519Signer({ name: 'PeterNeumann', seed })
  assert.equal(encodeVerifierKey(signer.key), vectors.verifierKeys[0]!.vkey)
  const expected = hexOf(encodeNote({ text, signatures: [peterLine] }))
  assert.equal(hexOf(signNote({ text, signers: [signer] })), expected)
  const stale = { ...peterLine, signature: new Uint8Array(5) }
  assert.equal(hexOf(signNote({ text, signers: [signer], signatures: [stale] })), expected)
  assert.equal(
    hexOf(signNote({ text, signers: [signer], signatures: [enochLine] })),
    hexOf(encodeNote({ text, signatures: [enochLine, peterLine] })),
  )
})

test('signNote: adds members’ lines under one name, each to be verified by its own key', () => {
  const signers = [1, 2, 3].map((fill) => createEd25519Signer({ name: 'log', seed: new Uint8Array(32).fill(fill) }))
  const note = signNote({ text: 'hello\n', signers })
  assert.equal(openNote({ note, verifiers: signers.map(({ key }) => createNoteVerifier(key)) }).verified.length, 3)
  const { verified, unverified } = openNote({ note, verifiers: [createNoteVerifier(signers[1]!.key)] })
  assert.deepEqual([verified.length, unverified.length], [1, 2])
})

test('createEd25519Signer: refuses a seed that is not 32 bytes, and a bad name', () => {
  assert.throws(() => createEd25519Signer({ name: 'log', seed: new Uint8Array(31) }), { code: 'INVALID_VERIFIER_KEY' })
  assert.throws(() => createEd25519Signer({ name: 'a log', seed: new Uint8Array(32) }), {
    code: 'INVALID_VERIFIER_KEY',
  })
})
