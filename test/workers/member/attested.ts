import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { deriveBindingReportData } from '../../../protocol/attestation/binding.ts'
import { decodePolicy } from '../../../protocol/attestation/policy.ts'
import { createQuoteVerifier } from '../../../protocol/attestation/verifyQuote.ts'
import { fromHex, type Hex } from '../../../protocol/bytes.ts'
import { encodeEnvelope, type SignedEnvelope, signEnvelope } from '../../../protocol/wire/envelope.ts'
import { encodeGovernanceCommand, type GovernanceCommand } from '../../../protocol/wire/governance.ts'
import { signDigest } from '../../../protocol/wire/signature.ts'
import { createAttestationProcessor } from '../../../workers/attestation/processor.ts'
import { type AdmitPeersDependencies, admitPeers } from '../../../workers/member/admitPeers.ts'
import { decodeFrame, encodeFrame, type Frame } from '../../../workers/member/frame.ts'
import { derivePeerFrameDigest, type Nonce } from '../../../workers/member/peerFrame.ts'
import type { TicketSources } from '../../../workers/member/presenter.ts'
import type { Transport } from '../../../workers/member/transport.ts'
import { createWorld, NOW_MS, type WorldChanges } from '../../protocol/attestation/factory/world.ts'
import { createTestMembers } from '../../protocol/wire/members.ts'
import { component, createTestDir, startTestMember, submitter, type TestMember } from './chronicle-of-tests.ts'
import { createMemoryNetwork } from './memoryTransport.ts'

/** What members bind to: survives rotations, as the key does not (spec §3). */
export const componentId: Hex = `0x${'1d'.repeat(32)}`
const pin = { mrTd: `0x${'11'.repeat(48)}`, rtMr: ['a0', 'a1', 'a2'].map((byte) => `0x${byte.repeat(48)}`) }
export const policy = decodePolicy({ measurements: [pin] })
export const rules = [{ class: 'tdx', policy }] as const
/** The platform and its collateral: every quote of these tests is of it, under a root that production has never heard of. */
export const platform = createWorld()
/** The keys of everybody: the first four are the first committee. */
export const keys = createTestMembers(9).filter(({ signer }) => signer !== submitter.signer)
export const signersOf = (indexes: readonly number[]): Hex[] => indexes.map((index) => keys[index]!.signer)
export const FIRST = [0, 1, 2, 3]

/** A quote over `reportData` by that platform. */
export const quoteOf = (reportData: Hex, changes: WorldChanges = {}): Uint8Array =>
  createWorld({
    rootDer: platform.certificates.root,
    ...changes,
    report: { reportData: fromHex(reportData), ...changes.report },
  }).quote

export const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10))
}

export type StartAttested = {
  isNew?: boolean
  transport?: Transport
  sources?: TicketSources
  verify?: AdmitPeersDependencies<unknown>['verify']
  blocks?: AdmitPeersDependencies<unknown>['blocks']
}

