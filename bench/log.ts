import { sha256 } from '../protocol/hash.ts'
import { appendToTiles } from '../protocol/log/appendToTiles.ts'
import { appendLeafHash, appendLeafHashes, type CompactRange, EMPTY_RANGE } from '../protocol/log/compactRange.ts'
import { type ProofPlan, planConsistency, planInclusion, planRange } from '../protocol/log/proofPlan.ts'
import { cutTile, type Tile } from '../protocol/log/tile.ts'
import { completeFromTiles, tilesOf } from '../protocol/log/tileProof.ts'
import { hashLeaf } from '../protocol/log/treeHash.ts'
import { rootOfRange } from '../protocol/log/treeRoot.ts'
import { verifyConsistency } from '../protocol/log/verifyConsistency.ts'
import { verifyInclusion } from '../protocol/log/verifyInclusion.ts'
import { type Figure, measureRate } from './measure.ts'

const SIZE = 2 ** 20
/** Leaves appended in one go: enough that a run outlasts the clock's grain, few enough to stay in cache. */
const PART = 2 ** 14
const SAMPLES = 256

/** Speed of the Merkle log, beside the raw hash rate of the same run: the machine's noise is in both. */
export async function benchLog(): Promise<Figure[]> {
  const leafHashes = Array.from({ length: PART }, (_, i) => hashLeaf(Uint8Array.of(i, i >> 8)))
  const entry = new Uint8Array(256)
  return [
    perSecond('raw sha256 (33 B)', () => hashEach(33)),
    perSecond('raw sha256 (65 B)', () => hashEach(65)),
    perSecond('leaf appends', () => appendLeafHashes(EMPTY_RANGE, leafHashes)),
    perSecond('leaf appends, one by one', () => leafHashes.reduce(appendLeafHash, EMPTY_RANGE)),
    perSecond('leaf appends, with the tiles to store', () => appendToTiles(EMPTY_RANGE, leafHashes)),
    perSecond('entries of 256 B hashed and appended', () => {
      appendLeafHashes(
        EMPTY_RANGE,
        leafHashes.map(() => hashLeaf(entry)),
      )
    }),
    ...benchProofs(buildLog(leafHashes)),
  ]
}

/** From leaves and older sizes all over the log: round ones have proofs of a few hashes. */
function benchProofs(log: ReturnType<typeof buildLog>): Figure[] {
  const size = BigInt(SIZE)
  const root = log.rootAt(size)
  const samples = Array.from({ length: SAMPLES }, (_, i) => {
    const index = BigInt((i * 2_654_435_761) % SIZE)
    const size1 = index + 1n
    return {
      inclusion: { index, size, root, leafHash: log.leafAt(index), proof: log.prove(planInclusion({ index, size })) },
      consistency: {
        size1,
        root1: log.rootAt(size1),
        size2: size,
        root2: root,
        proof: log.prove(planConsistency({ size1, size2: size })),
      },
    }
  })
  let next = 0
  const sample = () => samples[next++ % SAMPLES]!
  return [
    microseconds('inclusion proof generated at 2^20, from tiles', () => log.prove(planInclusion(sample().inclusion))),
    microseconds('inclusion proof verified at 2^20', () => verifyInclusion(sample().inclusion)),
    microseconds('consistency proof generated at 2^20, from tiles', () =>
      log.prove(planConsistency(sample().consistency)),
    ),
    microseconds('consistency proof verified at 2^20', () => verifyConsistency(sample().consistency)),
  ]
}

/** A rate of single hashes or leaves; `run` does `PART` of them. */
const perSecond = (name: string, run: () => unknown): Figure => ({ name, value: PART * measureRate(run), unit: '1/s' })

const microseconds = (name: string, run: () => unknown): Figure => ({ name, value: 1e6 / measureRate(run), unit: 'µs' })

function hashEach(sizeBytes: number): Uint8Array[] {
  const message = new Uint8Array(sizeBytes)
  return Array.from({ length: PART }, (_, i) => {
    message[1] = i
    message[2] = i >> 8
    return sha256(message)
  })
}

/** A log of 2^20 leaves as tiles in memory: `leafHashes` over and over. */
function buildLog(leafHashes: readonly Uint8Array[]) {
  const tiles = new Map<string, Uint8Array>()
  let range: CompactRange = EMPTY_RANGE
  while (range.size < BigInt(SIZE)) {
    const appended = appendToTiles(range, leafHashes)
    for (const { level, index, hashes } of appended.appends) {
      const stored = tiles.get(`${level}/${index}`) ?? new Uint8Array(0)
      const longer = new Uint8Array(stored.length + hashes.length)
      longer.set(stored)
      longer.set(hashes, stored.length)
      tiles.set(`${level}/${index}`, longer)
    }
    range = appended.range
  }
  const read = ({ level, index, width }: Tile): Uint8Array => cutTile(tiles.get(`${level}/${index}`)!, width)
  const prove = (plan: ProofPlan): Uint8Array[] => completeFromTiles(plan, tilesOf(plan).map(read))
  return {
    prove,
    leafAt: (index: bigint): Uint8Array => leafHashes[Number(index) % leafHashes.length]!,
    rootAt: (size: bigint): Uint8Array => rootOfRange({ size, hashes: prove(planRange({ size })) }),
  }
}
