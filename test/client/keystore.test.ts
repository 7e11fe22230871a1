import assert from 'node:assert/strict'
import { createPublicKey, sign, verify } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { decryptKeystoreJson, encryptKeystoreJson } from 'ethers'
import { createKey, createNoteSigningKey, KeystoreError, readKeystore, writeKeystore } from '../../client/keystore.ts'
import { toHex } from '../../protocol/bytes.ts'
import { deriveSignerAddress } from '../../protocol/wire/signature.ts'
import { createTestDir } from '../workers/member/chronicle-of-tests.ts'

const password = 'correct horse battery staple'

test('writeKeystore and readKeystore: give the same key back, note key included', async () => {
  const path = join(createTestDir(), 'key.json')
  const key = createKey()
  await writeKeystore(key, { path, password })
  assert.deepEqual(await readKeystore({ path, password }), key)
})

test('writeKeystore: writes mode 0600, and no secret in the clear', async () => {
  const path = join(createTestDir(), 'key.json')
  const key = createKey()
  await writeKeystore(key, { path, password })
  assert.equal(statSync(path).mode & 0o777, 0o600)
  const text = readFileSync(path, 'utf8').toLowerCase()
  for (const secret of [key.secretKey, key.noteSeed]) assert.ok(!text.includes(toHex(secret).slice(2)))
})

test('writeKeystore: never overwrites a key', async () => {
  const path = join(createTestDir(), 'key.json')
  await writeKeystore(createKey(), { path, password })
  const before = readFileSync(path, 'utf8')
  await assert.rejects(writeKeystore(createKey(), { path, password }), KeystoreError)
  assert.equal(readFileSync(path, 'utf8'), before)
})

test('writeKeystore: makes a file that another wallet opens', async () => {
  const path = join(createTestDir(), 'key.json')
  const key = createKey()
  await writeKeystore(key, { path, password })
  const opened = await decryptKeystoreJson(readFileSync(path, 'utf8'), password)
  assert.equal(opened.privateKey, toHex(key.secretKey))
})

test('readKeystore: opens a file that another wallet made', async () => {
  const path = join(createTestDir(), 'key.json')
  const { secretKey, signer } = createKey()
  const account = { address: signer, privateKey: toHex(secretKey) }
  writeFileSync(path, await encryptKeystoreJson(account, password, { scrypt: { N: 1 << 12 } }))
  assert.equal((await readKeystore({ path, password })).signer, deriveSignerAddress(secretKey))
})

const valid = {
  version: 3,
  crypto: {
    cipher: 'aes-128-ctr',
    cipherparams: { iv: '00'.repeat(16) },
    ciphertext: '00'.repeat(32),
    kdf: 'scrypt',
    kdfparams: { dklen: 32, n: 1024, r: 8, p: 1, salt: '00'.repeat(32) },
    mac: '00'.repeat(32),
  },
}
const withScrypt = (changes: object) => ({
  ...valid,
  crypto: { ...valid.crypto, kdfparams: { ...valid.crypto.kdfparams, ...changes } },
})
const refusals: [string, string][] = [
  ['a wrong password', JSON.stringify(valid)],
  ['what is not JSON', '{'],
  ['another version', JSON.stringify({ ...valid, version: 4 })],
  ['scrypt that wants more than 1 GiB', JSON.stringify(withScrypt({ n: 1 << 20, r: 16 }))],
  ['a cost that is no power of two', JSON.stringify(withScrypt({ n: 1000 }))],
  ['a cost that scrypt refuses for its block size', JSON.stringify(withScrypt({ n: 1 << 16, r: 1 }))],
  ['a negative cost', JSON.stringify(withScrypt({ n: -1 }))],
  ['another cipher', JSON.stringify({ ...valid, crypto: { ...valid.crypto, cipher: 'aes-256-gcm' } })],
]
for (const [name, text] of refusals)
  test(`readKeystore: refuses ${name}`, async () => {
    const path = join(createTestDir(), 'key.json')
    writeFileSync(path, text)
    await assert.rejects(readKeystore({ path, password }), KeystoreError)
  })

test('readKeystore: refuses a file that is not there', async () => {
  await assert.rejects(readKeystore({ path: join(createTestDir(), 'none.json'), password }), KeystoreError)
})

test('createNoteSigningKey: signs what the note key verifies', () => {
  const { noteSeed, noteKey } = createKey()
  const key = createNoteSigningKey(noteSeed)
  const jwk = createPublicKey(key).export({ format: 'jwk' })
  assert.equal(toHex(new Uint8Array(Buffer.from(jwk.x!, 'base64url'))), noteKey)
  const message = new TextEncoder().encode('a note\n')
  assert.ok(verify(null, message, createPublicKey(key), sign(null, message, key)))
})
