import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Head } from '../../chain/head.ts'
import { describeSurvey } from '../../cli/commands/status.ts'
import { type UnlockedKey, unlockKey } from '../../client/keystore.ts'
import { createLogReader, type LogReader } from '../../client/logReader.ts'
import { decodeMemberStatus, encodeMemberStatus, MalformedStatusError } from '../../client/memberStatus.ts'
import type { Component } from '../../client/readComponent.ts'
import { type Standing, surveyCommittee } from '../../client/surveyCommittee.ts'
import { encodeCheckpoint } from '../../protocol/log/checkpoint.ts'
import type { CompactRange } from '../../protocol/log/compactRange.ts'
import { encodeLogOrigin } from '../../protocol/log/logOrigin.ts'
import { signNote } from '../../protocol/log/signNote.ts'
import { rootOfRange } from '../../protocol/log/treeRoot.ts'
import { type Certificate, createCertificate } from '../../protocol/wire/certificate.ts'
import { type Commit, deriveCommitDigest, derivePrecommitDigest } from '../../protocol/wire/commit.ts'
import { deriveCommitteeHash } from '../../protocol/wire/committee.ts'
import { encodeEnvelope, signEnvelope } from '../../protocol/wire/envelope.ts'
import { encodeGovernanceCommand, type GovernanceCommand } from '../../protocol/wire/governance.ts'
import { signDigest } from '../../protocol/wire/signature.ts'
import { createCheckpointSigner } from '../../workers/member/checkpointer.ts'
import { createTestMembers } from '../protocol/wire/members.ts'
import {
  component,
  createEnvelope,
  createTestDir,
  members,
  signers,
  startCommittee,
  startTestMember,
  submitter,
} from '../workers/member/chronicle-of-tests.ts'
import { serve } from '../workers/member/serve.ts'

const origin = encodeLogOrigin(component)
const keys = members.map(({ secretKey }) => unlockKey(secretKey))
const chronicle = {
  component,
  signers,
  origin,
  members: keys.map(({ signer, noteKey }) => ({ signer, noteKey })),
} as unknown as Component

const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** The checkpoint of a log, signed by one member alone. */
const checkpointBy = (key: UnlockedKey, log: CompactRange): Uint8Array =>
  signNote({
    text: encodeCheckpoint({ origin, size: log.size, root: rootOfRange(log), extensions: [] }),
    signers: [createCheckpointSigner({ key, origin })],
  })

/** A committee that decided two heights, each member's log served and read over HTTP. */
async function startServed() {
  const { running, network, stop } = await startCommittee()
  for (const sequence of [1n, 2n]) {
    await running[0]!.driver.submit(encodeEnvelope(createEnvelope(sequence, [`{"n":${sequence}}`])))
  }
  await until(() => running.every(({ replica, driver }) => replica.state().height === 2n && driver.status().isJoined))
  const servers = await Promise.all(
    running.map((member, index) => serve(member, () => checkpointBy(keys[index]!, member.replica.state().log))),
  )
  const logs = servers.map(({ url }) => createLogReader({ url }))
  const close = async () => {
    await Promise.all(servers.map((server) => server.close()))
    stop()
  }
  return { running, network, servers, logs, close }
}

const standings = ({ members: all }: { members: readonly { standing: Standing }[] }): Standing[] =>
  all.map(({ standing }) => standing)

/** A certificate by all of the first committee: more than a third of it is Byzantine. */
function certify(commit: Commit): Certificate {
  const digest = derivePrecommitDigest({ commitDigest: deriveCommitDigest(commit), round: 0 })
  const signatures = new Map(members.map(({ signer, secretKey }) => [signer, signDigest(digest, secretKey)]))
  return createCertificate({ round: 0, signers, signatures })
}

/** A head as the chain would hold it after anchoring the commit of `height`. */
async function headOf(log: LogReader, height: bigint, over: Partial<Head> = {}): Promise<Head> {
  const { commit } = await log.readCommit(height)
  const { logSize, logRoot, state, timestampMs, epoch } = commit
  return {
    committeeHash: deriveCommitteeHash(chronicle.members),
    epoch,
    height,
    logSize,
    logRoot,
    state,
    timestampMs,
    anchorIndex: 1n,
    anchoredAt: timestampMs / 1000n,
    retired: false,
    ...over,
  }
}

