import type { Hex } from '../bytes.ts'
import { toHex } from '../bytes.ts'
import { keccak256 } from '../hash.ts'
import { deriveSigningDigest, deriveTypehash, hashStruct, packWords } from './typedData.ts'

export const ZERO_BYTES32: Hex = `0x${'00'.repeat(32)}`

/** What a committee decides at one height, and what a contract is shown of it (spec §4). */
export type Commit = {
  /** Component key (spec §7.1). */
  component: Hex
  /** Committee epoch, from 0; uint64. */
  epoch: bigint
  /** 1, 2, 3 …; uint64. */
  height: bigint
  /** Digest of the `Body`. */
  body: Hex
  /** Leaves of the log after this commit; uint64. */
  logSize: bigint
  /** RFC 9162 root of the log at `logSize`, SHA-256. */
  logRoot: Hex
  /** Root of the state tree after this commit. */
  state: Hex
  /** Milliseconds since the Unix epoch (spec §5.2); uint64. */
  timestampMs: bigint
  /** Whether the state machine marked this commit for the chain. */
  anchor: boolean
  /** Zero, or the hashStruct of the Rotation or RetirementMarker that this commit decides. */
  next: Hex
}

/** The preimage of `Commit.body`. */
export type Body = {
  /** Digest of the commit before, zero at height 1. */
  parent: Hex
  /** RFC 9162 root over the encoded envelopes. */
  batchRoot: Hex
  /** RFC 9162 root over the encoded vote extensions of the height before. */
  extensionsRoot: Hex
  /** Version of the state machine that executed the batch; uint32. */
  machineVersion: number
}

/** `encodeType` of a commit (EIP-712). */
export const COMMIT_TYPE =
  'Commit(bytes32 component,uint64 epoch,uint64 height,bytes32 body,uint64 logSize,bytes32 logRoot,bytes32 state,uint64 timestampMs,bool anchor,bytes32 next)'

export const COMMIT_TYPEHASH: Hex = deriveTypehash(COMMIT_TYPE)
export const PRECOMMIT_TYPEHASH: Hex = deriveTypehash(`Precommit(Commit commit,uint32 round)${COMMIT_TYPE}`)

/** A commit's digest: its EIP-712 `hashStruct` (spec §4), 32 bytes. */
export const deriveCommitDigest = (commit: Commit): Hex =>
  hashStruct(COMMIT_TYPEHASH, [
    commit.component,
    commit.epoch,
    commit.height,
    commit.body,
    commit.logSize,
    commit.logRoot,
    commit.state,
    commit.timestampMs,
    commit.anchor,
    commit.next,
  ])

export type PrecommitDigestParameters = {
  /** Digest of the commit that is voted for. */
  commitDigest: Hex
  /** uint32; precommits of different rounds never add up to a quorum. */
  round: number
}

/** What a member signs to precommit: the one signature a contract checks, too (spec §4). */
export const derivePrecommitDigest = ({ commitDigest, round }: PrecommitDigestParameters): Hex =>
  deriveSigningDigest(hashStruct(PRECOMMIT_TYPEHASH, [commitDigest, round]))

/** `keccak256(abi.encode(parent, batchRoot, extensionsRoot, machineVersion))`, 32 bytes (spec §4). */
export const deriveBodyDigest = (body: Body): Hex =>
  toHex(keccak256(packWords([body.parent, body.batchRoot, body.extensionsRoot, body.machineVersion])))
