import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EpochUnprovenError } from '../../client/epochEnd.ts'
import { committeeFor, createEpochs, currentCommittee, type Epochs, verifyCommit } from '../../client/epochs.ts'
import { EpochMissingError, followEpochs } from '../../client/followEpochs.ts'
import {
  createLogReader,
  type LogReader,
  LogUnreachableError,
  NotInLogError,
  OtherComponentError,
} from '../../client/logReader.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CertificateRefusedError } from '../../protocol/wire/certificate.ts'
import { type Tamper, withTamperedLog } from '../../scripts/demo/tamperedLog.ts'
import { createTestCommittee } from '../chain/testCommittee.ts'
import { startScriptedLog } from '../workers/chronicle-anchor/scriptedLog.ts'

const component: Hex = `0x${'c0'.repeat(32)}`
const genesis = createTestCommittee({ name: 'follow 0', memberCount: 4 })
const known = createEpochs({ component, members: genesis.members })
const second = { name: 'follow 1', memberCount: 4 }
const third = { name: 'follow 2', memberCount: 7 }

const startLog = () => startScriptedLog({ component, committee: genesis })
const follow = (...urls: string[]): Promise<Epochs> =>
  followEpochs({ logs: urls.map((url) => createLogReader({ url })) }, known)
const signersOf = (epochs: Epochs): (readonly Hex[])[] => epochs.committees.map(({ signers }) => signers)

/** A log of three epochs whose heights are 1, 2 | 3, 4, 5 | 6. */
async function startRotatedLog() {
  const log = await startLog()
  log.decide(['one'])
  log.rotate(second)
  log.decide(['two'])
  log.decide(['three'])
  log.rotate(third)
  log.decide(['four'])
  return log
}

test('followEpochs: a component that never rotated has its genesis committee', async () => {
  const log = await startLog()
  log.decide(['one'])
  assert.deepEqual(await follow(log.url), known)
  await log.close()
})

test('followEpochs: leads from the genesis committee over two rotations to the current, and goes on where it stopped', async () => {
  const log = await startRotatedLog()
  const epochs = await follow(log.url)
  assert.deepEqual(
    signersOf(epochs),
    [genesis, createTestCommittee(second), createTestCommittee(third)].map(({ signers }) => signers),
  )
  assert.deepEqual(
    epochs.committees.map(({ epoch, firstHeight, end }) => [epoch, firstHeight, end?.commit.height]),
    [
      [0n, 1n, 2n],
      [1n, 3n, 5n],
      [2n, 6n, undefined],
    ],
  )
  const reader = createLogReader({ url: log.url })
  const part = await followEpochs({ logs: [reader] }, known, { upTo: 1n })
  assert.equal(currentCommittee(part).epoch, 1n)
  assert.deepEqual(await followEpochs({ logs: [reader] }, part), epochs)
  await log.close()
})

test('followEpochs: a log that lags, one that lies and one that is gone hold up nobody', async () => {
  const [log, lagging] = [await startRotatedLog(), await startLog()]
  lagging.decide(['one'])
  lagging.rotate(second)
  await withTamperedLog(log.url, forgeMember(second), async (liar) => {
    const epochs = await follow('http://127.0.0.1:1', lagging.url, liar, log.url)
    assert.equal(currentCommittee(epochs).epoch, 2n)
  })
  assert.equal(currentCommittee(await follow(lagging.url)).epoch, 1n)
  await Promise.all([log.close(), lagging.close()])
})

test('followEpochs: says the successor of a component that retired', async () => {
  const log = await startRotatedLog()
  const successor: Hex = `0x${'5c'.repeat(32)}`
  const { height } = log.retire({ successor, reason: 'replaced' })
  const { retirement, committees } = await follow(log.url)
  assert.deepEqual(retirement, { component, successor, effectiveHeight: height, reason: 'replaced' })
  assert.equal(committees.at(-1)!.end?.commit.height, height)
  await log.close()
})

test('followEpochs: passes over a log of another component for one of its own, and names it where it is alone', async () => {
  const log = await startRotatedLog()
  const other: Hex = `0x${'a7'.repeat(32)}`
  const elsewhere = await startScriptedLog({ component: other, committee: genesis })
  elsewhere.decide(['one'])
  const of = { component, kind: 'chronicle' }
  const read = (...urls: string[]) => followEpochs({ logs: urls.map((url) => createLogReader({ url, of })) }, known)
  assert.equal(currentCommittee(await read(elsewhere.url, log.url)).epoch, 2n)
  const named = new OtherComponentError({ url: elsewhere.url, found: other, of })
  await assert.rejects(read(elsewhere.url), named)
  await assert.rejects(read('http://127.0.0.1:1', elsewhere.url), named)
  // What it ended its epoch with is another component's as well.
  elsewhere.rotate(second)
  await assert.rejects(read(elsewhere.url), named)
  await Promise.all([log.close(), elsewhere.close()])
})

