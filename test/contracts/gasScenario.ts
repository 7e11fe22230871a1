import { encodeFunctionData } from 'viem'
import { COMPONENT_REGISTRY_ADDRESS } from '../../chain/addresses.ts'
import { openComponentRegistry } from '../../chain/componentRegistry.ts'
import { deployRegistry } from '../../chain/deployRegistry.ts'
import { type EncodeAnchorParameters, encodeAnchor, type Next } from '../../chain/encodeAnchor.ts'
import { componentRegistryAbi as abi } from '../../chain/generated/componentRegistry.ts'
import type { Head } from '../../chain/head.ts'
import { fromHex, type Hex, toHex } from '../../protocol/bytes.ts'
import { buildLevels, type TreeLevels } from '../../protocol/log/listProof.ts'
import { completePlan, planConsistency } from '../../protocol/log/proofPlan.ts'
import { deriveDetails, quorumOf } from '../../protocol/wire/committee.ts'
import type { TestChain } from '../chain/createTestChain.ts'
import { hashNext } from '../chain/createTestComponent.ts'
import { createTestCommittee } from '../chain/testCommittee.ts'
import { digestOf } from '../chain/testLog.ts'

/** Leaves that an anchor of the scenario adds: what makes a proof short is that sizes are multiples of it. */
export const STEP_LEAVES = 256

/** Anchors before the measured one: a lap of the ring of eight and one more, so that every position was written. */
const WARM_UP_ANCHORS = 9

/** What one measured anchor cost, and the least that any contract could have been paid for the same call. */
export type AnchorCost = { gasUsed: bigint; floorGas: bigint; calldata: Hex }

export type MeasureAnchorParameters = {
  memberCount: number
  /** Leaves before; a multiple of 256. The anchor adds 256. */
  logSize: number
  next?: Next
}

/**
 * Gas of one anchor, whole transaction from its receipt: warm ring, exactly a quorum signing, 256 new leaves.
 *
 * All sizes being multiples of 256, no proof goes below the tree's eighth level, so that the log can begin there: its
 * nodes are hashes of nothing, as they are to the contract.
 */
export async function measureAnchor(world: TestChain, parameters: MeasureAnchorParameters): Promise<AnchorCost> {
  const { memberCount, logSize, next } = parameters
  const name = `gas ${memberCount} ${logSize} ${next?.kind ?? 'plain'}`
  const { address } = await deployRegistry(world.sender)
  const registry = await openComponentRegistry(world.chain, { address })
  const committee = createTestCommittee({ name, memberCount })
  const { component } = await registry.register(world.sender, {
    componentId: digestOf(name),
    members: committee.members,
  })
  const log = createBlockLog({ name, blockCount: logSize / STEP_LEAVES + 1 })

  const prepare = async (previous: Head, blockCount: number, decision?: Next): Promise<EncodeAnchorParameters> => {
    const height = previous.height + 1n
    const commit = {
      component,
      epoch: previous.epoch,
      height,
      body: digestOf(`${name} body ${height}`),
      logSize: BigInt(blockCount * STEP_LEAVES),
      logRoot: log.root(blockCount),
      state: digestOf(`${name} state ${height}`),
      timestampMs: await world.readTimeMs(),
      anchor: true,
      next: hashNext(decision, { component, epoch: previous.epoch, height }),
    }
    return {
      previous,
      certified: { commit, certificate: committee.certify(commit) },
      members: committee.members,
      consistencyProof: log.proveConsistency(Number(previous.logSize) / STEP_LEAVES, blockCount),
      next: decision,
    }
  }

  let head = await registry.readHead({ component })
  const blockCount = logSize / STEP_LEAVES
  for (let missing = WARM_UP_ANCHORS - 1; missing >= 0; missing--) {
    head = (await registry.anchor(world.sender, await prepare(head, blockCount - missing))).head
  }
  const measured = await prepare(head, blockCount + 1, next)
  const calldata = encodeFunctionData({ abi, functionName: 'anchor', args: [encodeAnchor(measured)] })
  const { gasUsed } = await registry.anchor(world.sender, measured)
  return {
    gasUsed,
    calldata,
    floorGas: deriveFloorGas(calldata, { memberCount, hashCount: countHashes(logSize, logSize + STEP_LEAVES) }),
  }
}