test('a healthy committee: every member at work at the newest height, a margin of one, and the anchor’s lag', async () => {
  const { logs, close } = await startServed()
  const head = await headOf(logs[0]!, 1n)
  const survey = await surveyCommittee({ logs }, { ...chronicle, head })
  assert.deepEqual(standings(survey), ['atWork', 'atWork', 'atWork', 'atWork'])
  assert.deepEqual([survey.height, survey.quorum, survey.responsive, survey.margin], [2n, 3, 4, 1])
  assert.deepEqual([survey.anchor?.height, survey.anchor?.lagCommits], [1n, 1n])
  assert.deepEqual([survey.alarms, survey.unusable], [[], []])
  assert.deepEqual(
    survey.members[0]!.status!.peers.map(({ lastHeardMs }) => lastHeardMs !== null),
    [true, true, true],
  )
  await close()
})

test('a member whose clock is off is at work, and the reason says by how much', async () => {
  const { logs, close } = await startServed()
  const told = [
    { aheadMs: 3_600_000, isOff: true },
    { aheadMs: -3_600_000, isOff: true },
    { aheadMs: 90, isOff: false },
  ]
  const telling = logs.map((log, index): LogReader => {
    const clock = told[index] ?? null
    return { ...log, readStatus: async () => ({ ...(await log.readStatus()), clock }) }
  })
  const survey = await surveyCommittee({ logs: telling }, { ...chronicle, head: undefined })
  assert.deepEqual(standings(survey), ['atWork', 'atWork', 'atWork', 'atWork'])
  assert.deepEqual(
    survey.members.map(({ reason }) => reason),
    [
      'its clock is 3600000 ms ahead of the decided time',
      'its clock is 3600000 ms behind the decided time',
      null,
      null,
    ],
  )
  await close()
})

test('members that nobody answers for are silent, and two of them leave no quorum', async () => {
  const { servers, logs, close } = await startServed()
  const three = await surveyCommittee({ logs: logs.slice(1) }, { ...chronicle, head: undefined })
  assert.deepEqual(standings(three), ['silent', 'atWork', 'atWork', 'atWork'])
  assert.deepEqual([three.margin, three.anchor], [0, null])
  await servers[3]!.close()
  const two = await surveyCommittee({ logs: logs.slice(1) }, { ...chronicle, head: undefined })
  assert.deepEqual(standings(two), ['silent', 'atWork', 'atWork', 'silent'])
  assert.equal(two.margin, -1)
  assert.equal(two.unusable[0]?.url, servers[3]!.url)
  servers[3]!.close = async () => {}
  await close()
})

test('where nobody answers, what is not known is null and said to be unknown', async () => {
  const { logs, close } = await startServed()
  const head = await headOf(logs[0]!, 1n)
  await close()
  const survey = await surveyCommittee({ logs }, { ...chronicle, head })
  assert.deepEqual([survey.height, survey.commitDigest, survey.epoch], [null, null, null])
  assert.deepEqual([survey.anchor?.height, survey.anchor?.lagCommits, survey.anchor?.lagSeconds], [1n, null, null])
  assert.deepEqual([standings(survey), survey.margin], [['silent', 'silent', 'silent', 'silent'], -3])
  const text = describeSurvey(survey)
  assert.match(text, /^height {4}unknown: /m)
  assert.match(text, /^anchored {2}height 1, 1 entry, .+; lag unknown$/m)
})

test('where only another component’s members answer, nothing of them is taken for this one’s', async () => {
  const { logs, close } = await startServed()
  const head = await headOf(logs[0]!, 1n)
  const other = `0x${'0c'.repeat(32)}` as const
  const survey = await surveyCommittee({ logs: logs.slice(0, 1) }, { ...chronicle, component: other, head })
  await close()
  assert.deepEqual([survey.height, survey.epoch, survey.anchor?.lagCommits], [null, null, null])
  assert.deepEqual(survey.unusable, [{ url: logs[0]!.url, reason: `it is of component ${component}` }])
  const text = describeSurvey(survey)
  assert.match(text, /^height {4}unknown: /m)
  assert.match(text, /; lag unknown$/m)
})

