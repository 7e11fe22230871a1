import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { createLogReader, NotInLogError } from '../../../client/logReader.ts'
import { decodeExtensionList, encodeExtensionList } from '../../../committee/extension.ts'
import { almanac } from '../../../modules/almanac/machine.ts'
import { deriveCommitDigest } from '../../../protocol/wire/commit.ts'
import { decodeCommitRecord } from '../../../protocol/wire/commitRecord.ts'
import { initStore, openStore } from '../../../workers/member/store.ts'
import { syncStore } from '../../../workers/member/sync.ts'
import { SyncFailedError } from '../../../workers/member/syncErrors.ts'
import type { TrustedCommit } from '../../../workers/member/syncTrust.ts'
import { createAlmanacWorld, FIRST, keys, parameters, signersOf } from './almanac-of-tests.ts'
import { component, createTestDir } from './chronicle-of-tests.ts'
import { serve } from './serve.ts'
import { type Lie, startLiar } from './syncWorld.ts'

const SECOND = [4, 5, 6, 7]

/** A committee that has just given all its seats away, and decides nothing more; its log, and what it ended with. */
async function startEnded() {
  const world = createAlmanacWorld()
  for (const index of FIRST) await world.start(index)
  await world.advance(3)
  await world.rotate(FIRST, SECOND)
  const { store, replica } = world.member(0)
  const { height } = replica.state()
  const { commit } = decodeCommitRecord(store.readRecord(height)!)
  const server = await serve(world.member(0))
  return { world, server, trusted: { height, digest: deriveCommitDigest(commit) } }
}

async function sync(dir: string, of: { index: number; urls: readonly string[]; trusted: TrustedCommit }) {
  const { index, urls, trusted } = of
  const self = keys[index]!.signer
  const identity = { dir, component, signer: self, isSyncing: true }
  initStore(identity)
  const store = openStore(identity)
  const peers = urls.map((url) => createLogReader({ url, timeoutMs: 2_000 }))
  const members = signersOf(FIRST).map((signer) => ({ signer }))
  try {
    return await syncStore(
      { machine: almanac, store, peers, logger: pino({ level: 'silent' }), clock: { nowMs: Date.now } },
      { component, parameters, members, self, trusted },
    )
  } finally {
    store.close()
  }
}

test('sync: a whole new committee that begins at the commit which made it one goes on without the old one', async () => {
  const { world, server, trusted } = await startEnded()
  const begin = [4, 5, 6]
  for (const index of begin) {
    const synced = await sync(world.dirOf(index), { index, urls: [server.url], trusted })
    assert.equal(synced?.height, trusted.height)
    world.adopt(index)
  }
  await server.close()
  world.kill(...FIRST)
  for (const index of begin) await world.start(index)
  await world.advance(6)
  const { store } = world.member(5)
  assert.equal(store.baseHeight(), trusted.height)
  assert.ok(store.readExtensions(trusted.height + 1n).length >= 3)
  world.stop()
})

const lies: [string, (honest: Uint8Array) => Lie][] = [
  ['too few', (honest) => encodeExtensionList(decodeExtensionList(honest).slice(1))],
  ['none', () => encodeExtensionList([])],
  ['a changed one', (honest) => honest.with(-33, honest.at(-33)! ^ 1)],
  ['what is no list', () => new Uint8Array(40)],
  ['an answer of 404', () => (response) => response.writeHead(404).end()],
  ['more than there can be', () => new Uint8Array((1 << 19) + 1)],
]
test('sync: a peer that serves no quorum’s vote extensions is refused, whatever it serves, and the next one asked', async () => {
  const { world, server, trusted } = await startEnded()
  const log = createLogReader({ url: server.url })
  assert.equal(decodeExtensionList(await log.readExtensions(1n)).length >= 3, true)
  await assert.rejects(log.readExtensions(trusted.height + 1n), NotInLogError)
  for (const [name, tell] of lies) {
    const liar = await startLiar(server.url, async (path, read) =>
      path.startsWith('extensions/') ? tell(await read()) : undefined,
    )
    const of = { index: 4, trusted }
    await assert.rejects(sync(createTestDir(), { ...of, urls: [liar.url] }), SyncFailedError, name)
    const synced = await sync(createTestDir(), { ...of, urls: [liar.url, server.url] })
    assert.equal(synced?.url, server.url, name)
    liar.close()
  }
  await server.close()
  world.stop()
})
