import { encodeAbiParameters, hashStruct, keccak256, parseAbiParameters, stringToHex, toHex } from 'viem'
import { decodeGovernanceCommand, type GovernanceCommand } from '../../protocol/wire/governance.ts'

type Hex = `0x${string}`

/** Who may sign in one epoch, and what the chain calls them. */
export type EpochCommittee = {
  /** Strictly ascending. */
  signers: readonly Hex[]
  /** Undefined for the genesis committee, of which only the chain says more than its signers. */
  committeeHash?: Hex
}

/** What a quorum's approvals end their epoch with. */
export type EpochEnd = {
  /** `Commit.next`. */
  next: Hex
  /** The last entry of that commit. */
  entry: Hex
}

const TYPES = {
  Rotation: [
    { name: 'component', type: 'bytes32' },
    { name: 'newEpoch', type: 'uint64' },
    { name: 'newCommitteeHash', type: 'bytes32' },
  ],
  RetirementMarker: [
    { name: 'component', type: 'bytes32' },
    { name: 'successor', type: 'bytes32' },
    { name: 'effectiveHeight', type: 'uint64' },
    { name: 'reason', type: 'string' },
  ],
} as const
const typehashOf = (type: string): Hex => keccak256(stringToHex(type))
const DETAILS_TYPEHASH = typehashOf('CommitteeDetails(bytes32[] noteKeys)')
const ROTATED_TYPEHASH = typehashOf('CommitteeRotated(uint64 newEpoch,address[] signers,bytes32[] noteKeys)')
const MARKER_TYPEHASH = typehashOf(
  'RetirementMarker(bytes32 component,bytes32 successor,uint64 effectiveHeight,string reason)',
)
const LIST = parseAbiParameters('address[]')
const HASHED = parseAbiParameters('bytes32, bytes32')
const DETAILS = parseAbiParameters('bytes32, bytes32[]')
const ROTATED = parseAbiParameters('bytes32, uint64, address[], bytes32[]')
const MARKER = parseAbiParameters('bytes32, bytes32, bytes32, uint64, string')
const ZERO = `0x${'00'.repeat(32)}` as const

export type EpochTally = ReturnType<typeof createEpochTally>

/**
 * Counts decided approvals for itself, and says which committee each epoch has by them (spec §5.1, §9). Only the decoder is
 * the committee's own.
 */
export function createEpochTally({ component, signers }: { component: Hex; signers: readonly Hex[] }) {
  const committees: EpochCommittee[] = [{ signers }]
  const standing = new Map<Hex, Hex>()
  let retiredAt: bigint | undefined
  return {
    /** By epoch. */
    committees: committees as readonly EpochCommittee[],
    newest: (): EpochCommittee => committees.at(-1)!,
    /** Height of the commit that decided the retirement. */
    retiredAt: () => retiredAt,
    /** Whether `submitter` may approve `payload` now. */
    mayApprove(submitter: Hex, payload: Uint8Array): boolean {
      const command = decodeGovernanceCommand(payload)
      const ended = command.kind === 'approveRotation' ? command.newEpoch - 1n : command.epoch
      return ended === BigInt(committees.length - 1) && committees.at(-1)!.signers.includes(submitter)
    },
    /** Takes a decided approval; says what its epoch ends with, where a quorum now stands by the very same. */
    approve(approval: { submitter: Hex; payload: Uint8Array; height: bigint }): EpochEnd | undefined {
      const { submitter, payload, height } = approval
      const said = toHex(payload)
      standing.set(submitter, said)
      const count = [...standing.values()].filter((other) => other === said).length
      if (3 * count <= 2 * committees.at(-1)!.signers.length) return undefined
      standing.clear()
      const command = decodeGovernanceCommand(payload)
      if (command.kind === 'approveRotation') {
        const { committee, end } = rotate(component, command)
        committees.push(committee)
        return end
      }
      retiredAt = height
      const { successor, reason } = command
      const data = { component, successor, effectiveHeight: height, reason }
      return {
        next: hashStruct({ data, types: TYPES, primaryType: 'RetirementMarker' }),
        entry: encodeAbiParameters(MARKER, [MARKER_TYPEHASH, component, successor, height, reason]),
      }
    },
  }
}

type Rotation = Extract<GovernanceCommand, { kind: 'approveRotation' }>

function rotate(component: Hex, { newEpoch, members }: Rotation): { committee: EpochCommittee; end: EpochEnd } {
  const signers = members.map(({ signer }) => signer)
  const noteKeys = members.map(({ noteKey }) => noteKey ?? ZERO)
  const hasNoteKeys = noteKeys.some((key) => key !== ZERO)
  const details = hasNoteKeys ? keccak256(encodeAbiParameters(DETAILS, [DETAILS_TYPEHASH, noteKeys])) : ZERO
  const list = keccak256(encodeAbiParameters(LIST, [signers]))
  const committeeHash = keccak256(encodeAbiParameters(HASHED, [list, details]))
  const data = { component, newEpoch, newCommitteeHash: committeeHash }
  return {
    committee: { signers, committeeHash },
    end: {
      next: hashStruct({ data, types: TYPES, primaryType: 'Rotation' }),
      entry: encodeAbiParameters(ROTATED, [ROTATED_TYPEHASH, newEpoch, signers, noteKeys]),
    },
  }
}
