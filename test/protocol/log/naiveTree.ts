import { hashEmptyTree, hashLeaf, hashNode } from '../../../protocol/log/treeHash.ts'

/** RFC 9162 word for word, recursive and slow: what the library is held against. All take leaf hashes. */

/** Largest power of two less than `n`; `n` is at least 2. */
function splitPoint(n: number): number {
  let k = 1
  while (2 * k < n) k *= 2
  return k
}

/** MTH(D_n), §2.1.1. */
export function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return hashEmptyTree()
  if (leaves.length === 1) return leaves[0]!
  const k = splitPoint(leaves.length)
  return hashNode(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)))
}

/** PATH(m, D_n), §2.1.3.1. */
export function naivePath(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return []
  const k = splitPoint(leaves.length)
  return m < k
    ? [...naivePath(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
    : [...naivePath(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))]
}

/** PROOF(m, D_n), §2.1.4.1. */
export const naiveProof = (m: number, leaves: readonly Uint8Array[]): Uint8Array[] => naiveSubproof(m, leaves, true)

function naiveSubproof(m: number, leaves: readonly Uint8Array[], isWhole: boolean): Uint8Array[] {
  if (m === leaves.length) return isWhole ? [] : [naiveRoot(leaves)]
  const k = splitPoint(leaves.length)
  return m <= k
    ? [...naiveSubproof(m, leaves.slice(0, k), isWhole), naiveRoot(leaves.slice(k))]
    : [...naiveSubproof(m - k, leaves.slice(k), false), naiveRoot(leaves.slice(0, k))]
}

/** Entry `i` of a log made for a test, as generated-600.json has it. */
export const entryAt = (i: number): Uint8Array => new TextEncoder().encode(`entry-${i}`)

/** Leaf hashes of the first `count` such entries. */
export const leafHashesOf = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => hashLeaf(entryAt(i)))

/** Bytes of base64, as the vectors write them. */
export const fromBase64 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'))

/** Hex, so that a failed comparison shows what differs whatever kind of array holds the bytes. */
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

export const hexesOf = (list: readonly Uint8Array[]): string[] => list.map(hexOf)

/** A copy of `bytes` with one bit turned over: bit `at`, counted around. */
export function flipBit(bytes: Uint8Array, at: number): Uint8Array {
  const flipped = Uint8Array.from(bytes)
  flipped[(at >> 3) % bytes.length]! ^= 1 << (at & 7)
  return flipped
}

/** Every way to get a proof's shape wrong: cut, extended, two neighbours swapped, a hash of another length. */
export function spoilProof(proof: readonly Uint8Array[], stray: Uint8Array): Uint8Array[][] {
  const spoilt = [
    [...proof, stray],
    [stray, ...proof],
    [...proof, new Uint8Array(0)],
  ]
  proof.forEach((hash, position) => {
    const swapped = [...proof]
    const next = (position + 1) % proof.length
    swapped[position] = proof[next]!
    swapped[next] = hash
    spoilt.push(proof.toSpliced(position, 1), proof.with(position, hash.slice(1)), proof.toSpliced(position, 0, hash))
    if (hexOf(hash) !== hexOf(proof[next]!)) spoilt.push(swapped)
  })
  return spoilt
}
