import { isEqualBytes } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { assertLeafIndex } from './logSize.ts'
import { ProofLengthError } from './proofLength.ts'
import { assertHash, hashNode } from './treeHash.ts'

export class InclusionNotProvenError extends CoalitionError {
  constructor({ index, size }: { index: bigint; size: bigint }) {
    super('INCLUSION_NOT_PROVEN', `The proof does not lead from leaf ${index} to the root of ${size} leaves.`, {
      fix: 'Treat the entry as not in the log. Check that leaf, index, size, root and proof are of the same head.',
      kind: 'refused',
    })
  }
}

export type VerifyInclusionParameters = {
  /** Place of the leaf, from 0. */
  index: bigint
  /** Leaves under `root`, 1 to 2^64 − 1. */
  size: bigint
  /** Root that the caller trusts: an anchored head's, or a verified checkpoint's. */
  root: Uint8Array
  /** `hashLeaf(entry)`. Hash the entry yourself: who gives the proof may not also name its leaf. */
  leafHash: Uint8Array
  /** Siblings from the leaf up, RFC 9162 §2.1.3.1. */
  proof: readonly Uint8Array[]
}

/**
 * Verifies that a leaf is under a root, by the steps of RFC 9162 §2.1.3.2.
 *
 * @throws {LeafOutOfRangeError} `index` is not below `size`.
 * @throws {InvalidLogSizeError} `size` is not a uint64.
 * @throws {HashLengthError} root, leaf hash or a hash of the proof is not 32 bytes.
 * @throws {ProofLengthError} the proof is longer or shorter than index and size ask for.
 * @throws {InclusionNotProvenError} it leads to another root.
 */
export function verifyInclusion(parameters: VerifyInclusionParameters): void {
  const { index, size, root, leafHash, proof } = parameters
  assertLeafIndex({ index, size })
  assertHash(root, 'root')
  assertHash(leafHash, 'leafHash')
  let fn = index
  let sn = size - 1n
  let hash = leafHash
  for (const sibling of proof) {
    if (sn === 0n) throw new ProofLengthError({ length: proof.length })
    assertHash(sibling, 'proof')
    if ((fn & 1n) === 1n || fn === sn) {
      hash = hashNode(sibling, hash)
      // A right edge without a sibling at this level: up to where it has one.
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n
        sn >>= 1n
      }
    } else hash = hashNode(hash, sibling)
    fn >>= 1n
    sn >>= 1n
  }
  if (sn !== 0n) throw new ProofLengthError({ length: proof.length })
  if (!isEqualBytes(hash, root)) throw new InclusionNotProvenError({ index, size })
}
