import { type Hex, toHex } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/hash.ts'
import { buildLevels } from '../../protocol/log/listProof.ts'
import { completePlan, planConsistency, planInclusion } from '../../protocol/log/proofPlan.ts'
import { hashLeaf } from '../../protocol/log/treeHash.ts'

/** A log whose leaf i is `TestLog.leaf(i)`, at whatever size is asked for. */
export type TestLog = {
  leaf(index: number): Uint8Array
  root(size: number): Hex
  proveConsistency(size1: number, size2: number): Uint8Array[]
  proveInclusion(index: number, size: number): Uint8Array[]
}

export type CreateTestLogParameters = {
  /** Logs of different names share no leaf. */
  name: string
  /** The leaf at an index, where the name's own will not do. */
  leaf?: ((index: number) => Uint8Array) | undefined
}

export function createTestLog({ name, leaf = namedLeaf(name) }: CreateTestLogParameters): TestLog {
  const levelsOf = new Map<number, ReturnType<typeof buildLevels>>()
  const levels = (size: number) => {
    const known = levelsOf.get(size)
    if (known !== undefined) return known
    const built = buildLevels(Array.from({ length: size }, (_, index) => hashLeaf(leaf(index))))
    levelsOf.set(size, built)
    return built
  }
  const read = (size: number) => (node: { level: number; index: bigint }) =>
    levels(size)[node.level]![Number(node.index)]!

  return {
    leaf,
    root: (size) => (size === 0 ? toHex(sha256(new Uint8Array(0))) : toHex(levels(size).at(-1)![0]!)),
    proveConsistency: (size1, size2) =>
      size1 === 0 ? [] : completePlan(planConsistency({ size1: BigInt(size1), size2: BigInt(size2) }), read(size2)),
    proveInclusion: (index, size) =>
      completePlan(planInclusion({ index: BigInt(index), size: BigInt(size) }), read(size)),
  }
}

const namedLeaf =
  (name: string) =>
  (index: number): Uint8Array =>
    new TextEncoder().encode(`${name} ${index}`)

/** The 32 bytes that stand for a name, where a test needs some hash. */
export const digestOf = (name: string): Hex => toHex(sha256(new TextEncoder().encode(name)))

/** RFC 9162 root over leaf hashes. */
export const deriveRoot = (leafHashes: readonly Uint8Array[]): Hex => toHex(buildLevels(leafHashes).at(-1)![0]!)
