import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { Head } from '../../chain/head.ts'
import { encodeMessage } from '../../committee/codec.ts'
import { encodeRecord } from '../../committee/record.ts'
import { signMessage } from '../../committee/sign.ts'
import type { Prevote } from '../../committee/types.ts'
import { createCertificate } from '../../protocol/wire/certificate.ts'
import { deriveCommitDigest, derivePrecommitDigest, ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { type CommitRecord, decodeCommitRecord, encodeCommitRecord } from '../../protocol/wire/commitRecord.ts'
import { deriveCommitteeHash } from '../../protocol/wire/committee.ts'
import { deriveEnvelopeDigest, encodeEnvelope, signEnvelope } from '../../protocol/wire/envelope.ts'
import { encodeGovernanceCommand, type GovernanceCommand } from '../../protocol/wire/governance.ts'
import { signDigest } from '../../protocol/wire/signature.ts'
import { check, type Evidence, type Finding } from '../../scripts/chaos/checker.ts'
import { readStoreContent, type StoreContent } from '../../scripts/chaos/storeContent.ts'
import { decodeFrame } from '../../workers/member/frame.ts'
import { component, createEnvelope, members, signers, startCommittee } from '../workers/member/chronicle-of-tests.ts'

const HEIGHTS = 3n
const paths: string[] = []
const whole = await collect()

/** What a committee of four leaves behind after three heights, the last marked for the chain. */
async function collect(): Promise<Evidence> {
  const { network, running, stop } = await startCommittee([0, 1, 2, 3], { anchorEveryCommits: 3 })
  const observed: Uint8Array[] = []
  await network.connect(9).listen((bytes) => {
    const frame = decodeFrame(bytes)
    if (typeof frame !== 'string' && frame.kind === 'consensus') observed.push(frame.bytes)
  })
  const acknowledged: Evidence['acknowledged'][number][] = []
  for (let sequence = 1n; sequence <= HEIGHTS; sequence++) {
    const envelope = createEnvelope(sequence, [`{"n":${sequence}}`, '{}'])
    const { record, index } = await running[0]!.driver.submit(encodeEnvelope(envelope))
    acknowledged.push({
      submitter: envelope.submitter,
      sequence,
      envelopeDigest: deriveEnvelopeDigest(envelope),
      commands: envelope.commands,
      height: record.commit.height,
      position: index,
    })
  }
  while (running.some(({ replica }) => replica.state().height < HEIGHTS)) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  stop()
  paths.push(...running.map(({ dir }) => join(dir, 'member.sqlite')))
  const stores = paths.map((path, index) => readStoreContent({ name: `member-${index}`, path }))
  const { commit } = decodeCommitRecord(stores[0]!.decisions[2]!.record)
  const { height, logSize, logRoot, state, timestampMs } = commit
  const head = { epoch: 0n, retired: false, height, logSize, logRoot, state, timestampMs } as Head
  return { component, signers, stores, acknowledged, observed, heads: [{ ...head, height: 0n }, head] }
}

const withStore = (index: number, change: (store: StoreContent) => Partial<StoreContent>): Evidence => ({
  ...whole,
  stores: whole.stores.map((store, each) => (each === index ? { ...store, ...change(store) } : store)),
})

const withRecord = (store: StoreContent, index: number, change: (record: CommitRecord) => CommitRecord) => ({
  decisions: store.decisions.map((decision, each) =>
    each === index
      ? { ...decision, record: encodeCommitRecord(change(decodeCommitRecord(decision.record))) }
      : decision,
  ),
})

/** The same height decided otherwise, with a certificate that holds: what only a corrupt quorum could make. */
function certifyOther(record: CommitRecord): CommitRecord {
  const commit = { ...record.commit, timestampMs: record.commit.timestampMs + 1n }
  const digest = derivePrecommitDigest({ commitDigest: deriveCommitDigest(commit), round: 0 })
  const signatures = new Map(members.map(({ signer, secretKey }) => [signer, signDigest(digest, secretKey)]))
  return { ...record, commit, certificate: createCertificate({ round: 0, signers, signatures }) }
}

const vote = (over: Partial<Prevote>): Prevote => {
  const place = { component, epoch: 0n, height: 9n, round: 0, signer: signers[0]! }
  return { kind: 'prevote', ...place, commitDigest: null, ...over }
}
const signed = (message: Prevote, key = members[0]!): Uint8Array =>
  encodeMessage(signMessage(message, (digest) => signDigest(digest, key.secretKey)))
const other = { commitDigest: `0x${'77'.repeat(32)}` } as const

test('the checker finds nothing in what an honest committee left', async () => {
  const verdict = await check(whole)
  assert.deepEqual(verdict.findings, [])
  assert.equal(verdict.heights, Number(HEIGHTS))
  assert.equal(verdict.entries, 6)
  assert.ok(whole.observed.length >= 9 * Number(HEIGHTS), `${whole.observed.length} messages`)
})

test('the checker does not take a forged vote for a contradiction', async () => {
  const forged = signed(vote(other), members[1])
  const observed = [...whole.observed, signed(vote({})), forged, new Uint8Array(64)]
  assert.deepEqual((await check({ ...whole, observed })).findings, [])
})

const first = whole.acknowledged[0]!
const DOCTORED: { what: string; kind: Finding['kind']; says: RegExp; evidence: () => Evidence }[] = [
  {
    what: 'an acknowledged command that no member has',
    kind: 'lost',
    says: /is not there/,
    evidence: () => ({ ...whole, acknowledged: [{ ...first, sequence: 9n }] }),
  },
  {
    what: 'a command that stands elsewhere than acknowledged',
    kind: 'contradiction',
    says: /is at 1\/0/,
    evidence: () => ({ ...whole, acknowledged: [{ ...first, height: 2n }] }),
  },
  {
    what: 'a command that is there twice',
    kind: 'contradiction',
    says: /is there 2 times/,
    evidence: () =>
      withStore(1, ({ decisions: [one, two, three] }) => ({
        decisions: [one!, { ...two!, envelopes: [...two!.envelopes, ...one!.envelopes] }, three!],
      })),
  },
  {
    what: 'another envelope in the place of the acknowledged one',
    kind: 'contradiction',
    says: /another envelope/,
    evidence: () => ({ ...whole, acknowledged: [{ ...first, envelopeDigest: other.commitDigest }] }),
  },
  {
    what: 'a member that lacks a height',
    kind: 'lost',
    says: /has 2 heights/,
    evidence: () => withStore(2, ({ decisions }) => ({ decisions: decisions.slice(0, 2) })),
  },
  {
    what: 'an entry that is gone',
    kind: 'lost',
    says: /its entries are not what its commands say/,
    evidence: () => withStore(3, ({ entries }) => ({ entries: entries.slice(1) })),
  },
  {
    what: 'two members that decided differently, each with a certificate that holds',
    kind: 'contradiction',
    says: /decided differently at height 3/,
    evidence: () => withStore(1, (store) => withRecord(store, 2, certifyOther)),
  },
  {
    what: 'a commit that does not follow the one before it',
    kind: 'contradiction',
    says: /height 2: its parent/,
    evidence: () => withStore(1, (store) => withRecord(store, 0, certifyOther)),
  },
  {
    what: 'a commit that nobody signed',
    kind: 'unproven',
    says: /did not sign its certificate/,
    evidence: () =>
      withStore(0, (store) =>
        withRecord(store, 2, (record) => ({ ...record, commit: { ...record.commit, state: other.commitDigest } })),
      ),
  },
  {
    what: 'a certificate of fewer than a quorum',
    kind: 'unproven',
    says: /no quorum/,
    evidence: () =>
      withStore(0, (store) =>
        withRecord(store, 2, ({ certificate: { round, signatures }, ...record }) => ({
          ...record,
          certificate: { round, signers: 3n, signatures: `0x${signatures.slice(2, 2 + 256)}` },
        })),
      ),
  },
  {
    what: 'a root that is not that of the entries',
    kind: 'unproven',
    says: /its root is not/,
    evidence: () =>
      withStore(0, (store) =>
        withRecord(store, 2, (record) => ({ ...record, commit: { ...record.commit, logRoot: other.commitDigest } })),
      ),
  },
  {
    what: 'a member that signed two votes for one place',
    kind: 'contradiction',
    says: /2 different ones are signed/,
    evidence: () => ({ ...whole, observed: [...whole.observed, signed(vote({})), signed(vote(other))] }),
  },
  {
    what: 'a member whose write-ahead log has another vote than it sent',
    kind: 'contradiction',
    says: /2 different ones are signed/,
    evidence: () => ({
      ...withStore(0, () => ({ wal: [encodeRecord({ message: vote(other), lock: null })] })),
      observed: [signed(vote({}))],
    }),
  },
  {
    what: 'a member that stopped for good',
    kind: 'contradiction',
    says: /stopped for good: its key/,
    evidence: () => withStore(1, () => ({ halted: 'its key' })),
  },
  {
    what: 'a member that holds evidence',
    kind: 'contradiction',
    says: /holds evidence/,
    evidence: () => withStore(1, () => ({ evidenceCount: 1 })),
  },
  {
    what: 'a head on the chain that is no commit of the log',
    kind: 'contradiction',
    says: /the chain holds a head/,
    evidence: () => ({ ...whole, heads: [whole.heads[0]!, { ...whole.heads[1]!, logRoot: other.commitDigest }] }),
  },
]

for (const { what, kind, says, evidence } of DOCTORED)
  test(`the checker refuses ${what}`, async () => {
    const { findings } = await check(evidence())
    assert.ok(
      findings.some((finding) => finding.kind === kind && says.test(finding.what)),
      JSON.stringify(findings),
    )
  })

/** What a committee of four leaves behind that put the fourth out, decided a height more, and retired. */
async function collectEpochs(): Promise<Evidence> {
  const { running, stop } = await startCommittee([0, 1, 2, 3])
  const approveAll = async (command: GovernanceCommand, sequence: bigint, count: number) => {
    const approvals = members.slice(0, count).map(({ signer, secretKey }) => {
      const commands = [encodeGovernanceCommand(command)]
      return signEnvelope({ component, submitter: signer, sequence, commands }, secretKey)
    })
    for (const approval of approvals) await running[0]!.driver.submit(encodeEnvelope(approval))
  }
  const stays = members.slice(0, 3).map(({ signer }) => ({ signer }))
  await running[0]!.driver.submit(encodeEnvelope(createEnvelope(1n, ['{}'])))
  await approveAll({ kind: 'approveRotation', newEpoch: 1n, members: stays }, 1n, 3)
  await running[0]!.driver.submit(encodeEnvelope(createEnvelope(2n, ['{}'])))
  await approveAll({ kind: 'approveRetirement', epoch: 1n, successor: component, reason: 'done' }, 2n, 3)
  while (running.some(({ replica }) => replica.state().governance.retirement === null)) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  stop()
  const stores = running.map(({ dir }, index) =>
    readStoreContent({ name: `member-${index}`, path: join(dir, 'member.sqlite') }),
  )
  const heads = stores[0]!.decisions
    .map(({ record }) => decodeCommitRecord(record).commit)
    .filter(({ anchor }) => anchor)
    .map(({ height, logSize, logRoot, state, timestampMs }, index): Head => {
      const committeeHash = deriveCommitteeHash(stays)
      const place = { anchorIndex: BigInt(index + 1), anchoredAt: 0n, retired: index === 1 }
      return { committeeHash, epoch: 1n, height, logSize, logRoot, state, timestampMs, ...place }
    })
  return { component, signers, stores, acknowledged: [], observed: [], heads: [{ ...heads[0]!, height: 0n }, ...heads] }
}

test('the checker follows a rotation and a retirement, and refuses what does not come of approvals', async () => {
  const epochs = await collectEpochs()
  assert.equal(epochs.heads.length, 3)
  assert.deepEqual((await check(epochs)).findings, [])
  const says = async (evidence: Evidence, pattern: RegExp) => {
    const { findings } = await check(evidence)
    assert.ok(
      findings.some(({ kind, what }) => kind === 'contradiction' && pattern.test(what)),
      JSON.stringify(findings),
    )
  }
  const doctor = (change: (store: StoreContent) => StoreContent): Evidence => ({
    ...epochs,
    stores: epochs.stores.map(change),
  })
  const approvalAt = (store: StoreContent): number =>
    store.decisions.findIndex(({ record }) => decodeCommitRecord(record).commit.next !== ZERO_BYTES32)
  // The approval that ends the epoch is not there; the rotation is.
  const withoutApproval = doctor((store) => ({
    ...store,
    decisions: store.decisions.map((decision, index) =>
      index === approvalAt(store) ? { ...decision, envelopes: decision.envelopes.slice(0, -1) } : decision,
    ),
  }))
  await says(withoutApproval, /its next is not what a quorum approved/)
  await says(withoutApproval, /it is of epoch 1, not 0/)
  // Something stands behind it, and behind the retirement.
  const [stray] = epochs.stores[0]!.decisions[0]!.envelopes
  const withMore = doctor((store) => ({
    ...store,
    decisions: store.decisions.map((decision, index) =>
      index === approvalAt(store) ? { ...decision, envelopes: [...decision.envelopes, stray!] } : decision,
    ),
  }))
  await says(withMore, /an envelope follows what ends its epoch/)
  const afterEnd = doctor((store) => ({ ...store, decisions: [...store.decisions, store.decisions[0]!] }))
  await says(afterEnd, /the component is retired/)
  const [genesis, rotated, retired] = epochs.heads
  await says({ ...epochs, heads: [genesis!, { ...rotated!, committeeHash: other.commitDigest }] }, /the chain holds/)
  await says({ ...epochs, heads: [genesis!, rotated!, { ...retired!, retired: false }] }, /the chain holds/)
  // Of a member that was put out, votes for the new epoch are nothing.
  const observed = [undefined, other.commitDigest].map((commitDigest) =>
    signed(vote({ epoch: 1n, signer: signers[3]!, commitDigest: commitDigest ?? null }), members[3]),
  )
  assert.deepEqual((await check({ ...epochs, observed })).findings, [])
})

test('the checker refuses a store in which one byte of one entry was changed', async () => {
  const db = new DatabaseSync(paths[0]!)
  db.exec("UPDATE entries SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'01' AS BLOB) WHERE position = 4")
  db.close()
  const stores = paths.map((path, index) => readStoreContent({ name: `member-${index}`, path }))
  const kinds = (await check({ ...whole, stores })).findings.map((finding) => finding.kind)
  assert.deepEqual([...new Set(kinds)].sort(), ['lost', 'unproven'])
})
