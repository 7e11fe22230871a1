import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createLogReader } from '../../../client/logReader.ts'
import { fromHex, toHex } from '../../../protocol/bytes.ts'
import { appendLeafHashes, EMPTY_RANGE } from '../../../protocol/log/compactRange.ts'
import { hashLeaf } from '../../../protocol/log/treeHash.ts'
import { encodeEnvelope } from '../../../protocol/wire/envelope.ts'
import { forgeCertificate, forgeEntry } from '../../../scripts/demo/tamperedLog.ts'
import { copyEntries } from '../../../workers/member/syncEntries.ts'
import { PeerTooSlowError } from '../../../workers/member/syncErrors.ts'
import { createPace } from '../../../workers/member/syncPace.ts'
import type { TrustedCommit } from '../../../workers/member/syncTrust.ts'
import { createEnvelope, startCommittee } from './chronicle-of-tests.ts'
import { serve } from './serve.ts'
import { createSyncWorld, type Lie, startLiar } from './syncWorld.ts'

/** A committee whose log has 900 entries and its newest snapshot at height 8, and another history by the same keys. */
const [world, other] = [createSyncWorld(), createSyncWorld()]
let honest: string
let rewritten: string
let foreign: string
let trusted: TrustedCommit
const stops: (() => Promise<void> | void)[] = []
before(async () => {
  for (const each of [world, other]) for (const index of [0, 1, 2]) await each.start(index)
  await world.decide(0, { heights: 9, entries: 100 })
  await other.decide(0, { heights: 9, entries: 100, text: 'other' })
  honest = await world.serve(0)
  rewritten = await other.serve(0)
  trusted = world.trust(0, 3n)
  const elsewhere = await startCommittee([0, 1, 2, 3], { anchorEveryCommits: 4 }, `0x${'e1'.repeat(32)}`)
  for (let sequence = 1n; sequence <= 4n; sequence++) {
    const envelope = createEnvelope(sequence, ['{}'], undefined, `0x${'e1'.repeat(32)}`)
    await elsewhere.running[0]!.driver.submit(encodeEnvelope(envelope))
  }
  const server = await serve(elsewhere.running[0]!)
  foreign = server.url
  stops.push(() => server.close(), elsewhere.stop, world.stop, other.stop)
})
after(async () => {
  for (const stop of stops) await stop()
})

type Read = (from?: string, path?: string) => Promise<Uint8Array>
const isTrusted = (path: string): boolean => path === 'commit/3'
const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))
const isSnapshot = (path: string): boolean => path.startsWith('snapshot/')