/** Gas of `verifyCertificate` as a transaction of its own, and the formula that bounds it. */
export async function measureCertificate(
  world: TestChain,
  { memberCount }: { memberCount: number },
): Promise<{ gasUsed: bigint; formulaGas: bigint }> {
  const name = `gas certificate ${memberCount}`
  const { address } = await deployRegistry(world.sender)
  const registry = await openComponentRegistry(world.chain, { address })
  const committee = createTestCommittee({ name, memberCount })
  const { component } = await registry.register(world.sender, {
    componentId: digestOf(name),
    members: committee.members,
  })
  const commit = {
    component,
    epoch: 0n,
    height: 1n,
    body: digestOf(`${name} body`),
    logSize: 256n,
    logRoot: digestOf(`${name} root`),
    state: digestOf(`${name} state`),
    timestampMs: await world.readTimeMs(),
    anchor: true,
    next: `0x${'00'.repeat(32)}`,
  } as const
  const { round, signers, signatures } = committee.certify(commit)
  const quorum = quorumOf(memberCount)
  const absentees = committee.signers.slice(quorum)
  const certificate = { round, signers, signatures, absentees, details: deriveDetails(committee.members) }
  const head = await registry.readHead({ component })
  const data = encodeFunctionData({ abi, functionName: 'verifyCertificate', args: [head, commit, certificate] })
  const { gasUsed } = await world.sender.send({ to: COMPONENT_REGISTRY_ADDRESS, data })
  return { gasUsed, formulaGas: 21_000n + priceCalldata(data) + 4_200n + 3_100n * BigInt(quorum) }
}

/** 16 gas a byte, 4 a zero byte (EIP-2028). */
export function priceCalldata(data: Hex): bigint {
  return countTokens(data) * 4n
}

/** The least that EIP-7623 lets a transaction of this calldata cost: 10 gas a token over the base. */
export const priceFloorEip7623 = (data: Hex): bigint => 21_000n + 10n * countTokens(data)

/** Zero bytes count once, others four times (EIP-7623). */
function countTokens(data: Hex): bigint {
  return fromHex(data).reduce((tokens, byte) => tokens + (byte === 0 ? 1n : 4n), 0n)
}

const ECRECOVER_GAS = 3_000n
const SHA256_TWO_NODES_GAS = 60n + 3n * 12n
const WARM_CALL_GAS = 100n
const COLD_READ_GAS = 2_100n
const OVERWRITE_GAS = 2_900n
/** Base, two topics, and six words: the commit's digest and the head. */
const EVENT_GAS = 375n + 2n * 375n + 8n * 192n

/**
 * The least that this call could cost any contract with these checks and this event: the larger of the transaction's
 * standard price, with its precompiles, storage and log and no code at all, and of EIP-7623's floor.
 *
 * Storage: two words of the ring are read (the head's and the one after, which is then overwritten).
 */
function deriveFloorGas(data: Hex, { memberCount, hashCount }: { memberCount: number; hashCount: number }): bigint {
  const standard =
    21_000n +
    priceCalldata(data) +
    BigInt(quorumOf(memberCount)) * (ECRECOVER_GAS + WARM_CALL_GAS) +
    BigInt(hashCount) * (SHA256_TWO_NODES_GAS + WARM_CALL_GAS) +
    2n * COLD_READ_GAS +
    OVERWRITE_GAS +
    EVENT_GAS
  const floor = priceFloorEip7623(data)
  return standard > floor ? standard : floor
}

/** How many nodes a verifier hashes to lead both sizes to their roots (RFC 9162 §2.1.4.2). */
function countHashes(oldSize: number, newSize: number): number {
  const subtreeSize = oldSize & -oldSize
  let [fn, sn] = [oldSize / subtreeSize - 1, Math.floor((newSize - 1) / subtreeSize)]
  let hashCount = 0
  for (; fn !== sn; fn >>= 1, sn >>= 1) hashCount += 1 + (fn & 1)
  for (; fn !== 0; fn &= fn - 1) hashCount += 2
  return hashCount
}

type BlockLog = { root(blockCount: number): Hex; proveConsistency(count1: number, count2: number): Uint8Array[] }

/** A log seen from its eighth level: block i stands for the 256 leaves from 256 × i on. */
function createBlockLog({ name, blockCount }: { name: string; blockCount: number }): BlockLog {
  const blocks = Array.from({ length: blockCount }, (_, index) => fromHex(digestOf(`${name} ${index}`)))
  const levels = new Map<number, TreeLevels>()
  const levelsOf = (count: number): TreeLevels => {
    const known = levels.get(count) ?? buildLevels(blocks.slice(0, count))
    levels.set(count, known)
    return known
  }
  return {
    root: (count) => toHex(levelsOf(count).at(-1)![0]!),
    proveConsistency: (count1, count2) =>
      count1 === 0
        ? []
        : completePlan(
            planConsistency({ size1: BigInt(count1), size2: BigInt(count2) }),
            ({ level, index }) => levelsOf(count2)[level]![Number(index)]!,
          ),
  }
}
