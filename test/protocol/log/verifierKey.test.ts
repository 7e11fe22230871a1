import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  decodeVerifierKey,
  deriveKeyId,
  encodeVerifierKey,
  InvalidVerifierKeyError,
} from '../../../protocol/log/verifierKey.ts'
import cosignatures from '../../vectors/tlog/cosignature.json' with { type: 'json' }
import vectors from '../../vectors/tlog/signed-note.json' with { type: 'json' }

const PETER = vectors.verifierKeys[0]!.vkey

for (const { vkey, ok, reason } of [
  ...vectors.verifierKeys,
  ...cosignatures.vkeys.map((key) => ({ ...key, reason: '' })),
]) {
  test(`decodeVerifierKey: ${ok ? 'reads' : `refuses (${reason})`} ${vkey}`, () => {
    if (ok) assert.equal(encodeVerifierKey(decodeVerifierKey(vkey)), vkey)
    else assert.throws(() => decodeVerifierKey(vkey), InvalidVerifierKeyError)
  })
}

test('decodeVerifierKey: tells the two algorithms apart', () => {
  assert.equal(decodeVerifierKey(PETER).algorithm, 'ed25519')
  assert.equal(decodeVerifierKey(cosignatures.vkeys[0]!.vkey).algorithm, 'cosignature/v1')
})

test('deriveKeyId: differs with name and algorithm of one public key', () => {
  const key = decodeVerifierKey(PETER)
  assert.equal(deriveKeyId(key), 0xc74f20a3)
  assert.notEqual(deriveKeyId({ ...key, name: 'PeterNeuman' }), 0xc74f20a3)
  assert.notEqual(deriveKeyId({ ...key, algorithm: 'cosignature/v1' }), 0xc74f20a3)
})

test('decodeVerifierKey: refuses every part of a key, and every key with one character raised by one', () => {
  for (let start = 0; start <= PETER.length; start++) {
    for (let end = start + 1; end <= PETER.length; end++) {
      const part = PETER.slice(start, end)
      if (part !== PETER) assert.throws(() => decodeVerifierKey(part), InvalidVerifierKeyError, part)
    }
  }
  for (let at = 0; at < PETER.length; at++) {
    const raised = PETER.slice(0, at) + String.fromCharCode(PETER.charCodeAt(at) + 1) + PETER.slice(at + 1)
    assert.throws(() => decodeVerifierKey(raised), InvalidVerifierKeyError, raised)
  }
})

test('decodeVerifierKey: refuses a second spelling, with capitals in the id or a line break', () => {
  assert.throws(() => decodeVerifierKey(PETER.replace('c74f20a3', 'C74F20A3')), InvalidVerifierKeyError)
  assert.throws(() => decodeVerifierKey(`${PETER}\n`), InvalidVerifierKeyError)
})

test('decodeVerifierKey: refuses an endless key', () => {
  assert.throws(() => decodeVerifierKey('a'.repeat(10_000_000)), InvalidVerifierKeyError)
})

for (const name of ['', 'a b', 'a+b', 'a\tb', 'a\u00a0b', 'a\u2003b', 'a\u0085b', 'a\nb', '\ud800']) {
  test(`encodeVerifierKey: refuses the name ${JSON.stringify(name)}`, () => {
    assert.throws(() => encodeVerifierKey({ ...decodeVerifierKey(PETER), name }), InvalidVerifierKeyError)
  })
}

test('encodeVerifierKey: refuses a public key that is not 32 bytes', () => {
  const key = { ...decodeVerifierKey(PETER), publicKey: new Uint8Array(31) }
  assert.throws(() => encodeVerifierKey(key), {
    code: 'INVALID_VERIFIER_KEY',
    message: 'This is not a verifier key: its public key has 31 bytes.',
  })
})
