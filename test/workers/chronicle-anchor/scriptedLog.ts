import { pino } from 'pino'
import { encodeParentRecord } from '../../../committee/parentRecord.ts'
import type { Hex } from '../../../protocol/bytes.ts'
import { toHex } from '../../../protocol/bytes.ts'
import { appendToTiles } from '../../../protocol/log/appendToTiles.ts'
import { type CompactRange, EMPTY_RANGE } from '../../../protocol/log/compactRange.ts'
import { hashLeaf } from '../../../protocol/log/treeHash.ts'
import { rootOf, rootOfRange } from '../../../protocol/log/treeRoot.ts'
import {
  type Body,
  type Commit,
  deriveBodyDigest,
  deriveCommitDigest,
  ZERO_BYTES32,
} from '../../../protocol/wire/commit.ts'
import { encodeCommitRecord } from '../../../protocol/wire/commitRecord.ts'
import {
  deriveNextOfRotation,
  encodeCommitteeRotated,
  encodeRetirementMarker,
} from '../../../protocol/wire/governance.ts'
import { hashRetirementMarker } from '../../../protocol/wire/next.ts'
import { startServer } from '../../../workers/member/server.ts'
import { initStore, openStore } from '../../../workers/member/store.ts'
import { createTestCommittee, type TestCommittee } from '../../chain/testCommittee.ts'
import { digestOf } from '../../chain/testLog.ts'
import { createTestDir } from '../member/chronicle-of-tests.ts'

/** A member's store and server, whose heights are decided by the test, with the keys of every epoch's committee. */
export type ScriptedLog = {
  url: string
  /** Decides a height that appends `entries`; marked for the chain unless it says otherwise. */
  decide(entries: readonly string[], options?: { anchor?: boolean }): Commit
  /** Ends the epoch: the next height is the committee's of that name. */
  rotate(committee: { name: string; memberCount: number }): Commit
  retire(marker: { successor: Hex; reason: string }): Commit
  close(): Promise<void>
}

export async function startScriptedLog({
  component,
  committee: genesis,
}: {
  component: Hex
  committee: TestCommittee
}): Promise<ScriptedLog> {
  const identity = { dir: createTestDir(), component, signer: genesis.signers[0]! }
  initStore(identity)
  const store = openStore(identity)
  let committee = genesis
  let epoch = 0n
  let height = 0n
  let parent: Hex = ZERO_BYTES32
  let log: CompactRange = EMPTY_RANGE

  const decideLeaves = (
    leaves: readonly Uint8Array[],
    { anchor = true, next = ZERO_BYTES32 }: { anchor?: boolean; next?: Hex },
  ): Commit => {
    const { range, appends } = appendToTiles(log, leaves.map(hashLeaf))
    height += 1n
    const envelope = new TextEncoder().encode(`envelope ${height}`)
    const root = toHex(rootOf([hashLeaf(envelope)]))
    const body: Body = { parent, batchRoot: root, extensionsRoot: toHex(rootOf([])), machineVersion: 1 }
    const commit: Commit = {
      component,
      epoch,
      height,
      body: deriveBodyDigest(body),
      logSize: range.size,
      logRoot: toHex(rootOfRange(range)),
      state: digestOf(`state ${height}`),
      timestampMs: BigInt(Date.now()),
      anchor,
      next,
    }
    parent = deriveCommitDigest(commit)
    store.decide({
      height,
      record: encodeCommitRecord({ commit, body, certificate: committee.certify(commit) }),
      anchor,
      endsEpoch: next !== ZERO_BYTES32,
      envelopes: [{ digest: parent, bytes: envelope }],
      firstEntry: log.size,
      entries: leaves,
      tiles: appends,
      state: envelope,
      extensions: [],
      parent: encodeParentRecord({ signers: [], extensions: [] }),
    })
    log = range
    return commit
  }

  const server = await startServer(
    {
      logger: pino({ level: 'silent' }),
      view: {
        store,
        checkpoint: () => new Uint8Array(0),
        witnessed: () => undefined,
        size: () => log.size,
        height: () => height,
        extensionsFor: () => [],
        sequence: () => 0n,
        status: () => {
          throw new Error('nobody asks')
        },
      },
    },
    { host: '127.0.0.1', port: 0 },
  )

  return {
    url: server.url,
    decide: (entries, { anchor = true } = {}) =>
      decideLeaves(
        entries.map((text) => new TextEncoder().encode(text)),
        { anchor },
      ),
    rotate(of) {
      const newCommittee = createTestCommittee(of)
      const rotated = { newEpoch: epoch + 1n, members: newCommittee.members }
      const next = deriveNextOfRotation({ component, rotated })
      const commit = decideLeaves([encodeCommitteeRotated(rotated)], { next })
      committee = newCommittee
      epoch += 1n
      return commit
    },
    retire({ successor, reason }) {
      const marker = { component, successor, effectiveHeight: height + 1n, reason }
      return decideLeaves([encodeRetirementMarker(marker)], { next: hashRetirementMarker(marker) })
    },
    async close() {
      await server.close()
      store.close()
    },
  }
}
