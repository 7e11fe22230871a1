import type { Hex } from '../protocol/bytes.ts'
import {
  CertificateRefusedError,
  type CertifiedCommit,
  type VerifiedCommit,
  verifyCertificate,
} from '../protocol/wire/certificate.ts'
import { type Committee, deriveCommitteeHash, hashCommittee, type Member } from '../protocol/wire/committee.ts'
import type { RetirementMarker } from '../protocol/wire/next.ts'

/** A committee, and the heights that are its to decide (spec §5.1). */
export type EpochCommittee = {
  epoch: bigint
  /** Strictly ascending by signer. */
  members: readonly Member[]
  /** Addresses of `members`. */
  signers: readonly Hex[]
  committeeHash: Hex
  /** The first height that it may decide. */
  firstHeight: bigint
  /** The commit with which it ended its epoch; null in the current one. */
  end: VerifiedCommit | null
}

/** Who decided, epoch by epoch, as far as it was followed. A value: following on gives a new one. */
export type Epochs = {
  /** Component key. */
  component: Hex
  /** By epoch, from 0; never empty. */
  committees: readonly EpochCommittee[]
  /** The component's last word, where the newest committee retired it. */
  retirement: RetirementMarker | null
}

export type CreateEpochsParameters = {
  component: Hex
  /** The genesis committee, strictly ascending by signer. */
  members: readonly Member[]
  /** Where the members' note keys are not known, the hash that covers them. @default that of `members` */
  committeeHash?: Hex
}

/** Epoch 0 alone: all that a config, or the chain's registration, says by itself. */
export const createEpochs = ({ component, members, committeeHash }: CreateEpochsParameters): Epochs => ({
  component,
  committees: [createCommittee({ epoch: 0n, members, committeeHash, firstHeight: 1n })],
  retirement: null,
})

/** Epoch 0 of a component whose genesis committee is known as the chain knows it: without its members' note keys. */
export const createEpochsOf = (component: Hex, committee: Committee): Epochs =>
  createEpochs({
    component,
    members: committee.signers.map((signer) => ({ signer })),
    committeeHash: hashCommittee(committee),
  })

/** `epochs` after the newest of them ended with `end`. */
export function endEpoch(epochs: Epochs, end: VerifiedCommit, next: readonly Member[] | RetirementMarker): Epochs {
  const { epoch, height } = end.commit
  const committees = [...epochs.committees.slice(0, -1), { ...currentCommittee(epochs), end }]
  if ('successor' in next) return { ...epochs, committees, retirement: next }
  committees.push(createCommittee({ epoch: epoch + 1n, members: next, firstHeight: height + 1n }))
  return { ...epochs, committees }
}

const createCommittee = (
  of: Pick<EpochCommittee, 'epoch' | 'members' | 'firstHeight'> & { committeeHash?: Hex | undefined },
): EpochCommittee => ({
  ...of,
  signers: of.members.map(({ signer }) => signer),
  committeeHash: of.committeeHash ?? deriveCommitteeHash(of.members),
  end: null,
})

export const currentCommittee = ({ committees }: Epochs): EpochCommittee => committees.at(-1)!

/** The committee of `epoch`; undefined where it was not followed so far. */
export const committeeOf = ({ committees }: Epochs, epoch: bigint): EpochCommittee | undefined =>
  committees[Number(epoch)]

/**
 * The committee that may certify `commit`: that of its own epoch, for a height of that epoch. A committee that was replaced
 * has no say in what came after it, whoever holds its keys by now.
 *
 * @throws {CertificateRefusedError} of another component, of an epoch that was not followed, or outside its epoch.
 */
export function committeeFor(epochs: Epochs, { component, epoch, height }: CertifiedCommit['commit']): EpochCommittee {
  const refuse = (reason: string): CertificateRefusedError => new CertificateRefusedError({ height, reason })
  if (component !== epochs.component) throw refuse(`it is of component ${component}`)
  const committee = committeeOf(epochs, epoch)
  if (committee === undefined) throw refuse(`nobody showed who decides in epoch ${epoch}`)
  const { firstHeight, end } = committee
  if (height < firstHeight || (end !== null && height > end.commit.height)) {
    throw refuse(`the height is not one of epoch ${epoch}`)
  }
  return committee
}

/**
 * Verifies that a quorum of the committee of its own epoch certified a commit.
 *
 * @throws {CertificateRefusedError} see `committeeFor` and `verifyCertificate`.
 */
export const verifyCommit = (epochs: Epochs, { commit, certificate }: CertifiedCommit): VerifiedCommit =>
  verifyCertificate({ commit, certificate, signers: committeeFor(epochs, commit).signers })
