import { assertLogSize } from './logSize.ts'
import { ProofLengthError } from './proofLength.ts'
import { assertHash } from './treeHash.ts'
import { LogShrinksError, type VerifyConsistencyParameters, verifyConsistency } from './verifyConsistency.ts'

/**
 * Verifies one anchor's step, as `ComponentRegistry.anchor` does (spec §7.2): the log has grown, and begins with all
 * that was anchored. From size 0 the proof is empty and `root1` is not looked at: there is only one empty log.
 *
 * @throws {LogShrinksError} `size2` is not greater than `size1`.
 * @throws whatever `verifyConsistency` throws.
 */
export function verifyGrowth(parameters: VerifyConsistencyParameters): void {
  const { size1, size2, root2, proof } = parameters
  assertLogSize(size1, 'size1')
  assertLogSize(size2, 'size2')
  if (size2 <= size1) throw new LogShrinksError({ size1, size2 })
  if (size1 !== 0n) {
    verifyConsistency(parameters)
    return
  }
  assertHash(root2, 'root2')
  if (proof.length !== 0) throw new ProofLengthError({ length: proof.length })
}
