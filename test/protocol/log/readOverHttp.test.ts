import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { CoalitionError } from '../../../protocol/errors.ts'
import { encodeCheckpoint } from '../../../protocol/log/checkpoint.ts'
import { decodeEntryBundle, encodeEntryBundle } from '../../../protocol/log/entryBundle.ts'
import { encodeLogOrigin } from '../../../protocol/log/logOrigin.ts'
import { createNoteVerifier } from '../../../protocol/log/noteVerifier.ts'
import { planConsistency, planInclusion } from '../../../protocol/log/proofPlan.ts'
import { createEd25519Signer, signNote } from '../../../protocol/log/signNote.ts'
import { tileWidth } from '../../../protocol/log/tile.ts'
import { bundleOf, decodeTilePath, encodeTilePath } from '../../../protocol/log/tilePath.ts'
import { completeFromTiles, tilesOf } from '../../../protocol/log/tileProof.ts'
import { hashLeaf } from '../../../protocol/log/treeHash.ts'
import { rootOfRange } from '../../../protocol/log/treeRoot.ts'
import { verifyCheckpoint } from '../../../protocol/log/verifyCheckpoint.ts'
import { verifyGrowth } from '../../../protocol/log/verifyGrowth.ts'
import { verifyInclusion } from '../../../protocol/log/verifyInclusion.ts'
import { entryAt, hexOf, leafHashesOf } from './naiveTree.ts'
import { createTileStore } from './tileStore.ts'

/** The whole way of spec §6: a member serves its rows, a stranger reads them with nothing but keys and a URL. */
const SIZE = 1000
const origin = encodeLogOrigin(`0x${'5a'.repeat(32)}`)
const signer = createEd25519Signer({ name: origin, seed: new Uint8Array(32).fill(1) })
const verifiers = [createNoteVerifier(signer.key)]

const store = createTileStore()
const heads = new Map<bigint, Uint8Array>()
for (const size of [300, SIZE]) {
  store.append(leafHashesOf(size).slice(Number(store.range().size)))
  heads.set(BigInt(size), rootOfRange(store.range()))
}

/** Answers one path, as a member does; `undefined` is a 404. */
function serve(path: string): Uint8Array | undefined {
  const size = BigInt(SIZE)
  if (path === 'checkpoint') {
    const text = encodeCheckpoint({ origin, size, root: heads.get(size)!, extensions: [] })
    return signNote({ text, signers: [signer] })
  }
  const { level, index, width } = decodeTilePath(path)
  if (width > tileWidth({ level: level === 'entries' ? 0 : level, index, size })) return undefined
  if (level !== 'entries') return store.read({ level, index, width })
  return encodeEntryBundle(Array.from({ length: width }, (_, i) => entryAt(Number(index) * 256 + i)))
}

let lie: (path: string, bytes: Uint8Array) => Uint8Array = (_path, bytes) => bytes
const server = createServer((request, response) => {
  const path = (request.url ?? '/').slice(1)
  try {
    const bytes = serve(path)
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes === undefined ? undefined : lie(path, bytes))
  } catch (error) {
    response.writeHead(error instanceof CoalitionError ? 400 : 500).end()
  }
})
before(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)))
after(() => server.close())

async function readBytes(path: string): Promise<Uint8Array> {
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${path}`)
  if (!response.ok) throw new Error(`${path}: ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}

async function readEntry(index: bigint): Promise<Uint8Array> {
  const { size, root } = verifyCheckpoint({ note: await readBytes('checkpoint'), origin, verifiers })
  const bundle = bundleOf({ index, size })
  const entries = decodeEntryBundle(await readBytes(encodeTilePath(bundle)), { width: bundle.width })
  const entry = entries[Number(index % 256n)]!
  const plan = planInclusion({ index, size })
  const tiles = await Promise.all(tilesOf(plan).map((tile) => readBytes(encodeTilePath(tile))))
  verifyInclusion({ index, size, root, leafHash: hashLeaf(entry), proof: completeFromTiles(plan, tiles) })
  return entry
}

test('a log over HTTP: an entry is read and proven from a checkpoint and tiles alone', async () => {
  for (const index of [0n, 255n, 256n, 767n, 768n, 999n]) {
    assert.equal(hexOf(await readEntry(index)), hexOf(entryAt(Number(index))))
  }
})

test('a log over HTTP: growth from an older head is proven from the newer log’s tiles', async () => {
  const sizes = { size1: 300n, size2: BigInt(SIZE) }
  const plan = planConsistency(sizes)
  const tiles = await Promise.all(tilesOf(plan).map((tile) => readBytes(encodeTilePath(tile))))
  const proof = completeFromTiles(plan, tiles)
  verifyGrowth({ ...sizes, root1: heads.get(300n)!, root2: heads.get(BigInt(SIZE))!, proof })
})

test('a log over HTTP: tiles of an older size are served from the same rows', async () => {
  const plan = planInclusion({ index: 299n, size: 300n })
  const tiles = await Promise.all(tilesOf(plan).map((tile) => readBytes(encodeTilePath(tile))))
  const leafHash = hashLeaf(entryAt(299))
  verifyInclusion({ index: 299n, size: 300n, root: heads.get(300n)!, leafHash, proof: completeFromTiles(plan, tiles) })
})

test('a log over HTTP: a tile that the checkpoint does not call for is not there', async () => {
  await assert.rejects(readBytes('tile/0/003.p/233'), /404/)
  await assert.rejects(readBytes('tile/2/000.p/1'), /404/)
  await assert.rejects(readBytes('tile/0/3'), /400/)
})

test('a log over HTTP: whatever one resource lies about, the entry is refused', async (t) => {
  t.after(() => {
    lie = (_path, bytes) => bytes
  })
  const honest: string[] = []
  lie = (path, bytes) => {
    honest.push(path)
    return bytes
  }
  await readEntry(700n)
  for (const target of honest) {
    // Every byte of the resource, so that what the proof does not use cannot save the lie.
    lie = (path, bytes) => (path === target ? bytes.map((byte) => byte ^ 1) : bytes)
    await assert.rejects(readEntry(700n), CoalitionError, target)
    lie = (path, bytes) => (path === target ? bytes.slice(1) : bytes)
    await assert.rejects(readEntry(700n), CoalitionError, target)
  }
  assert.ok(honest.length >= 4, 'a checkpoint, a bundle and two tiles at the least')
})