test('members whose Redis does not answer are cut off, and do not count towards a quorum', async () => {
  const { logs, close } = await startServed()
  const silent = logs.map((log, index): LogReader => {
    const redisSilentMs = [999, 10_000, 10_001, 24_400][index]!
    return { ...log, readStatus: async () => ({ ...(await log.readStatus()), redisSilentMs }) }
  })
  const survey = await surveyCommittee({ logs: silent }, { ...chronicle, head: undefined })
  assert.deepEqual(standings(survey), ['atWork', 'atWork', 'cutOff', 'cutOff'])
  assert.deepEqual([survey.height, survey.responsive, survey.margin], [2n, 2, -1])
  assert.equal(survey.members[3]!.reason, 'its Redis has not answered for 24 s')
  await close()
})

test('a member that serves an older height is behind by so many, and one that asks its peers does not vote', async () => {
  const { logs, close } = await startServed()
  const { commit } = await logs[0]!.readCommit(1n)
  const old = await logs[1]!.readStatus()
  const behind: LogReader = {
    ...logs[1]!,
    // A checkpoint of the same size would be newer than the height it admits to.
    readCheckpoint: () => Promise.resolve(checkpointOf(1)),
    readStatus: async () => ({ ...old, height: 1n, commitDigest: deriveCommitDigest(commit) }),
  }
  const checkpointOf = (index: number): Uint8Array => checkpointBy(keys[index]!, { size: 0n, hashes: [] })
  const joining: LogReader = {
    ...logs[2]!,
    readStatus: async () => ({ ...(await logs[2]!.readStatus()), isJoined: false }),
  }
  const survey = await surveyCommittee(
    { logs: [logs[0]!, behind, joining, logs[3]!] },
    { ...chronicle, head: undefined },
  )
  assert.deepEqual(standings(survey), ['atWork', 'behind', 'joining', 'atWork'])
  assert.equal(survey.members[1]!.behindBy, 1n)
  assert.equal(survey.margin, 0)
  await close()
})

test('two certified commits of one height, and a certified one that the chain does not hold, are alarms', async () => {
  const { logs, close } = await startServed()
  const record = await logs[3]!.readCommit(2n)
  const commit = { ...record.commit, timestampMs: record.commit.timestampMs + 1n }
  const certificate = certify(commit)
  const commitDigest = deriveCommitDigest(commit)
  const fork: LogReader = {
    ...logs[3]!,
    readCommit: async (height) => (height === 2n ? { ...record, commit, certificate } : logs[3]!.readCommit(height)),
    readStatus: async () => ({ ...(await logs[3]!.readStatus()), commitDigest }),
  }
  const forked = await surveyCommittee({ logs: [...logs.slice(0, 3), fork] }, { ...chronicle, head: undefined })
  assert.match(forked.alarms[0]!, /^at height 2 .+ both certified$/)
  const head = await headOf(logs[0]!, 1n, { logRoot: `0x${'ab'.repeat(32)}` })
  const contradicted = await surveyCommittee({ logs }, { ...chronicle, head })
  assert.equal(contradicted.alarms.length, 4)
  await close()
})

test('a member whose certificate does not hold is faulty, and nobody speaks for a seat without its key', async () => {
  const { logs, close } = await startServed()
  const forger: LogReader = {
    ...logs[0]!,
    readCommit: async (height) => {
      const record = await logs[0]!.readCommit(height)
      return { ...record, commit: { ...record.commit, timestampMs: 1n } }
    },
  }
  const impostor: LogReader = { ...logs[1]!, readCheckpoint: () => logs[2]!.readCheckpoint() }
  const survey = await surveyCommittee(
    { logs: [forger, impostor, logs[2]!, logs[2]!, logs[3]!] },
    { ...chronicle, head: undefined },
  )
  assert.deepEqual(standings(survey), ['faulty', 'silent', 'atWork', 'atWork'])
  assert.match(survey.members[0]!.reason!, /does not hold/)
  assert.match(survey.unusable[0]!.reason, /did not sign its checkpoint/)
  assert.match(survey.unusable[1]!.reason, /another URL answers for/)
  await close()
})

