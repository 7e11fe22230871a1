import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { type Abi, decodeErrorResult } from 'viem'
import { findRevertData } from '../../chain/connectChain.ts'
import { fromHex, type Hex, toHex } from '../../protocol/bytes.ts'
import { hashLeaf } from '../../protocol/log/treeHash.ts'
import { verifyConsistency } from '../../protocol/log/verifyConsistency.ts'
import { verifyInclusion } from '../../protocol/log/verifyInclusion.ts'
import { createTestChain, type TestChain } from '../chain/createTestChain.ts'
import { createRandom } from '../chain/random.ts'
import { createTestLog, digestOf } from '../chain/testLog.ts'

let world: TestChain
let harness: { address: Hex; abi: Abi }
before(async () => {
  world = await createTestChain()
  harness = await world.deploy('test/contracts/Rfc9162Harness.sol')
})

/** The name of the error that the harness reverts with; undefined where it accepts. */
async function call(functionName: string, args: readonly unknown[]): Promise<string | undefined> {
  try {
    await world.chain.client.readContract({ ...harness, functionName, args })
    return undefined
  } catch (error) {
    const data = findRevertData(error)
    assert.ok(data, String(error))
    return decodeErrorResult({ abi: harness.abi, data }).errorName
  }
}

type Proof = readonly Uint8Array[]
const includes = (index: bigint, size: bigint, root: Uint8Array, leafHash: Uint8Array, proof: Proof) =>
  call('requireIncluded', [index, size, toHex(root), toHex(leafHash), proof.map(toHex)])
const extends_ = (size1: bigint, root1: Uint8Array, size2: bigint, root2: Uint8Array, proof: Proof) =>
  call('requireConsistent', [size1, toHex(root1), size2, toHex(root2), proof.map(toHex)])

const readVectors = <T>(name: string): T[] =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../vectors/tlog', name), 'utf8')) as T[]
const bytes = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'))
const isWord = (hash: Uint8Array): boolean => hash.length === 32

type InclusionVector = {
  source: string
  leafIdx: string
  treeSize: string
  root: string
  leafHash: string
  proof: string[] | null
  wantErr: boolean
}
type ConsistencyVector = {
  source: string
  size1: string
  size2: string
  root1: string
  root2: string
  proof: string[] | null
  wantErr: boolean
}

test('requireIncluded: agrees with every inclusion vector that bytes32 can express', async () => {
  let expressed = 0
  for (const vector of readVectors<InclusionVector>('merkle-inclusion.json')) {
    const [root, leafHash] = [bytes(vector.root), bytes(vector.leafHash)]
    const proof = (vector.proof ?? []).map(bytes)
    if (![root, leafHash, ...proof].every(isWord)) continue
    expressed += 1
    const refusal = await includes(BigInt(vector.leafIdx), BigInt(vector.treeSize), root, leafHash, proof)
    assert.equal(refusal !== undefined, vector.wantErr, `${vector.source}: ${refusal}`)
  }
  assert.equal(expressed, 43)
})

test('requireConsistent: agrees with every consistency vector of a growing log that bytes32 can express', async () => {
  let expressed = 0
  for (const vector of readVectors<ConsistencyVector>('merkle-consistency.json')) {
    const [root1, root2] = [bytes(vector.root1), bytes(vector.root2)]
    const proof = (vector.proof ?? []).map(bytes)
    const [size1, size2] = [BigInt(vector.size1), BigInt(vector.size2)]
    // A log that did not grow has no proof here: the registry refuses it by its size.
    if (![root1, root2, ...proof].every(isWord) || (size1 === size2 && !vector.wantErr)) continue
    expressed += 1
    const refusal = await extends_(size1, root1, size2, root2, proof)
    assert.equal(refusal !== undefined, vector.wantErr, `${vector.source}: ${refusal}`)
  }
  assert.equal(expressed, 35)
})

