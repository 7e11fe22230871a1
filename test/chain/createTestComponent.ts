import { type ComponentRegistry, openComponentRegistry } from '../../chain/componentRegistry.ts'
import { deployRegistry } from '../../chain/deployRegistry.ts'
import type { EncodeAnchorParameters, Next } from '../../chain/encodeAnchor.ts'
import type { Head } from '../../chain/head.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { type Commit, ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { hashRetirementMarker, hashRotation } from '../../protocol/wire/next.ts'
import type { TestChain } from './createTestChain.ts'
import { createTestCommittee, type TestCommittee } from './testCommittee.ts'
import { type CreateTestLogParameters, createTestLog, digestOf, type TestLog } from './testLog.ts'

export type Step = {
  /** Leaves that the commit adds; 1 by default. */
  leafCount?: number
  next?: Next
  /** What the commit says otherwise; certified as it then is. */
  commit?: Partial<Commit>
}

/** A registered component with its committee, log and newest head, which makes one honest anchor after the other. */
export type TestComponent = {
  readonly key: Hex
  readonly log: TestLog
  /** The committee of the current epoch. */
  committee: TestCommittee
  head: Head
  registry: ComponentRegistry
  /** All that the next anchor takes: `head`, a commit that extends it, its certificate and proof. */
  prepare(step?: Step): Promise<EncodeAnchorParameters>
  /** Prepares and anchors it, and moves on to the head that results. */
  anchor(step?: Step): Promise<Head>
}

export type CreateTestComponentParameters = CreateTestLogParameters & { memberCount?: number }

export async function createTestComponent(
  testChain: TestChain,
  { name, leaf, memberCount = 4 }: CreateTestComponentParameters,
): Promise<TestComponent> {
  const { address } = await deployRegistry(testChain.sender)
  const registry = await openComponentRegistry(testChain.chain, { address })
  const genesis = createTestCommittee({ name, memberCount })
  const { component: key } = await registry.register(testChain.sender, {
    componentId: digestOf(name),
    members: genesis.members,
  })
  const component: TestComponent = {
    key,
    log: createTestLog({ name, leaf }),
    committee: genesis,
    head: await registry.readHead({ component: key }),
    registry,
    async prepare({ leafCount = 1, next, commit: changes = {} } = {}) {
      const { head, log, committee } = component
      const logSize = Number(head.logSize) + leafCount
      const height = head.height + 1n
      const commit: Commit = {
        component: key,
        epoch: head.epoch,
        height,
        body: digestOf(`body ${height}`),
        logSize: BigInt(logSize),
        logRoot: log.root(logSize),
        state: digestOf(`state ${height}`),
        timestampMs: await testChain.readTimeMs(),
        anchor: true,
        next: hashNext(next, { component: key, epoch: head.epoch, height }),
        ...changes,
      }
      return {
        previous: head,
        certified: { commit, certificate: committee.certify(commit) },
        members: committee.members,
        consistencyProof: log.proveConsistency(Number(head.logSize), logSize),
        next,
      }
    },
    async anchor(step = {}) {
      const { head } = await registry.anchor(testChain.sender, await component.prepare(step))
      component.head = head
      return head
    },
  }
  return component
}

/** `commit.next` for a decision. */
export function hashNext(
  next: Next | undefined,
  { component, epoch, height }: Pick<Commit, 'component' | 'epoch' | 'height'>,
): Hex {
  if (next === undefined) return ZERO_BYTES32
  return next.kind === 'rotation'
    ? hashRotation({ component, newEpoch: epoch + 1n, newCommitteeHash: next.newCommitteeHash })
    : hashRetirementMarker({ component, successor: next.successor, effectiveHeight: height, reason: next.reason })
}
