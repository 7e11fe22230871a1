import type { SignatureCheck } from '../../committee/authenticate.ts'
import type { Committee } from '../../committee/committee.ts'
import { deriveListRoot } from '../../committee/digest.ts'
import { signMessage } from '../../committee/sign.ts'
import { DEFAULT_TIMEOUTS } from '../../committee/timeouts.ts'
import type { AuthenticatedMessage, Block, Message } from '../../committee/types.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { keccak256 } from '../../protocol/hash.ts'
import {
  type Body,
  type Commit,
  deriveBodyDigest,
  deriveCommitDigest,
  ZERO_BYTES32,
} from '../../protocol/wire/commit.ts'
import { packWords } from '../../protocol/wire/typedData.ts'

/** A component that exists only in tests. */
export const COMPONENT: Hex = `0x${'c0'.repeat(32)}`
export const START_MS = 1_760_000_000_000

/** Addresses in ascending order, by index from 0. */
export const createSigners = (count: number): Hex[] =>
  Array.from({ length: count }, (_, index): Hex => `0x${(index + 1).toString(16).padStart(40, '0')}`)

export type CommitteeOptions = { count?: number; self?: number; hasExtensions?: boolean; epoch?: bigint }

export function createCommittee(options: CommitteeOptions = {}): Committee {
  const { count = 4, self = 0, hasExtensions = false, epoch = 0n } = options
  const signers = createSigners(count)
  return { component: COMPONENT, epoch, signers, self: signers[self]!, hasExtensions, timeouts: DEFAULT_TIMEOUTS }
}

/**
 * A stand-in for secp256k1 that costs a hash: whoever knows an address can sign for it, so a liar in a test must be made
 * to keep to its own. The real curve is used in the tests of authenticate and of certificates.
 */
export const fakeSign =
  (signer: Hex) =>
  (digest: Hex): Hex => {
    const half = toHex(keccak256(packWords([digest, signer])))
    return `${half}${half.slice(2)}`
  }

export const isFakeSigned: SignatureCheck = ({ digest, signature, signer }) => fakeSign(signer)(digest) === signature

export const fakeSigned = <M extends Message>(message: M): AuthenticatedMessage & { kind: M['kind'] } =>
  signMessage(message, fakeSign(message.signer)) as AuthenticatedMessage & { kind: M['kind'] }

export const createBody = (block: Block): Body => ({
  parent: block.parent,
  batchRoot: deriveListRoot(block.batch),
  extensionsRoot: deriveListRoot(block.extensions),
  machineVersion: 1,
})

/** What the machine of these tests makes of a block: every field follows from it. */
export function createCommit(block: Block, options: { height?: bigint; epoch?: bigint; next?: Hex } = {}): Commit {
  const { height = 1n, epoch = 0n, next = ZERO_BYTES32 } = options
  const body = deriveBodyDigest(createBody(block))
  const { timestampMs } = block
  const fields = { component: COMPONENT, epoch, height, body, timestampMs, anchor: next !== ZERO_BYTES32, next }
  return {
    ...fields,
    logSize: height,
    logRoot: toHex(keccak256(packWords([body, 1]))),
    state: toHex(keccak256(packWords([body, 2]))),
  }
}

/** A block of height 1 that carries `text`. */
export const createBlock = (text: string, changes: Partial<Block> = {}): Block => ({
  parent: ZERO_BYTES32,
  timestampMs: BigInt(START_MS),
  batch: [new TextEncoder().encode(text)],
  extensions: [],
  ...changes,
})

export const digestOf = (block: Block, options: { height?: bigint; epoch?: bigint } = {}): Hex =>
  deriveCommitDigest(createCommit(block, options))
