import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { ComponentState } from '../../../committee/execution.ts'
import { DEFAULT_TIMEOUTS } from '../../../committee/timeouts.ts'
import { chronicle as machine } from '../../../modules/chronicle/machine.ts'
import type { Hex } from '../../../protocol/bytes.ts'
import type { Machine } from '../../../protocol/machine.ts'
import { encodeChronicleCommand } from '../../../protocol/wire/chronicleCommand.ts'
import { type ChronicleParameters, encodeChronicleParameters } from '../../../protocol/wire/chronicleParameters.ts'
import { type SignedEnvelope, signEnvelope } from '../../../protocol/wire/envelope.ts'
import { signDigest } from '../../../protocol/wire/signature.ts'
import { createDriver, type Driver, type DriverDependencies } from '../../../workers/member/driver.ts'
import { openReplica, type Replica } from '../../../workers/member/replica.ts'
import { initStore, openStore, type Store } from '../../../workers/member/store.ts'
import type { Transport } from '../../../workers/member/transport.ts'
import { createTestMembers } from '../../protocol/wire/members.ts'
import { createMemoryNetwork } from './memoryTransport.ts'

export const component: Hex = `0x${'c0'.repeat(32)}`
const testComponent = component
export const members = createTestMembers(4)
export const signers = members.map(({ signer }) => signer)
export const submitter = createTestMembers(5).find(({ signer }) => !signers.includes(signer))!
export const parameters: ChronicleParameters = {
  submitters: [submitter.signer],
  anchorEveryCommits: 1000,
  anchorEverySeconds: 1000,
}

/** One envelope of the authorised submitter, a statement a text. */
export const createEnvelope = (
  sequence: bigint,
  texts: readonly string[],
  key = submitter,
  of: Hex = component,
): SignedEnvelope =>
  signEnvelope(
    {
      component: of,
      submitter: key.signer,
      sequence,
      commands: texts.map((text) =>
        encodeChronicleCommand({ kind: 'recordStatement', statement: new TextEncoder().encode(text) }),
      ),
    },
    key.secretKey,
  )

export type TestMemberOf<State> = {
  signer: Hex
  dir: string
  driver: Driver
  replica: Replica<State>
  store: Store
  faults: unknown[]
  /** Signatures that its key has given since it was started. */
  signedCount(): number
  /** Ends it as a kill does: nothing is flushed that was not durable. */
  kill(): void
}
export type TestMember = TestMemberOf<ReturnType<typeof machine.genesis>>

const root = mkdtempSync(join(tmpdir(), 'coalition-test-'))
process.once('exit', () => rmSync(root, { recursive: true, force: true }))

/** A folder that is removed when the test process ends. */
export const createTestDir = (): string => mkdtempSync(join(root, 'case-'))

export type StartOptions = {
  index: number
  dir: string
  transport: Transport
  component?: Hex
  committee?: readonly Hex[]
  isNew?: boolean
  /** What it takes for the time. */
  clock?: { nowMs(): number }
  /** Its key, where it is none of `members`. */
  key?: (typeof members)[number]
  /** Makes what admits peers, once its state and store are there. */
  gateOf?: (own: {
    replica: { state(): ComponentState<unknown> }
    store: Store
  }) => DriverDependencies<unknown>['createGate']
}

/** Starts member `index` of a Chronicle on the store in `dir`, which is made on the first start. */
export const startTestMember = (options: StartOptions & { parameters?: ChronicleParameters }): Promise<TestMember> =>
  startMemberOf(machine, { ...options, encoded: encodeChronicleParameters(options.parameters ?? parameters) })

/** Starts a member of a component of any kind, `encoded` its parameters. */
export async function startMemberOf<State>(
  machine: Machine<State>,
  options: StartOptions & { encoded: Uint8Array },
): Promise<TestMemberOf<State>> {
  const { index, dir, transport, isNew = true, component = testComponent, committee = signers, encoded } = options
  const { clock = { nowMs: Date.now } } = options
  const { signer, secretKey } = options.key ?? members[index]!
  if (isNew) initStore({ dir, component, signer })
  const store = openStore({ dir, component, signer })
  const replica = openReplica(
    { machine, store },
    { component, parameters: encoded, members: committee.map((member) => ({ signer: member })) },
  )
  const faults: unknown[] = []
  let signedCount = 0
  const driver = createDriver(
    {
      machine,
      replica,
      store,
      transport,
      logger: pino({ level: 'silent' }),
      clock,
      createGate: options.gateOf?.({ replica, store }),
      sign: (digest) => {
        signedCount += 1
        return signDigest(digest, secretKey)
      },
      onFatal: (error) => faults.push(error),
    },
    { seat: { component, self: signer, timeouts: DEFAULT_TIMEOUTS } },
  )
  await driver.start()
  const kill = (): void => {
    driver.stop()
    store.close()
    void transport.close()
  }
  return { signer, dir, driver, replica, store, faults, signedCount: () => signedCount, kill }
}

/** Members `indexes` of the committee on one in-memory network, each with a store of its own. */
export async function startCommittee(
  indexes: readonly number[] = [0, 1, 2, 3],
  over: Partial<ChronicleParameters> = {},
  of: Hex = component,
) {
  const network = createMemoryNetwork()
  const dir = createTestDir()
  const start = (index: number, isNew = true): Promise<TestMember> =>
    startTestMember({
      index,
      dir: join(dir, String(index)),
      transport: network.connect(index),
      parameters: { ...parameters, ...over },
      component: of,
      isNew,
    })
  const running = await Promise.all(indexes.map((index) => start(index)))
  return {
    network,
    running,
    start,
    stop: () => {
      for (const member of running) member.kill()
    },
  }
}