/** A network of members that admit each other by quotes, and clocks that a test can move. */
export function createAttestedWorld({ of = component }: { of?: Hex } = {}) {
  const network = createMemoryNetwork()
  const dir = createTestDir()
  const offset = { ms: NOW_MS - Date.now() }
  const passed = { ms: 0 }
  const clock = { nowMs: () => Date.now() + offset.ms }
  const monotonic = { nowMs: () => performance.now() + passed.ms }
  const running = new Map<number, TestMember>()
  const alarms: { by: number; signer: Hex }[] = []
  const judge = (secretKey: Uint8Array) => {
    const process = createAttestationProcessor(
      { collaterals: { fetch: async () => platform.collateral }, clock, secretKey },
      { component: of, policy, verifier: createQuoteVerifier({ root: platform.root }) },
    )
    return async (quotes: readonly Uint8Array[]) => (await process(quotes)).verdicts
  }
  /** Logs nowhere, and keeps what asks for a rotation. */
  const loggerOf = (by: number) =>
    pino(
      { level: 'error' },
      new Writable({
        write(line, _encoding, done) {
          const { signer, msg } = JSON.parse(String(line)) as { signer?: Hex; msg: string }
          if (signer !== undefined && msg.startsWith('the admission of a member ends')) alarms.push({ by, signer })
          done()
        },
      }),
    )

  async function start(index: number, options: StartAttested = {}): Promise<TestMember> {
    const {
      isNew = true,
      transport = network.connect(index),
      sources = { quote: async (data) => quoteOf(data) },
    } = options
    const key = keys[index]!
    const member = await startTestMember({
      ...{ index, transport, isNew, key, clock, component: of },
      dir: join(dir, String(index)),
      committee: signersOf(FIRST),
      gateOf: ({ replica, store }) =>
        admitPeers(
          {
            ...{ replica, store, clock, monotonic, sources, logger: loggerOf(index) },
            verify: options.verify ?? judge(key.secretKey),
            blocks: options.blocks,
          },
          { componentId, rules },
        ),
    })
    running.set(index, member)
    return member
  }

  const member = (index: number): TestMember => running.get(index)!
  const newestNonce = (): Nonce => {
    const { height, parent, timestampMs } = member(0).replica.state()
    return { digest: parent, height, timeMs: Number(timestampMs) }
  }

  return {
    network,
    clock,
    alarms,
    start,
    member,
    newestNonce,
    /** Lets so much time pass. */
    advance(ms: number): void {
      offset.ms += ms
      passed.ms += ms
    },
    /** Sets everybody's clock, while no time passes. */
    setClocks(ms: number): void {
      offset.ms += ms
    },
    startAll: (indexes: readonly number[] = FIRST) => Promise.all(indexes.map((index) => start(index))),
    admittedBy: (index: number, other: number): boolean =>
      member(index).driver.gate!.stateAdmission(keys[other]!.signer) !== undefined,
    codeAt: (index: number, other: number): string | undefined =>
      member(index)
        .driver.gate!.status()
        .refused.find(({ signer }) => signer === keys[other]!.signer)?.code,
    /** Hands an envelope to a member again and again until it is acknowledged, as a queue would. */
    async submit(index: number, envelope: SignedEnvelope) {
      for (;;) {
        try {
          return await member(index).driver.submit(encodeEnvelope(envelope))
        } catch (error) {
          if (!(error as { isRetryable?: boolean }).isRetryable) throw error
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      }
    },
    /** Somebody with a key and a place on the network, who sends what it likes. */
    async connectOutsider(index: number) {
      const { signer, secretKey } = keys[index]!
      const transport = network.connect(index)
      const heard: Frame[] = []
      await transport.listen((bytes) => {
        const frame = decodeFrame(bytes)
        const inner = typeof frame !== 'string' && frame.kind === 'signed' ? decodeFrame(frame.bytes) : frame
        if (typeof inner !== 'string') heard.push(inner)
      })
      const say = (frame: Frame, as: { component?: Hex; signer?: Hex } = {}): Promise<void> => {
        const bytes = encodeFrame(frame)
        const signature = signDigest(derivePeerFrameDigest({ component: as.component ?? of, bytes }), secretKey)
        return transport.broadcast(encodeFrame({ kind: 'signed', signer: as.signer ?? signer, signature, bytes }))
      }
      const ask = () => say({ kind: 'behind', height: 0n, peer: keys[0]!.signer })
      const answersIn = (frames: readonly Frame[]) =>
        frames.flatMap((frame) => {
          if (frame.kind === 'decided') return ['decided']
          return frame.kind === 'unadmitted' && frame.peer === signer ? [frame.code] : []
        })
      return {
        signer,
        heard,
        say,
        transport,
        /** What it was answered: decided heights, or the code of a refusal. */
        answers: () => answersIn(heard),
        ask,
        /** Asks again and again, because a peer is told no more than once a second, and a height is served no more often. */
        async askUntil(answer: string) {
          const before = heard.length
          while (!answersIn(heard.slice(before)).includes(answer)) {
            await ask()
            await new Promise((resolve) => setTimeout(resolve, 50))
          }
        },
        ticket(change: {
          nonce?: Nonce
          notAfterMs?: number
          bindTo?: { componentId?: Hex; signer?: Hex }
          world?: WorldChanges
        }) {
          const { nonce = newestNonce(), bindTo = {}, world = {} } = change
          const notAfterMs = change.notAfterMs ?? clock.nowMs() + 3_600_000
          const binding = { componentId, signer, notAfterMs, nonce: nonce.digest, ...bindTo }
          const quote = quoteOf(deriveBindingReportData(binding), world)
          return { class: 'tdx', quote, notAfterMs, nonce: nonce.digest, nonceHeight: nonce.height } as const
        },
      }
    },
    stop(indexes: readonly number[] = [...running.keys()]) {
      for (const index of indexes) {
        assert.deepEqual(member(index).faults, [])
        member(index).kill()
      }
    },
  }
}

export function approve(index: number, command: GovernanceCommand, of: Hex = component): SignedEnvelope {
  const { signer, secretKey } = keys[index]!
  const commands = [encodeGovernanceCommand(command)]
  return signEnvelope({ component: of, submitter: signer, sequence: 1n, commands }, secretKey)
}

export const rotateTo = (indexes: readonly number[]): GovernanceCommand => ({
  kind: 'approveRotation',
  newEpoch: 1n,
  members: signersOf(indexes).map((signer) => ({ signer })),
})
