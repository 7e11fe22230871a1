import type { Hex } from '../../protocol/bytes.ts'
import { fromHex } from '../../protocol/bytes.ts'
import { CoalitionConfig } from '../../protocol/identity/coalition.ts'
import { toHex as configToHex } from '../../protocol/identity/configCodec.ts'
import type { CoalitionFile } from '../../protocol/identity/configFile.ts'
import { createCertificate } from '../../protocol/wire/certificate.ts'
import { encodeChronicleCommand } from '../../protocol/wire/chronicleCommand.ts'
import { type Commit, deriveCommitDigest, derivePrecommitDigest } from '../../protocol/wire/commit.ts'
import { type Committee, deriveCommitteeHash, deriveDetails, type Member } from '../../protocol/wire/committee.ts'
import { hashRetirementMarker, hashRotation } from '../../protocol/wire/next.ts'
import type { RecordedEnd } from '../../protocol/wire/recordedEnd.ts'
import { signDigest } from '../../protocol/wire/signature.ts'
import { createTestMembers, sampleCommit } from '../protocol/wire/members.ts'

/** A coalition whose committees are test keys, and commits of its components that these keys certified. */

const keys = createTestMembers(12)

/** Members from the test keys, in ascending order as the keys are. */
export const committeeOf = (...indexes: readonly number[]): Member[] =>
  indexes.map((index) => ({ signer: keys[index]!.signer }))

export const chronicleMembers = committeeOf(0, 1, 2, 3)
export const atlasMembers = committeeOf(4, 5, 6, 7)
export const nextAtlasMembers = committeeOf(6, 7, 8, 9)
export const submitter = keys[10]!.signer
const contentHash: Hex = `0x${'cc'.repeat(32)}`

export const baseFile = {
  schemaVersion: 1,
  name: 'audited.test',
  lattices: [
    { name: 'ethereum.mainnet', chainId: 1 },
    { name: 'unichain.mainnet', chainId: 130 },
  ],
  organisms: [{ role: 'oracle', name: 'price-feed.eur' }],
  confluences: [
    {
      name: 'intents.test',
      spans: [`0x${'a1'.repeat(32)}`, `0x${'a2'.repeat(32)}`],
      contentHash,
      members: committeeOf(8, 9),
    },
  ],
  modules: {
    chronicle: { contentHash, members: chronicleMembers },
    atlas: { contentHash, members: atlasMembers },
  },
  ticketIssuer: { name: 'tickets.test', members: committeeOf(11) },
} as const satisfies CoalitionFile

export const configOf = (changes: Partial<CoalitionFile> = {}): CoalitionConfig =>
  new CoalitionConfig({ ...baseFile, ...changes })

export const base = configOf()
/** Component key of the Chronicle that every config of `configOf` names. */
export const component = base.chronicle()!.componentKey()
export const atlas = base.atlas()!.componentKey()
export const confluence = base.confluences[0]!.componentKey()
export const issuer = base.ticketIssuer!.componentKey()

export const publish = (config: CoalitionConfig): Uint8Array =>
  encodeChronicleCommand({ kind: 'publishCoalition', config: fromHex(configToHex(config)) })

const toCommittee = (members: readonly Member[]): Committee => ({
  signers: members.map(({ signer }) => signer),
  details: deriveDetails(members),
})

type EndOptions = {
  component: Hex
  /** Who decides; all of them sign. */
  members: readonly Member[]
  epoch?: bigint
  /** Changes the commit before it is certified. */
  commit?: Partial<Commit>
}

/** A certified rotation to `next`. */
export function rotate(options: EndOptions & { next: readonly Member[] }): RecordedEnd & { kind: 'recordRotation' } {
  const { component, epoch = 0n, next } = options
  const [newEpoch, newCommitteeHash] = [epoch + 1n, deriveCommitteeHash(next)]
  const certified = certify(options, hashRotation({ component, newEpoch, newCommitteeHash }))
  return { kind: 'recordRotation', ...certified, newEpoch, newCommitteeHash }
}

/** A certified retirement. */
export function retire(
  options: EndOptions & { successor?: Hex; reason?: string },
): RecordedEnd & { kind: 'recordRetirement' } {
  const { component, successor = `0x${'00'.repeat(32)}`, reason = '' } = options
  const effectiveHeight = options.commit?.height ?? sampleCommit.height
  const certified = certify(options, hashRetirementMarker({ component, successor, effectiveHeight, reason }))
  return { kind: 'recordRetirement', ...certified, successor, reason }
}

function certify({ component, members, epoch = 0n, commit: changes }: EndOptions, next: Hex) {
  const commit: Commit = { ...sampleCommit, component, epoch, next, ...changes }
  const digest = derivePrecommitDigest({ commitDigest: deriveCommitDigest(commit), round: 2 })
  const signatures = new Map(
    keys.flatMap(({ signer, secretKey }) =>
      members.some((member) => member.signer === signer) ? [[signer, signDigest(digest, secretKey)] as const] : [],
    ),
  )
  const committee = toCommittee(members)
  return { commit, certificate: createCertificate({ round: 2, signers: committee.signers, signatures }), committee }
}
