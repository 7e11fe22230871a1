import { createServer, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { pino } from 'pino'
import { createLogReader } from '../../../client/logReader.ts'
import { chronicle as machine } from '../../../modules/chronicle/machine.ts'
import type { Hex } from '../../../protocol/bytes.ts'
import { encodeChronicleParameters } from '../../../protocol/wire/chronicleParameters.ts'
import { type Commit, deriveCommitDigest, ZERO_BYTES32 } from '../../../protocol/wire/commit.ts'
import { decodeCommitRecord } from '../../../protocol/wire/commitRecord.ts'
import { encodeEnvelope, type SignedEnvelope, signEnvelope } from '../../../protocol/wire/envelope.ts'
import { encodeGovernanceCommand, type GovernanceCommand } from '../../../protocol/wire/governance.ts'
import { hasStore, initStore, openStore, type Store } from '../../../workers/member/store.ts'
import { type Synced, syncStore } from '../../../workers/member/sync.ts'
import type { TrustedCommit } from '../../../workers/member/syncTrust.ts'
import { createTestMembers } from '../../protocol/wire/members.ts'
import {
  component,
  createEnvelope,
  createTestDir,
  startTestMember,
  submitter,
  type TestMember,
} from './chronicle-of-tests.ts'
import { createMemoryNetwork } from './memoryTransport.ts'
import { serve } from './serve.ts'

export const keys = createTestMembers(16).filter(({ signer }) => signer !== submitter.signer)
export const signersOf = (indexes: readonly number[]): Hex[] => indexes.map((index) => keys[index]!.signer)
/** The genesis committee. */
export const FIRST = [0, 1, 2, 3]
export const parameters = { submitters: [submitter.signer], anchorEveryCommits: 4, anchorEverySeconds: 1000 }

export const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Members on one network that decide as a test tells them, serve their logs, and sync from others. */
export function createSyncWorld() {
  const network = createMemoryNetwork()
  const dir = createTestDir()
  const running = new Map<number, TestMember>()
  const servers: { close(): Promise<void> }[] = []
  let sequence = 0n
  const approvals = new Map<number, bigint>()

  async function submit(index: number, envelope: SignedEnvelope): Promise<Commit> {
    for (;;) {
      try {
        return (await running.get(index)!.driver.submit(encodeEnvelope(envelope))).record.commit
      } catch (error) {
        if (!(error as { isRetryable?: boolean }).isRetryable) throw error
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }

  function approve(index: number, command: GovernanceCommand): Promise<Commit> {
    const { signer, secretKey } = keys[index]!
    const own = (approvals.get(index) ?? 0n) + 1n
    approvals.set(index, own)
    const commands = [encodeGovernanceCommand(command)]
    return submit(index, signEnvelope({ component, submitter: signer, sequence: own, commands }, secretKey))
  }

  const dirOf = (index: number): string => join(dir, String(index))

  return {
    dirOf,
    member: (index: number): TestMember => running.get(index)!,

    async start(index: number): Promise<TestMember> {
      const folder = dirOf(index)
      const isNew = !hasStore({ dir: folder })
      const seat = { index, dir: folder, transport: network.connect(index), key: keys[index]!, isNew }
      const member = await startTestMember({ ...seat, parameters, committee: signersOf(FIRST) })
      running.set(index, member)
      return member
    },

    kill(index: number): void {
      running.get(index)!.kill()
      running.delete(index)
    },

    /** Decides so many heights of so many entries, one after the other, at a member. @returns the last commit. */
    async decide(index: number, { heights = 1, entries = 1, text = 'entry' } = {}): Promise<Commit> {
      let last: Commit | undefined
      for (let height = 0; height < heights; height++) {
        sequence += 1n
        const texts = Array.from({ length: entries }, (_, position) => `{"${text}":"${sequence}.${position}"}`)
        last = await submit(index, createEnvelope(sequence, texts))
      }
      await until(() => [...running.values()].every(({ replica }) => replica.state().height >= last!.height))
      return last!
    },

    /** A quorum of `by` decides who the next committee is. @returns the commit that ended the epoch. */
    async rotate(by: readonly number[], to: readonly number[], newEpoch: bigint): Promise<Commit> {
      const members = signersOf(to).map((signer) => ({ signer }))
      let last: Commit | undefined
      for (const index of by) last = await approve(index, { kind: 'approveRotation', newEpoch, members })
      await until(() => [...running.values()].every(({ replica }) => replica.state().epoch === newEpoch))
      return last!
    },

    /** A quorum of `by` retires the component. @returns the commit that did it, the last. */
    async retire(by: readonly number[], epoch: bigint): Promise<Commit> {
      let last: Commit | undefined
      for (const index of by) {
        last = await approve(index, { kind: 'approveRetirement', epoch, successor: ZERO_BYTES32, reason: 'done' })
      }
      await until(() => [...running.values()].every(({ replica }) => replica.state().governance.retirement !== null))
      return last!
    },

    async serve(index: number): Promise<string> {
      const server = await serve(running.get(index)!)
      servers.push(server)
      return server.url
    },

    /** What a member decided at a height, as a trusted commit. */
    trust(index: number, height: bigint): TrustedCommit {
      const { commit } = decodeCommitRecord(running.get(index)!.store.readRecord(height)!)
      return { height, digest: deriveCommitDigest(commit) }
    },

    /** Syncs the store of a member that does not run, which is made where there is none. */
    async sync(
      index: number,
      { urls, trusted, timeoutMs = 2_000 }: { urls: readonly string[]; trusted: TrustedCommit; timeoutMs?: number },
    ): Promise<Synced> {
      return await this.withStore(index, (store) =>
        syncStore(
          {
            machine,
            store,
            peers: urls.map((url) => createLogReader({ url, timeoutMs })),
            logger: pino({ level: 'silent' }),
            clock: { nowMs: Date.now },
          },
          {
            component,
            parameters: encodeChronicleParameters(parameters),
            members: signersOf(FIRST).map((signer) => ({ signer })),
            self: keys[index]!.signer,
            trusted,
          },
        ),
      )
    },

    async withStore<T>(index: number, use: (store: Store) => T | Promise<T>): Promise<T> {
      const identity = { dir: dirOf(index), component, signer: keys[index]!.signer, isSyncing: true }
      if (!hasStore(identity)) initStore(identity)
      const store = openStore(identity)
      try {
        return await use(store)
      } finally {
        store.close()
      }
    },

    async stop(): Promise<void> {
      for (const server of servers) await server.close()
      for (const member of running.values()) member.kill()
    },
  }
}

/** What a liar answers: bytes, or a response that it writes itself. */
export type Lie = Uint8Array | string | ((response: ServerResponse) => void)

/**
 * A peer that tells lies: `lie` is given each path and what an honest log serves there, which it may ask of any URL.
 * Where it gives nothing, the answer is that of `url`.
 */
export async function startLiar(
  url: string,
  lie: (
    path: string,
    read: (from?: string, path?: string) => Promise<Uint8Array>,
  ) => Promise<Lie | undefined> | Lie | undefined,
): Promise<{ url: string; close(): void }> {
  const server = createServer(async (request, response) => {
    const path = (request.url ?? '/').slice(1)
    const ask = async (from = url, at = path) => await fetch(`${from}/${at}`)
    const told = await lie(path, async (from, at) => new Uint8Array(await (await ask(from, at)).arrayBuffer()))
    if (typeof told === 'function') return told(response)
    if (told !== undefined) return response.end(told)
    const honest = await ask()
    response.statusCode = honest.status
    return response.end(new Uint8Array(await honest.arrayBuffer()))
  })
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