/** Changes the first address of a committee in the entry that tells it. */
function forgeMember(of: { name: string; memberCount: number }): Tamper {
  const real = createTestCommittee(of).signers[0]!.slice(2)
  return (path, body) =>
    path.startsWith('/tile/entries')
      ? Buffer.from(
          Buffer.from(body)
            .toString('hex')
            .replace(real, `00${real.slice(2)}`),
          'hex',
        )
      : body
}

const forgeRecord =
  (path: string, from: RegExp, to: string): Tamper =>
  (asked, body) =>
    asked === path ? Buffer.from(Buffer.from(body).toString().replace(from, to)) : body

for (const { name, tamper } of [
  { name: 'a committee that the last commit does not name', tamper: forgeMember(second) },
  { name: 'a certificate of others', tamper: forgeRecord('/commit/epoch/1', /("signatures":"0x).{8}/, '$100000000') },
  { name: 'another commit than was signed', tamper: forgeRecord('/commit/epoch/0', /"anchor":true/, '"anchor":false') },
  {
    name: 'a commit that names no end',
    tamper: forgeRecord('/commit/epoch/1', /"next":"0x.{64}"/, `"next":"0x${'00'.repeat(32)}"`),
  },
  { name: 'what is no commit', tamper: forgeRecord('/commit/epoch/0', /.+/s, '{}') },
  { name: 'more than a commit can have', tamper: forgeRecord('/commit/epoch/0', /.+/s, ' '.repeat(70_000)) },
] satisfies { name: string; tamper: Tamper }[])
  test(`followEpochs: refuses ${name}, and names the log`, async () => {
    const log = await startRotatedLog()
    await withTamperedLog(log.url, tamper, async (liar) => {
      await assert.rejects(follow(liar), (error) => {
        assert.ok(error instanceof EpochUnprovenError || error instanceof LogUnreachableError)
        assert.ok(error.message.includes(liar))
        return true
      })
    })
    await log.close()
  })

test('followEpochs: refuses the end of another epoch, the true one of an earlier epoch included', async () => {
  const log = await startRotatedLog()
  const first = Buffer.from(await (await fetch(`${log.url}/commit/epoch/0`)).arrayBuffer())
  const replay: Tamper = (path, body) => (path === '/commit/epoch/1' ? first : body)
  await withTamperedLog(log.url, replay, (liar) => assert.rejects(follow(liar), /serves a commit of epoch 0/))
  await log.close()
})

test('followEpochs: a log that lacks an epoch’s end and is past it says so, rather than that the epoch goes on', async () => {
  const log = await startRotatedLog()
  const full = createLogReader({ url: log.url })
  const without = (missing: bigint): LogReader => ({
    ...full,
    readEpochEnd: (epoch) =>
      epoch === missing
        ? Promise.reject(new NotInLogError({ path: `commit/epoch/${epoch}` }))
        : full.readEpochEnd(epoch),
  })
  for (const missing of [0n, 1n]) {
    await assert.rejects(followEpochs({ logs: [without(missing)] }, known), EpochMissingError)
    assert.equal(currentCommittee(await followEpochs({ logs: [without(missing), full] }, known)).epoch, 2n)
  }
  log.retire({ successor: component, reason: '' })
  await assert.rejects(followEpochs({ logs: [without(2n)] }, known), EpochMissingError)
  await log.close()
})

test('followEpochs: where nothing answers, says so', async () => {
  await assert.rejects(follow('http://127.0.0.1:1'), LogUnreachableError)
  assert.deepEqual(await follow(), known)
})

test('verifyCommit: a committee certifies the heights of its own epoch, and no others', async () => {
  const log = await startRotatedLog()
  const epochs = await follow(log.url)
  const reader = createLogReader({ url: log.url })
  for (let height = 1n; height <= 6n; height++) verifyCommit(epochs, await reader.readCommit(height))
  const { commit } = await reader.readCommit(4n)
  assert.throws(() => verifyCommit(known, { commit, certificate: genesis.certify(commit) }), CertificateRefusedError)
  // Keys of a committee that was replaced: whoever holds them cannot speak of what came after it.
  const late = { ...commit, epoch: 0n }
  assert.throws(() => verifyCommit(epochs, { commit: late, certificate: genesis.certify(late) }), /not one of epoch 0/)
  const early = { ...commit, epoch: 2n }
  const certificate = createTestCommittee(third).certify(early)
  assert.throws(() => verifyCommit(epochs, { commit: early, certificate }), /not one of epoch 2/)
  const elsewhere = { ...commit, component: `0x${'c1'.repeat(32)}` as const }
  assert.throws(() => committeeFor(epochs, elsewhere), /of component 0xc1/)
  await log.close()
})
