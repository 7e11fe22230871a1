import { isEqualBytes } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { assertLogSize } from './logSize.ts'
import { ProofLengthError } from './proofLength.ts'
import { assertHash, hashNode } from './treeHash.ts'

export class ConsistencyNotProvenError extends CoalitionError {
  constructor({ size1, size2 }: { size1: bigint; size2: bigint }) {
    super('CONSISTENCY_NOT_PROVEN', `The proof does not show that ${size2} leaves begin with the same ${size1}.`, {
      fix: 'Treat the newer head as a rewritten log and keep both heads as evidence. Check that sizes, roots and proof belong together.',
      kind: 'refused',
    })
  }
}

export class LogShrinksError extends CoalitionError {
  constructor({ size1, size2 }: { size1: bigint; size2: bigint }) {
    super('LOG_SHRINKS', `From ${size1} to ${size2} leaves a log does not grow.`, {
      fix: 'Give the older head first; a log never gets smaller.',
      kind: 'refused',
    })
  }
}

export class EmptyLogConsistencyError extends CoalitionError {
  constructor() {
    super('EMPTY_LOG_CONSISTENCY', 'Every log begins with the empty one: from size 0 there is nothing to prove.', {
      fix: 'Treat the first head as its own case: verifyGrowth does.',
    })
  }
}

/**
 * @throws {InvalidLogSizeError} a size is not a uint64.
 * @throws {LogShrinksError} `size2` is less than `size1`.
 * @throws {EmptyLogConsistencyError} `size1` is 0 and `size2` is not.
 */
export function assertGrows({ size1, size2 }: { size1: bigint; size2: bigint }): void {
  assertLogSize(size1, 'size1')
  assertLogSize(size2, 'size2')
  if (size2 < size1) throw new LogShrinksError({ size1, size2 })
  if (size1 === 0n && size2 !== 0n) throw new EmptyLogConsistencyError()
}

export type VerifyConsistencyParameters = {
  /** Leaves of the older log, 1 to `size2`; 0 only where `size2` is 0 too. */
  size1: bigint
  /** Root of the older log. */
  root1: Uint8Array
  /** Leaves of the newer log. */
  size2: bigint
  /** Root of the newer log. */
  root2: Uint8Array
  /** RFC 9162 §2.1.4.1; empty where the sizes are equal. */
  proof: readonly Uint8Array[]
}

/**
 * Verifies that the log under `root2` begins with all of the log under `root1`, by the steps of RFC 9162 §2.1.4.2.
 *
 * @throws {InvalidLogSizeError} a size is not a uint64.
 * @throws {LogShrinksError} `size2` is less than `size1`.
 * @throws {EmptyLogConsistencyError} `size1` is 0 and `size2` is not; see `verifyGrowth`.
 * @throws {HashLengthError} a root or a hash of the proof is not 32 bytes.
 * @throws {ProofLengthError} the proof is longer or shorter than the sizes ask for.
 * @throws {ConsistencyNotProvenError} it leads to other roots.
 */
export function verifyConsistency(parameters: VerifyConsistencyParameters): void {
  const { size1, root1, size2, root2, proof } = parameters
  assertGrows({ size1, size2 })
  assertHash(root1, 'root1')
  assertHash(root2, 'root2')
  if (size1 === size2) {
    if (proof.length !== 0) throw new ProofLengthError({ length: proof.length })
    if (!isEqualBytes(root1, root2)) throw new ConsistencyNotProvenError({ size1, size2 })
    return
  }
  let fn = size1 - 1n
  let sn = size2 - 1n
  while ((fn & 1n) === 1n) {
    fn >>= 1n
    sn >>= 1n
  }
  // fn is 0 just where size1 is a power of two: the older log is one complete subtree and its root begins the path.
  const path = fn === 0n ? [root1, ...proof] : proof
  const [first, ...rest] = path
  if (first === undefined) throw new ProofLengthError({ length: proof.length })
  assertHash(first, 'proof')
  let older = first
  let newer = first
  for (const sibling of rest) {
    if (sn === 0n) throw new ProofLengthError({ length: proof.length })
    assertHash(sibling, 'proof')
    if ((fn & 1n) === 1n || fn === sn) {
      older = hashNode(sibling, older)
      newer = hashNode(sibling, newer)
      // A right edge without a sibling at this level: up to where it has one.
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n
        sn >>= 1n
      }
    } else newer = hashNode(newer, sibling)
    fn >>= 1n
    sn >>= 1n
  }
  if (sn !== 0n) throw new ProofLengthError({ length: proof.length })
  if (!isEqualBytes(older, root1) || !isEqualBytes(newer, root2)) throw new ConsistencyNotProvenError({ size1, size2 })
}