test('agrees with every proof of the generated vectors', async () => {
  const vectors = JSON.parse(readFileSync(join(import.meta.dirname, '../vectors/tlog/generated-600.json'), 'utf8')) as {
    inclusion: GeneratedInclusion[]
    consistency: GeneratedConsistency[]
  }
  for (const { index, size, root, leafHash, proof } of vectors.inclusion) {
    assert.equal(await includes(BigInt(index), BigInt(size), bytes(root), bytes(leafHash), proof.map(bytes)), undefined)
  }
  for (const { size1, size2, root1, root2, proof } of vectors.consistency) {
    if (size1 === size2) continue
    assert.equal(await extends_(BigInt(size1), bytes(root1), BigInt(size2), bytes(root2), proof.map(bytes)), undefined)
  }
})
type GeneratedInclusion = { index: number; size: number; root: string; leafHash: string; proof: string[] }
type GeneratedConsistency = { size1: number; size2: number; root1: string; root2: string; proof: string[] }

/** An RFC 9162 log of given leaves, at each of its sizes: every leaf and every growth. */
async function assertAgreesOnEverySize(leaves: readonly Uint8Array[], rootAt: (size: number) => Uint8Array) {
  const log = createTestLog({ name: 'given', leaf: (index) => leaves[index]! })
  for (let size = 1; size <= leaves.length; size++) {
    const root = rootAt(size)
    for (let index = 0; index < size; index++) {
      const proof = log.proveInclusion(index, size)
      assert.equal(await includes(BigInt(index), BigInt(size), root, hashLeaf(leaves[index]!), proof), undefined)
      const other = hashLeaf(leaves[(index + 1) % leaves.length]!)
      assert.equal(await includes(BigInt(index), BigInt(size), root, other, proof), 'Rfc9162RootMismatch')
    }
    for (let size1 = 1; size1 < size; size1++) {
      const proof = log.proveConsistency(size1, size)
      assert.equal(await extends_(BigInt(size1), rootAt(size1), BigInt(size), root, proof), undefined)
      assert.notEqual(await extends_(BigInt(size1), root, BigInt(size), rootAt(size1), proof), undefined)
    }
  }
}

test('agrees with the reference tree of eight leaves at each of its sizes, and with its hashes of leaves', async () => {
  const tree = JSON.parse(readFileSync(join(import.meta.dirname, '../vectors/tlog/rfc6962-tree8.json'), 'utf8')) as {
    leavesHex: string[]
    rootsHexBySize1to8: string[]
    hashing: { what: string; inputHex?: string; hashHex: string }[]
  }
  await assertAgreesOnEverySize(
    tree.leavesHex.map((hex) => fromHex(`0x${hex}`)),
    (size) => fromHex(`0x${tree.rootsHexBySize1to8[size - 1]}`),
  )
  // The one hash of a node has children of four bytes, which no bytes32 is.
  for (const { inputHex, hashHex } of tree.hashing.filter(({ what }) => what === 'leaf')) {
    const args = [`0x${inputHex}`]
    assert.equal(await world.chain.client.readContract({ ...harness, functionName: 'hashLeaf', args }), `0x${hashHex}`)
  }
})

test('agrees with every checkpoint of a Tessera log', async () => {
  const dir = join(import.meta.dirname, '../vectors/tlog/tessera-log')
  const { entries } = JSON.parse(readFileSync(join(dir, 'keys.json'), 'utf8')) as { entries: string[] }
  const rootAt = (size: number): Uint8Array => {
    const [, shown, root] = readFileSync(join(dir, `checkpoint.${size}`), 'utf8').split('\n')
    assert.equal(Number(shown), size)
    return bytes(root!)
  }
  await assertAgreesOnEverySize(
    entries.map((entry) => new TextEncoder().encode(entry)),
    rootAt,
  )
})

const PAIR_COUNT = 2_000
const PAIR_SIZE_MAX = 600