/** Approves `command` with the keys of a quorum of the first committee. */
async function govern({ running }: Awaited<ReturnType<typeof startServed>>, command: GovernanceCommand) {
  for (const { signer, secretKey } of members.slice(0, 3)) {
    const commands = [encodeGovernanceCommand(command)]
    const envelope = signEnvelope({ component, submitter: signer, sequence: 1n, commands }, secretKey)
    await running[0]!.driver.submit(encodeEnvelope(envelope))
  }
}

test('after a rotation the members that decide now are surveyed, and one that left has no seat', async () => {
  const served = await startServed()
  const { running, network, logs, close } = served
  const key = createTestMembers(9).find(({ signer }) => signer !== submitter.signer && !signers.includes(signer))!
  const added = await startTestMember({ index: 4, dir: createTestDir(), transport: network.connect(4), key })
  const unlocked = unlockKey(key.secretKey)
  const server = await serve(added, () => checkpointBy(unlocked, added.replica.state().log))
  const second = [...keys.slice(1), unlocked].map(({ signer, noteKey }) => ({ signer, noteKey }))
  second.sort((a, b) => (a.signer < b.signer ? -1 : 1))
  await govern(served, { kind: 'approveRotation', newEpoch: 1n, members: second })
  await until(() =>
    [...running, added].every(
      ({ replica, driver }) =>
        replica.state().epoch === 1n && driver.status().isJoined === (driver !== running[0]!.driver),
    ),
  )
  await running[1]!.driver.submit(encodeEnvelope(createEnvelope(3n, ['{"n":3}'])))
  await until(() => [...running, added].every(({ replica }) => replica.state().sequences.get(submitter.signer) === 3n))
  const all = [...logs, createLogReader({ url: server.url })]
  // The head that the rotation itself anchored, and one of the new epoch.
  const { commit: end } = await logs[0]!.readEpochEnd(0n)
  const committeeHash = deriveCommitteeHash(second)
  for (const height of [end.height, end.height + 1n]) {
    const head = await headOf(logs[0]!, height, { epoch: 1n, committeeHash })
    const survey = await surveyCommittee({ logs: all }, { ...chronicle, head })
    assert.deepEqual([survey.epoch, survey.committeeHash, survey.alarms], [1n, committeeHash, []])
    assert.deepEqual(
      survey.members.map(({ signer }) => signer),
      second.map(({ signer }) => signer),
    )
    assert.deepEqual(standings(survey), ['atWork', 'atWork', 'atWork', 'atWork'])
    assert.match(survey.unusable[0]!.reason, /has no seat in the committee of epoch 1/)
  }
  const other = await headOf(logs[0]!, end.height, { epoch: 1n })
  assert.match(
    (await surveyCommittee({ logs: all }, { ...chronicle, head: other })).alarms[0]!,
    /committee of epoch 1 is not/,
  )
  const ahead = await headOf(logs[0]!, end.height, { epoch: 2n, committeeHash })
  assert.match((await surveyCommittee({ logs: all }, { ...chronicle, head: ahead })).alarms[0]!, /a head of epoch 2/)
  const liar: LogReader = {
    ...logs[1]!,
    readEpochEnd: async (epoch) => {
      const record = await logs[1]!.readEpochEnd(epoch)
      return { ...record, commit: { ...record.commit, timestampMs: 1n } }
    },
  }
  const lied = await surveyCommittee({ logs: [...all.slice(2), liar] }, { ...chronicle, head: undefined })
  const shown = lied.members.find(({ signer }) => signer === signers[1])!
  assert.equal(shown.standing, 'faulty')
  assert.match(shown.reason!, /does not show what ended epoch 0/)
  await server.close()
  added.kill()
  await close()
})

