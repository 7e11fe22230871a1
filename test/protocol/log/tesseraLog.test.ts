import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { appendToTiles } from '../../../protocol/log/appendToTiles.ts'
import { encodeCheckpoint } from '../../../protocol/log/checkpoint.ts'
import { appendLeafHashes, EMPTY_RANGE } from '../../../protocol/log/compactRange.ts'
import { decodeEntryBundle, encodeEntryBundle } from '../../../protocol/log/entryBundle.ts'
import { createNoteVerifier } from '../../../protocol/log/noteVerifier.ts'
import { createEd25519Signer, signNote } from '../../../protocol/log/signNote.ts'
import { encodeTilePath } from '../../../protocol/log/tilePath.ts'
import { hashLeaf } from '../../../protocol/log/treeHash.ts'
import { rootOfRange } from '../../../protocol/log/treeRoot.ts'
import { decodeVerifierKey, encodeVerifierKey } from '../../../protocol/log/verifierKey.ts'
import { verifyCheckpoint } from '../../../protocol/log/verifyCheckpoint.ts'
import keys from '../../vectors/tlog/tessera-log/keys.json' with { type: 'json' }
import { fromBase64, hexesOf, hexOf } from './naiveTree.ts'

const readLog = (path: string): Uint8Array =>
  Uint8Array.from(readFileSync(new URL(`../../vectors/tlog/tessera-log/${path}`, import.meta.url)))

const key = decodeVerifierKey(keys.vkey)
const origin = key.name
const entries = keys.entries.map((entry) => new TextEncoder().encode(entry))
const signer = createEd25519Signer({
  name: origin,
  seed: fromBase64(keys.publishedTestSigningKey.split('+').slice(4).join('+')).slice(1),
})

test('a tessera log: the published signing key has the published verifier key', () => {
  assert.equal(encodeVerifierKey(signer.key), keys.vkey)
})

for (let size = 0; size <= 8; size++) {
  const note = readLog(`checkpoint.${size}`)
  const leafHashes = entries.slice(0, size).map(hashLeaf)
  const root = rootOfRange(appendLeafHashes(EMPTY_RANGE, leafHashes))

  test(`a tessera log: checkpoint ${size} verifies and has the root of its entries`, () => {
    const checkpoint = verifyCheckpoint({ note, origin, verifiers: [createNoteVerifier(key)] })
    assert.deepEqual([checkpoint.size, hexOf(checkpoint.root)], [BigInt(size), hexOf(root)])
  })

  test(`a tessera log: checkpoint ${size} is reproduced byte for byte`, () => {
    const text = encodeCheckpoint({ origin, size: BigInt(size), root, extensions: [] })
    assert.equal(hexOf(signNote({ text, signers: [signer] })), hexOf(note))
  })

  if (size === 0) continue

  test(`a tessera log: the entry bundle of ${size} decodes to its entries and is reproduced`, () => {
    const bundle = readLog(encodeTilePath({ level: 'entries', index: 0n, width: size }))
    assert.deepEqual(hexesOf(decodeEntryBundle(bundle, { width: size })), hexesOf(entries.slice(0, size)))
    assert.equal(hexOf(encodeEntryBundle(entries.slice(0, size))), hexOf(bundle))
  })

  test(`a tessera log: the tile of ${size} is what appending stores`, () => {
    const [append] = appendToTiles(EMPTY_RANGE, leafHashes).appends
    assert.equal(hexOf(append!.hashes), hexOf(readLog(encodeTilePath({ level: 0, index: 0n, width: size }))))
  })
}