const LIARS: {
  name: string
  lie: (path: string, read: Read) => Promise<Lie | undefined> | Lie | undefined
  refused: RegExp
}[] = [
  {
    name: 'another history, certified by the same keys',
    lie: (_path, read) => read(rewritten),
    refused: /has commit 0x\w+ at height 3, where 0x\w+ is trusted/,
  },
  {
    name: 'the trusted commit, and another history before and after it',
    lie: (path, read) => (isTrusted(path) ? undefined : read(rewritten)),
    refused: /its 300 entries have another root/,
  },
  {
    name: 'the trusted history, and another one after it',
    lie: (path, read) => (isTrusted(path) || path.startsWith('tile/') ? undefined : read(rewritten)),
    refused: /its 800 entries have another root/,
  },
  {
    name: 'a forged certificate',
    lie: async (path, read) => (path === 'commit/8' ? forgeCertificate(`/${path}`, await read()) : undefined),
    refused: /certificate of height 8 does not hold/,
  },
  {
    name: 'a truncated snapshot',
    lie: async (path, read) => (isSnapshot(path) ? (await read()).subarray(0, 500) : undefined),
    refused: /it is no state of this component’s machine/,
  },
  {
    name: 'a snapshot of which one bit is wrong',
    lie: async (path, read) => (isSnapshot(path) ? flipped(await read(), 32 * 7 + 31) : undefined),
    refused: /not proven/,
  },
  {
    name: 'a snapshot that is larger than any',
    lie: (path) => (isSnapshot(path) ? Buffer.alloc(17 << 20) : undefined),
    refused: /larger than anything that is served there/,
  },
  {
    name: 'a snapshot that never comes',
    lie: (path) => (isSnapshot(path) ? () => undefined : undefined),
    refused: /no answer within 500 ms/,
  },
  {
    name: 'a snapshot byte by byte',
    lie: (path) =>
      isSnapshot(path) ? (response) => void setInterval(() => response.write('0'), 20).unref() : undefined,
    refused: /breaks off/,
  },
  {
    name: 'a redirect to an honest log',
    lie: (path) =>
      isSnapshot(path) ? (response) => response.writeHead(302, { location: `${honest}/${path}` }).end() : undefined,
    refused: /nothing answers there/,
  },
  {
    name: 'a snapshot of another component',
    lie: (path, read) => (isTrusted(path) ? undefined : read(foreign)),
    refused: /it is of component 0xe1/,
  },
  {
    name: 'a commit of another height',
    lie: (path, read) => (path === 'commit/8' ? read(honest, 'commit/9') : undefined),
    refused: /its parent is not that of the commit at its height/,
  },
  {
    name: 'a changed entry',
    lie: async (path, read) => forgeEntry('"entry":"7.', '"entri":"7.')(`/${path}`, await read()),
    refused: /entries \d+ to \d+ are of another log/,
  },
  {
    name: 'a changed tile',
    lie: async (path, read) => (/^tile\/[01]\//.test(path) ? flipped(await read(), 40) : undefined),
    refused: /another root/,
  },
  {
    name: 'words instead of commits',
    lie: (path) => (path.startsWith('commit/') ? 'not a commit' : undefined),
    refused: /it is not JSON/,
  },
]

for (const { name, lie, refused } of LIARS)
  test(`sync: refuses ${name}`, async () => {
    const liar = await startLiar(honest, lie)
    await assert.rejects(
      world.sync(4, { urls: [liar.url], trusted, timeoutMs: 500 }),
      (error: Error & { code: string }) => error.code === 'SYNC_FAILED' && refused.test(error.message),
    )
    await world.withStore(4, (store) => {
      assert.equal(store.readState(), undefined)
      assert.deepEqual(store.readEntries({ start: 0n, end: 1_000n }), [])
    })
    liar.close()
  })

test('sync: one honest peer among liars is enough, and each liar is named', async () => {
  const liars = await Promise.all(LIARS.map(({ lie }) => startLiar(honest, lie)))
  const urls = [...liars.map(({ url }) => url), 'http://127.0.0.1:1']
  await assert.rejects(world.sync(5, { urls, trusted, timeoutMs: 500 }), (error: Error) => {
    for (const url of urls) assert.ok(error.message.includes(`${url}: `), url)
    return true
  })
  const synced = await world.sync(5, { urls: [...urls, honest], trusted, timeoutMs: 500 })
  assert.deepEqual([synced?.height, synced?.url], [8n, honest])
  for (const liar of liars) liar.close()
})

test('copyEntries: a log is copied in any stretches, whatever their ends cut', async () => {
  const log = createLogReader({ url: honest })
  const all = world.member(0).store.readEntries({ start: 0n, end: 900n })
  const rangeOf = (size: number) => appendLeafHashes(EMPTY_RANGE, all.slice(0, size).map(hashLeaf))
  const rootAt = async (size: number) => fromHex((await log.readCommit(BigInt(size / 100))).commit.logRoot)
  for (const stretches of [[900], [100, 900], [100, 200, 300, 500, 600, 900], [300, 800]]) {
    let range = EMPTY_RANGE
    const seen: string[] = []
    for (const size of stretches) {
      const stopAt = 257n
      const copied = await copyEntries(log, {
        from: range,
        to: BigInt(size),
        root: await rootAt(size),
        stopAt,
        pace: createPace({ nowMs: Date.now }, log),
        append(entries) {
          assert.ok(BigInt(seen.length) >= stopAt || BigInt(seen.length + entries.length) <= stopAt)
          seen.push(...entries.map(toHex))
          return rangeOf(seen.length)
        },
      })
      range = copied
    }
    assert.deepEqual(seen, all.slice(0, stretches.at(-1)).map(toHex))
  }
})

test('copyEntries: a peer that answers each time as late as it may loses its turn', async () => {
  let clockMs = 0
  const nowMs = (): number => {
    clockMs += 20_000
    return clockMs
  }
  const log = createLogReader({ url: honest })
  const { commit } = await log.readCommit(9n)
  const copy = copyEntries(log, {
    from: EMPTY_RANGE,
    to: commit.logSize,
    root: fromHex(commit.logRoot),
    stopAt: 0n,
    append: () => assert.fail('too late for that'),
    pace: createPace({ nowMs }, log),
  })
  await assert.rejects(copy, PeerTooSlowError)
})
