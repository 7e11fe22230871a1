import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  decodeNote,
  encodeNote,
  MalformedNoteError,
  NOTE_SIZE_MAX_BYTES,
  type NoteSignature,
} from '../../../protocol/log/signedNote.ts'
import { isKeyName } from '../../../protocol/log/verifierKey.ts'
import { fromBase64, hexOf } from './naiveTree.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

const TEXT = 'If you think cryptography is the answer to your problem,\nthen you don’t know what your problem is.\n'
const LINE =
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'

test('decodeNote: splits text and signature lines', () => {
  const { text, signatures } = decodeNote(utf8(`${TEXT}\n${LINE}`))
  assert.equal(text, TEXT)
  assert.deepEqual(
    signatures.map(({ name, keyId, signature }) => ({ name, keyId, sizeBytes: signature.length })),
    [{ name: 'PeterNeumann', keyId: 0xc74f20a3, sizeBytes: 64 }],
  )
})

const signature = fc.record({
  name: fc.string({ minLength: 1, unit: 'binary' }).filter(isKeyName),
  keyId: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  signature: fc.uint8Array({ minLength: 1, maxLength: 80 }),
})
const line = fc.string({ unit: 'binary' }).map((text) => text.replaceAll(/[^\P{Cc}\n]/gu, ''))
const note = fc.record({
  text: fc.array(line, { minLength: 1 }).map((lines) => `${lines.join('\n')}\n`),
  signatures: fc.array(signature, { minLength: 1, maxLength: 100 }),
})

const plain = (signatures: readonly NoteSignature[]) =>
  signatures.map(({ name, keyId, signature }) => [name, keyId, hexOf(signature)])

test('decodeNote: is the exact inverse of encodeNote, with empty lines in the text too', () => {
  fc.assert(
    fc.property(note, ({ text, signatures }) => {
      const decoded = decodeNote(encodeNote({ text, signatures }))
      assert.equal(decoded.text, text)
      assert.deepEqual(plain(decoded.signatures), plain(signatures))
    }),
  )
})

test('decodeNote: reads nothing but what encodeNote writes', () => {
  const pieces = fc.constantFrom('a', ' ', '\n', '\n\n', '— ', '— n AAAAAAA=', '— n AAAAAAA=\n', '— n+ AAAAAAA=\n', 'é')
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
      const bytes = utf8(parts.join(''))
      let decoded: ReturnType<typeof decodeNote>
      try {
        decoded = decodeNote(bytes)
      } catch (error) {
        assert.ok(error instanceof MalformedNoteError)
        return
      }
      assert.equal(hexOf(encodeNote(decoded)), hexOf(bytes))
    }),
    { numRuns: 500 },
  )
})

const PETER = LINE.slice('— '.length, -1)

for (const { name, note } of [
  { name: 'text alone', note: utf8(TEXT) },
  { name: 'no signature behind the empty line', note: utf8(`${TEXT}\n`) },
  { name: 'no empty line before the signature', note: utf8(TEXT + LINE) },
  { name: 'a last line that is not ended', note: utf8(`${TEXT}\n${LINE.slice(0, -1)}`) },
  { name: 'a control character in the text', note: utf8(`\u0001${TEXT}\n${LINE}`) },
  { name: 'a tab in the text', note: utf8(`\t${TEXT}\n${LINE}`) },
  { name: 'carriage returns', note: utf8(`${TEXT}\n${LINE}`.replaceAll('\n', '\r\n')) },
  { name: 'bytes that are not UTF-8', note: Uint8Array.of(0xff, ...utf8(`${TEXT}\n${LINE}`)) },
  { name: 'a stray line behind the signature', note: utf8(`${TEXT}\n${LINE}Unexpected line.\n`) },
  { name: 'a hyphen for the dash', note: utf8(`${TEXT}\n- ${PETER}\n`) },
  { name: 'no space behind the dash', note: utf8(`${TEXT}\n—${PETER}\n`) },
  { name: 'a name with a space', note: utf8(`${TEXT}\n— Bad ${PETER}\n`) },
  { name: 'a name with a wide space', note: utf8(`${TEXT}\n— Bad\u3000${PETER}\n`) },
  { name: 'a name with a plus', note: utf8(`${TEXT}\n— Bad+${PETER}\n`) },
  { name: 'no name', note: utf8(`${TEXT}\n— ${PETER.slice(PETER.indexOf(' '))}\n`) },
  { name: 'no signature on the line', note: utf8(`${TEXT}\n— PeterNeumann\n`) },
  { name: 'an empty signature', note: utf8(`${TEXT}\n— PeterNeumann \n`) },
  { name: 'a signature of the key id alone', note: utf8(`${TEXT}\n— PeterNeumann x08gow==\n`) },
  { name: 'a signature that is not canonical base64', note: utf8(`${TEXT}\n${LINE.replace('AM=', 'AN=')}`) },
  { name: 'something behind the signature', note: utf8(`${TEXT}\n${LINE.replace('=\n', '= \n')}`) },
  { name: '101 signatures', note: utf8(`${TEXT}\n${LINE.repeat(101)}`) },
  { name: 'more than 1,000,000 bytes', note: utf8(`${'a'.repeat(NOTE_SIZE_MAX_BYTES)}\n\n${LINE}`) },
  { name: 'no bytes', note: new Uint8Array(0) },
]) {
  test(`decodeNote: refuses ${name}`, () => assert.throws(() => decodeNote(note), MalformedNoteError))
}

test('decodeNote: takes 100 signatures, an empty text line and a byte order mark', () => {
  const text = `\ufeff\n\n${TEXT}\n`
  const opened = decodeNote(utf8(`${text}\n${LINE.repeat(100)}`))
  assert.equal(opened.text, text)
  assert.equal(opened.signatures.length, 100)
})

const SIGNATURE = { name: 'PeterNeumann', keyId: 0xc74f20a3, signature: fromBase64('AAAA') }

for (const { name, note } of [
  { name: 'a text without its last newline', note: { text: 'abc', signatures: [SIGNATURE] } },
  { name: 'an empty text', note: { text: '', signatures: [SIGNATURE] } },
  { name: 'a control character', note: { text: 'a\u0000\n', signatures: [SIGNATURE] } },
  { name: 'half a surrogate pair', note: { text: '\ud800\n', signatures: [SIGNATURE] } },
  { name: 'no signature', note: { text: TEXT, signatures: [] } },
  { name: '101 signatures', note: { text: TEXT, signatures: new Array<NoteSignature>(101).fill(SIGNATURE) } },
  { name: 'a bad name', note: { text: TEXT, signatures: [{ ...SIGNATURE, name: 'a+b' }] } },
  { name: 'a name with a line break', note: { text: TEXT, signatures: [{ ...SIGNATURE, name: 'a\nb' }] } },
  { name: 'a key id that is no uint32', note: { text: TEXT, signatures: [{ ...SIGNATURE, keyId: 2 ** 32 }] } },
  {
    name: 'a signature without bytes',
    note: { text: TEXT, signatures: [{ ...SIGNATURE, signature: new Uint8Array() }] },
  },
]) {
  test(`encodeNote: refuses ${name}`, () => assert.throws(() => encodeNote(note), MalformedNoteError))
}
