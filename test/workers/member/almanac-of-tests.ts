import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type AlmanacState, almanac } from '../../../modules/almanac/machine.ts'
import type { Hex } from '../../../protocol/bytes.ts'
import { encodeAlmanacParameters } from '../../../protocol/wire/almanacParameters.ts'
import { type AlmanacTick, decodeAlmanacTick } from '../../../protocol/wire/almanacTick.ts'
import { type Commit, deriveCommitDigest } from '../../../protocol/wire/commit.ts'
import { type CommitRecord, decodeCommitRecord } from '../../../protocol/wire/commitRecord.ts'
import { quorumOf } from '../../../protocol/wire/committee.ts'
import { encodeEnvelope, signEnvelope } from '../../../protocol/wire/envelope.ts'
import { encodeGovernanceCommand } from '../../../protocol/wire/governance.ts'
import type { Transport } from '../../../workers/member/transport.ts'
import { createTestMembers } from '../../protocol/wire/members.ts'
import { component, createTestDir, startMemberOf, type TestMemberOf } from './chronicle-of-tests.ts'
import { createMemoryNetwork } from './memoryTransport.ts'

export const keys = createTestMembers(8)
export const signersOf = (indexes: readonly number[]): Hex[] => indexes.map((index) => keys[index]!.signer)
/** The genesis committee. */
export const FIRST = [0, 1, 2, 3]
export const parameters = encodeAlmanacParameters({ tickEveryMs: 150, anchorEveryCommits: 4, anchorEverySeconds: 1000 })

export const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
}

export type AlmanacMember = TestMemberOf<AlmanacState>

/** Members of an Almanac on one in-memory network, each with a store of its own. */
export function createAlmanacWorld({ committee = FIRST }: { committee?: readonly number[] } = {}) {
  const network = createMemoryNetwork()
  const dir = createTestDir()
  const running = new Map<number, AlmanacMember>()
  /** How far a member's clock that was set is ahead of the machine's. */
  const aheadMs = new Map<number, number>()
  const started = new Set<number>()

  const member = (index: number): AlmanacMember => running.get(index)!

  async function start(index: number, transport: Transport = network.connect(index)): Promise<AlmanacMember> {
    const clock = { nowMs: () => Date.now() + (aheadMs.get(index) ?? 0) }
    const seat = { index, dir: dirOf(index), transport, clock, key: keys[index]!, committee: signersOf(committee) }
    const isNew = !started.has(index)
    started.add(index)
    const starting = await startMemberOf(almanac, { ...seat, isNew, encoded: parameters })
    running.set(index, starting)
    return starting
  }

  function kill(...indexes: readonly number[]): void {
    for (const index of indexes) {
      assert.deepEqual(member(index).faults, [])
      member(index).kill()
      running.delete(index)
    }
  }

  const dirOf = (index: number): string => join(dir, String(index))

  return {
    network,
    dirOf,
    member,
    start,
    kill,
    /** Sets the clocks of members, running or not: `ms` ahead of the machine's, negative for behind. */
    setClocks(ms: number, ...indexes: readonly number[]): void {
      for (const index of indexes) aheadMs.set(index, ms)
    },

    /** Its store is there already. */
    adopt: (index: number) => void started.add(index),

    /** Waits until each of the members, or of those that run, is `count` heights further than now. */
    async advance(count: number, indexes: readonly number[] = [...running.keys()]): Promise<void> {
      const from = indexes.map((index) => member(index).replica.state().height)
      await until(() => indexes.every((index, at) => member(index).replica.state().height >= from[at]! + BigInt(count)))
    },

    /** A quorum of `by` decides who the next committee is; resolves when all of them are in its epoch. */
    async rotate(by: readonly number[], to: readonly number[], newEpoch = 1n): Promise<void> {
      const members = signersOf(to).map((signer) => ({ signer }))
      const commands = [encodeGovernanceCommand({ kind: 'approveRotation', newEpoch, members })]
      for (const index of by.slice(0, quorumOf(by.length))) {
        const { signer, secretKey } = keys[index]!
        const envelope = { component, submitter: signer, sequence: newEpoch, commands }
        await member(index).driver.submit(encodeEnvelope(signEnvelope(envelope, secretKey)))
      }
      await until(() => by.every((index) => member(index).replica.state().epoch === newEpoch))
    },

    readRecords: (index: number): CommitRecord[] => readRecords(member(index)),

    /** Every tick in a member's log, each seen by a quorum of the committee that was asked; ends the test where one is not. */
    readTicks(index: number, committees: readonly (readonly number[])[] = [committee]): AlmanacTick[] {
      const { store, replica } = member(index)
      const askedAt = new Map<bigint, Commit>()
      for (const { commit } of readRecords(member(index))) askedAt.set(commit.timestampMs, commit)
      return store.readEntries({ start: 0n, end: replica.state().log.size }).flatMap((entry) => {
        const tick = decodeAlmanacTick(entry)
        if (tick === undefined) return []
        const asked = signersOf(committees[Number(askedAt.get(tick.timestampMs)!.epoch)]!)
        const seen = tick.observedAt.map(({ member: signer }) => signer)
        assert.ok(seen.length >= quorumOf(asked.length), `tick ${tick.seq} was seen by ${seen.length}`)
        assert.ok(seen.every((signer) => asked.includes(signer)))
        for (const { member: signer, observedAtMs } of tick.observedAt) {
          if ([...aheadMs.keys()].some((set) => keys[set]!.signer === signer)) continue
          assert.ok(observedAtMs >= tick.timestampMs - 1_000n && observedAtMs <= BigInt(Date.now()))
        }
        return [tick]
      })
    },

    /** Ends every member; none of them met a fault, and all that share a height have the same commit there. */
    stop(): void {
      const digests = new Map<bigint, Hex>()
      for (const each of running.values()) {
        for (const { commit } of readRecords(each)) {
          const digest = deriveCommitDigest(commit)
          assert.equal(digests.get(commit.height) ?? digest, digest)
          digests.set(commit.height, digest)
        }
      }
      kill(...running.keys())
    },
  }
}

function readRecords({ store, replica }: AlmanacMember): CommitRecord[] {
  const records: CommitRecord[] = []
  for (let height = store.baseHeight() || 1n; height <= replica.state().height; height++) {
    records.push(decodeCommitRecord(store.readRecord(height)!))
  }
  return records
}