test('two certified ends of one epoch are an alarm', async () => {
  const served = await startServed()
  const { logs, close } = served
  const second = keys.slice(0, 3).map(({ signer, noteKey }) => ({ signer, noteKey }))
  await govern(served, { kind: 'approveRotation', newEpoch: 1n, members: second })
  await until(() => served.running.every(({ replica }) => replica.state().epoch === 1n))
  const record = await logs[0]!.readEpochEnd(0n)
  const commit = { ...record.commit, timestampMs: record.commit.timestampMs + 1n }
  const fork: LogReader = {
    ...logs[0]!,
    readEpochEnd: async (epoch) =>
      epoch === 0n ? { ...record, commit, certificate: certify(commit) } : logs[0]!.readEpochEnd(epoch),
  }
  const survey = await surveyCommittee({ logs: [logs[1]!, fork] }, { ...chronicle, head: undefined })
  assert.match(survey.alarms[0]!, /^epoch 0 ended with commit .+, both certified$/)
  await close()
})

test('a retired component’s last word stands in its survey', async () => {
  const served = await startServed()
  const successor = `0x${'5c'.repeat(32)}` as const
  await govern(served, { kind: 'approveRetirement', epoch: 0n, successor, reason: 'replaced' })
  await until(() => served.running.every(({ replica }) => replica.state().governance.retirement !== null))
  const survey = await surveyCommittee({ logs: served.logs }, { ...chronicle, head: undefined })
  assert.deepEqual([survey.retirement?.successor, survey.retirement?.reason], [successor, 'replaced'])
  assert.equal(survey.retirement?.effectiveHeight, survey.height)
  await until(() => served.running.every(({ replica }) => replica.state().height === survey.height))
  const after = await surveyCommittee({ logs: served.logs }, { ...chronicle, head: undefined })
  assert.deepEqual(standings(after), ['retired', 'retired', 'retired', 'retired'])
  assert.match(describeSurvey(after), /^quorum {4}3 of 4; nobody votes any more$/m)
  await served.close()
})

test('decodeMemberStatus: gives back what was encoded, and refuses everything beyond its bounds', async () => {
  const { logs, close } = await startServed()
  const status = await logs[0]!.readStatus()
  await close()
  const url = 'http://127.0.0.1:1'
  assert.deepEqual(decodeMemberStatus(encodeMemberStatus(status), { url }), status)
  const json = JSON.parse(encodeMemberStatus(status)) as Record<string, unknown>
  const peer = { signer: signers[0], lastHeardMs: null }
  const approval = { member: signers[0], command: component }
  for (const over of [
    { height: '-1' },
    { height: 1 },
    { signer: '0x00' },
    { drops: { signature: -1 } },
    { drops: { 'signature\n': 1 } },
    {
      drops: Object.fromEntries(
        Array.from({ length: 65 }, (_, n) => [`r${String.fromCharCode(97 + (n % 26), 97 + Math.floor(n / 26))}`, 1]),
      ),
    },
    { peers: Array.from({ length: 257 }, () => peer) },
    { approvals: Array.from({ length: 257 }, () => approval) },
    { approvals: [{ ...approval, command: '0x12' }] },
    { approvals: [{ ...approval, more: true }] },
    { evidence: 0.5 },
    { clock: { aheadMs: 0.5, isOff: true } },
    { clock: { aheadMs: 1 } },
    { more: true },
  ]) {
    assert.throws(() => decodeMemberStatus(JSON.stringify({ ...json, ...over }), { url }), MalformedStatusError)
  }
  assert.throws(() => decodeMemberStatus('{', { url }), MalformedStatusError)
  // The largest committee's status is still one that a reader takes.
  const largest = encodeMemberStatus({
    ...status,
    drops: Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`${'r'.repeat(30)}${n}`, Number.MAX_SAFE_INTEGER])),
    peers: Array.from({ length: 255 }, () => ({ signer: signers[0]!, lastHeardMs: Date.now() })),
    approvals: Array.from({ length: 256 }, () => ({ member: signers[0]!, command: component })),
  })
  assert.ok(largest.length <= 1 << 16, `${largest.length} bytes`)
})
