import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeCheckpoint } from '../../../protocol/log/checkpoint.ts'
import { encodeLogOrigin } from '../../../protocol/log/logOrigin.ts'
import { createNoteVerifier } from '../../../protocol/log/noteVerifier.ts'
import { NoteSignatureError, NoteUnverifiedError } from '../../../protocol/log/openNote.ts'
import { createEd25519Signer, signNote } from '../../../protocol/log/signNote.ts'
import {
  CheckpointOriginError,
  CheckpointSignaturesError,
  CheckpointWitnessesError,
  verifyCheckpoint,
} from '../../../protocol/log/verifyCheckpoint.ts'
import { hexOf } from './naiveTree.ts'

const origin = encodeLogOrigin(`0x${'ab'.repeat(32)}`)
const members = [1, 2, 3, 4].map((fill) => createEd25519Signer({ name: origin, seed: new Uint8Array(32).fill(fill) }))
const witness = createEd25519Signer({ name: 'witness.example', seed: new Uint8Array(32).fill(9) })
const verifiers = members.map(({ key }) => createNoteVerifier(key))
const text = encodeCheckpoint({ origin, size: 12n, root: new Uint8Array(32).fill(3), extensions: [] })

test('verifyCheckpoint: gives origin, size and root that a member signed', () => {
  const { size, root, verified } = verifyCheckpoint({
    note: signNote({ text, signers: members.slice(0, 1) }),
    origin,
    verifiers,
  })
  assert.deepEqual([size, hexOf(root), verified.length], [12n, '03'.repeat(32), 1])
})

test('verifyCheckpoint: counts the log’s own keys and no witness towards signaturesMin', () => {
  const note = signNote({ text, signers: [members[0]!, members[1]!, witness] })
  const known = [...verifiers, createNoteVerifier(witness.key)]
  assert.equal(verifyCheckpoint({ note, origin, verifiers: known, signaturesMin: 2 }).verified.length, 3)
  assert.throws(() => verifyCheckpoint({ note, origin, verifiers: known, signaturesMin: 3 }), CheckpointSignaturesError)
})

test('verifyCheckpoint: counts witnesses by name, and no key of the log, towards witnessesMin', () => {
  const other = createEd25519Signer({ name: 'witness.example', seed: new Uint8Array(32).fill(8) })
  const second = createEd25519Signer({ name: 'second.example', seed: new Uint8Array(32).fill(7) })
  const known = [...verifiers, ...[witness, other, second].map(({ key }) => createNoteVerifier(key))]
  const verify = (signers: Parameters<typeof signNote>[0]['signers'], witnessesMin: number) =>
    verifyCheckpoint({ note: signNote({ text, signers }), origin, verifiers: known, witnessesMin })
  assert.equal(verify([members[0]!, witness, second], 2).verified.length, 3)
  assert.throws(() => verify([members[0]!, members[1]!], 1), CheckpointWitnessesError)
  assert.throws(() => verify([members[0]!, witness, other], 2), CheckpointWitnessesError)
})

test('verifyCheckpoint: refuses a checkpoint that only a witness has signed', () => {
  const note = signNote({ text, signers: [witness] })
  assert.throws(
    () => verifyCheckpoint({ note, origin, verifiers: [createNoteVerifier(witness.key)] }),
    CheckpointSignaturesError,
  )
})

test('verifyCheckpoint: refuses another log’s checkpoint under the same key', () => {
  const other = encodeCheckpoint({ origin: 'other', size: 12n, root: new Uint8Array(32), extensions: [] })
  const note = signNote({ text: other, signers: members })
  assert.throws(() => verifyCheckpoint({ note, origin, verifiers }), CheckpointOriginError)
})

test('verifyCheckpoint: refuses unknown keys, forged signatures and signed text that is no checkpoint', () => {
  const note = signNote({ text, signers: members.slice(0, 1) })
  assert.throws(() => verifyCheckpoint({ note, origin, verifiers: verifiers.slice(1) }), NoteUnverifiedError)
  const forged = { ...members[0]!, sign: () => new Uint8Array(64) }
  assert.throws(
    () => verifyCheckpoint({ note: signNote({ text, signers: [forged] }), origin, verifiers }),
    NoteSignatureError,
  )
  const other = signNote({ text: 'hello\n', signers: members })
  assert.throws(() => verifyCheckpoint({ note: other, origin, verifiers }), { code: 'MALFORMED_CHECKPOINT' })
})
