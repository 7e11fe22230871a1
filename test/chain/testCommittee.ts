import type { Hex } from '../../protocol/bytes.ts'
import { keccak256 } from '../../protocol/hash.ts'
import { type Certificate, createCertificate } from '../../protocol/wire/certificate.ts'
import { type Commit, deriveCommitDigest, derivePrecommitDigest } from '../../protocol/wire/commit.ts'
import { deriveCommitteeHash, type Member } from '../../protocol/wire/committee.ts'
import { deriveSignerAddress, signDigest } from '../../protocol/wire/signature.ts'

/** A committee whose keys are known. */
export type TestCommittee = {
  hash: Hex
  /** In ascending order of signer. */
  members: readonly Member[]
  signers: readonly Hex[]
  /** The 64 bytes that the member at `place` signs a digest with. */
  sign(place: number, digest: Hex): Hex
  /** A certificate by the members at `places`: a quorum, the lowest, without them. */
  certify(commit: Commit, options?: { round?: number; places?: readonly number[] }): Certificate
}

/** @param name Committees of different names have different keys, and the same ones in every run. */
export function createTestCommittee({ name, memberCount }: { name: string; memberCount: number }): TestCommittee {
  const seats = Array.from({ length: memberCount }, (_, index) => {
    const secretKey = keccak256(new TextEncoder().encode(`${name} ${index}`))
    const noteKey: Hex = `0x${(index + 1).toString(16).padStart(64, '0')}`
    return { secretKey, member: { signer: deriveSignerAddress(secretKey), noteKey } }
  }).sort((a, b) => (a.member.signer < b.member.signer ? -1 : 1))
  const members = seats.map(({ member }) => member)
  const signers = members.map(({ signer }) => signer)
  const sign = (place: number, digest: Hex): Hex => signDigest(digest, seats[place]!.secretKey)

  return {
    hash: deriveCommitteeHash(members),
    members,
    signers,
    sign,
    certify(commit, { round = 0, places } = {}) {
      const digest = derivePrecommitDigest({ commitDigest: deriveCommitDigest(commit), round })
      if (places === undefined) {
        const signatures = new Map(signers.map((signer, place) => [signer, sign(place, digest)]))
        return createCertificate({ round, signers, signatures })
      }
      const sorted = [...places].sort((a, b) => a - b)
      return {
        round,
        signers: sorted.reduce((bitmap, place) => bitmap | (1n << BigInt(place)), 0n),
        signatures: `0x${sorted.map((place) => sign(place, digest).slice(2)).join('')}`,
      }
    },
  }
}