test('agrees with protocol/log on random pairs, honest and damaged', async () => {
  const random = createRandom()
  const log = createTestLog({ name: 'random pairs' })
  const fromHexRoot = (size: number): Uint8Array => new Uint8Array(Buffer.from(log.root(size).slice(2), 'hex'))
  for (let round = 0; round < PAIR_COUNT; round++) {
    const size2 = 2 + random.below(PAIR_SIZE_MAX - 1)
    const size1 = 1 + random.below(size2 - 1)
    const index = random.below(size2)
    const [root1, root2] = [fromHexRoot(size1), fromHexRoot(size2)]
    const leafHash = hashLeaf(log.leaf(index))
    const compare = async (damage: (typeof DAMAGES)[number]): Promise<void> => {
      const consistency = damage(log.proveConsistency(size1, size2), random)
      const inclusion = damage(log.proveInclusion(index, size2), random)
      const context = `${size1} ${size2} ${index} ${damage.name}, replay with SEED=${random.seed}`
      assert.equal(
        (await extends_(BigInt(size1), root1, BigInt(size2), root2, consistency)) === undefined,
        accepts(() =>
          verifyConsistency({ size1: BigInt(size1), root1, size2: BigInt(size2), root2, proof: consistency }),
        ),
        context,
      )
      assert.equal(
        (await includes(BigInt(index), BigInt(size2), root2, leafHash, inclusion)) === undefined,
        accepts(() =>
          verifyInclusion({ index: BigInt(index), size: BigInt(size2), root: root2, leafHash, proof: inclusion }),
        ),
        context,
      )
    }
    await Promise.all([compare(honest), compare(random.pick(DAMAGES))])
  }
})

function honest(proof: Proof): Proof {
  return proof
}
const DAMAGES: readonly ((proof: Proof, random: ReturnType<typeof createRandom>) => Proof)[] = [
  function shortened(proof) {
    return proof.slice(1)
  },
  function lengthened(proof) {
    return [...proof, new Uint8Array(32)]
  },
  function flipped(proof, random) {
    const at = random.below(Math.max(1, proof.length))
    return proof.map((node, index) => (index === at ? node.map((byte, i) => (i === 31 ? byte ^ 1 : byte)) : node))
  },
  function swapped(proof) {
    return [...proof].reverse()
  },
]

function accepts(run: () => void): boolean {
  try {
    run()
    return true
  } catch {
    return false
  }
}

test('sizes near 2^64 are refused by name, and cost what their levels cost', async () => {
  const root = new Uint8Array(32)
  const nodes = (count: number): Proof => Array.from({ length: count }, () => root)
  const max = 2n ** 64n - 1n
  assert.equal(await extends_(max - 1n, root, max, root, []), 'Rfc9162ProofLengthWrong')
  assert.equal(await extends_(max - 1n, root, max, root, nodes(64)), 'Rfc9162RootMismatch')
  assert.equal(await extends_(max - 1n, root, max, root, nodes(65)), 'Rfc9162ProofLengthWrong')
  assert.equal(await includes(max - 1n, max, root, root, nodes(63)), 'Rfc9162RootMismatch')
  assert.equal(await includes(0n, max, root, root, nodes(64)), 'Rfc9162RootMismatch')
  assert.equal(await includes(0n, max, root, root, nodes(1_000)), 'Rfc9162ProofLengthWrong')
})

test('Rfc9162SizesUnusable: from nothing, to the same size and to a smaller one', async () => {
  const root = new Uint8Array(32)
  for (const [size1, size2] of [
    [0n, 1n],
    [5n, 5n],
    [5n, 4n],
  ] as const) {
    assert.equal(await extends_(size1, root, size2, root, []), 'Rfc9162SizesUnusable')
  }
})

test('Rfc9162IndexOutOfRange: the index is the size, and the log is empty', async () => {
  const root = new Uint8Array(32)
  assert.equal(await includes(3n, 3n, root, root, []), 'Rfc9162IndexOutOfRange')
  assert.equal(await includes(0n, 0n, root, root, []), 'Rfc9162IndexOutOfRange')
})

test('hashLeaf: the hash of RFC 9162 §2.1.1', async () => {
  const leaf = new TextEncoder().encode('leaf')
  const args = [toHex(leaf)]
  assert.equal(
    await world.chain.client.readContract({ ...harness, functionName: 'hashLeaf', args }),
    toHex(hashLeaf(leaf)),
  )
  assert.notEqual(toHex(hashLeaf(leaf)), digestOf('leaf'))
})
