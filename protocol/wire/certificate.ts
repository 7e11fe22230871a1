import type { Branded, Hex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { type Commit, deriveCommitDigest, derivePrecommitDigest } from './commit.ts'
import { quorumOf } from './committee.ts'
import { recoverSigner, SIGNATURE_SIZE_BYTES } from './signature.ts'

/** Proof that a quorum precommitted one commit in one round (spec §4). */
export type Certificate = {
  /** uint32. */
  round: number
  /** Bit i stands for the i-th signer of the committee, in ascending order of address. */
  signers: bigint
  /** One 64-byte signature for each bit set, lowest bit first. */
  signatures: Hex
}

/** A commit with its certificate, as claimed. */
export type CertifiedCommit = { commit: Commit; certificate: Certificate }

/** A certified commit whose certificate was verified against a committee; only `verifyCertificate` makes one. */
export type VerifiedCommit = Branded<CertifiedCommit & { digest: Hex }, 'VerifiedCommit'>

export class CertificateRefusedError extends CoalitionError {
  constructor({ height, reason }: { height: bigint; reason: string }) {
    super('CERTIFICATE_REFUSED', `The certificate of height ${height} does not hold: ${reason}.`, {
      fix: 'Ask another member for the commit; if they all serve this one, treat the log as untrusted.',
      kind: 'refused',
    })
  }
}

export type VerifyCertificateParameters = CertifiedCommit & {
  /** The committee of the commit's epoch: addresses, strictly ascending. */
  signers: readonly Hex[]
}

/**
 * Verifies that a quorum of `signers` precommitted `commit` in the certificate's round (spec §4).
 *
 * The caller has made sure that `signers` is the committee of the commit's component and epoch.
 *
 * @throws {CertificateRefusedError} too few signers, a bit beyond the committee, a wrong length or a wrong signature.
 */
export function verifyCertificate(parameters: VerifyCertificateParameters): VerifiedCommit {
  const { commit, certificate, signers } = parameters
  const refuse = (reason: string): never => {
    throw new CertificateRefusedError({ height: commit.height, reason })
  }
  const { round, signers: bitmap, signatures } = certificate
  if (bitmap < 0n || bitmap >> BigInt(signers.length) !== 0n) refuse('it names a signer beyond the committee')
  const present = signers.filter((_, index) => (bitmap >> BigInt(index)) & 1n)
  if (present.length < quorumOf(signers.length)) {
    refuse(`${present.length} of ${signers.length} signed and a quorum is ${quorumOf(signers.length)}`)
  }
  if (signatures.length !== 2 + 2 * SIGNATURE_SIZE_BYTES * present.length) refuse('it has not one signature a signer')
  const digest = deriveCommitDigest(commit)
  const precommitDigest = derivePrecommitDigest({ commitDigest: digest, round })
  present.forEach((signer, position) => {
    const from = 2 + 2 * SIGNATURE_SIZE_BYTES * position
    const signature: Hex = `0x${signatures.slice(from, from + 2 * SIGNATURE_SIZE_BYTES)}`
    if (!isSignedBy({ digest: precommitDigest, signature, signer })) refuse(`the signature of ${signer} is not its own`)
  })
  return { commit, certificate, digest } as VerifiedCommit
}

export type CreateCertificateParameters = {
  round: number
  /** The committee, strictly ascending. */
  signers: readonly Hex[]
  /** Signatures by signer; entries of others than `signers` are not looked at. */
  signatures: ReadonlyMap<Hex, Hex>
}

/** Gathers precommit signatures of one commit and round into a certificate; exactly a quorum, lowest index first. */
export function createCertificate({ round, signers, signatures }: CreateCertificateParameters): Certificate {
  let bitmap = 0n
  let concatenated: Hex = '0x'
  let missing = quorumOf(signers.length)
  signers.forEach((signer, index) => {
    const signature = signatures.get(signer)
    if (signature === undefined || missing === 0) return
    bitmap |= 1n << BigInt(index)
    concatenated = `${concatenated}${signature.slice(2)}`
    missing -= 1
  })
  if (missing > 0) throw new RangeError(`${missing} signatures short of a quorum`)
  return { round, signers: bitmap, signatures: concatenated }
}

/** Whether `signature` over `digest` is `signer`'s; a signature that cannot be used is nobody's. */
export function isSignedBy({ digest, signature, signer }: { digest: Hex; signature: Hex; signer: Hex }): boolean {
  try {
    return recoverSigner(digest, signature) === signer
  } catch {
    return false
  }
}
