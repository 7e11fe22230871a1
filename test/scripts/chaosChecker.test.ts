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
import { deriveCommitDigest, derivePrecommitDigest } from '../../protocol/wire/commit.ts'
import { type CommitRecord, decodeCommitRecord, encodeCommitRecord } from '../../protocol/wire/commitRecord.ts'
import { deriveEnvelopeDigest, encodeEnvelope } from '../../protocol/wire/envelope.ts'
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
  const head = { epoch: 0n, height, logSize, logRoot, state, timestampMs } as Head
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

test('the checker refuses a store in which one byte of one entry was changed', async () => {
  const db = new DatabaseSync(paths[0]!)
  db.exec("UPDATE entries SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'01' AS BLOB) WHERE position = 4")
  db.close()
  const stores = paths.map((path, index) => readStoreContent({ name: `member-${index}`, path }))
  const kinds = (await check({ ...whole, stores })).findings.map((finding) => finding.kind)
  assert.deepEqual([...new Set(kinds)].sort(), ['lost', 'unproven'])
})
