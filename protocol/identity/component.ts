import { assertHex, type Hex, toHex, type UniqueId } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { keccak256 } from '../hash.ts'
import { type AdmissionRule, assertAdmissionRules, deriveRulesSignature } from '../tickets/admissionRules.ts'
import { ZERO_BYTES32 } from '../wire/commit.ts'
import { assertMembers, deriveCommitteeHash, type Member } from '../wire/committee.ts'
import { address, bytes, bytes32, encodeAbi, string, uint } from './abi.ts'
import { type ChainId, toChainId } from './chainId.ts'
import { deriveId } from './id.ts'

/** Who runs a component at first: the hash of its genesis committee, or the members it is computed from (spec §3.2). */
export type CommitteeEntry = {
  readonly committee?: UniqueId | undefined
  /** In strictly ascending order of signer. */
  readonly members?: readonly Readonly<Member>[] | undefined
  /** Signature of the ticket validators (spec §8.3); left out where there are none. */
  readonly validators?: UniqueId | undefined
  /** The rules that `validators` is the signature of: a peer must meet them all. */
  readonly admission?: readonly AdmissionRule[] | undefined
}

/** A component entry (spec §3.2). */
export type ComponentEntry = CommitteeEntry & {
  /** Digest of the component's own parameters. */
  readonly contentHash: UniqueId
}

/** The registry that is authoritative for a config's components (spec §3). */
export type Home = {
  readonly chainId: ChainId
  /** Address of the ComponentRegistry. */
  readonly registry: Hex
}

/** Who runs a component at first, all hashes known. */
export type Genesis = {
  /** Hash of the genesis committee (spec §5.1). */
  readonly committee: UniqueId
  /** Zero where there are none. */
  readonly validators: UniqueId
  /** Undefined where the entry gives their hash alone. */
  readonly members: readonly Readonly<Member>[] | undefined
  /** Undefined where the entry gives their signature alone, or nothing. */
  readonly admission: readonly AdmissionRule[] | undefined
  readonly acl: UniqueId
}

export class MissingHashError extends CoalitionError {
  constructor({ field, source }: { field: string; source: string }) {
    super('MISSING_HASH', `${field} is missing.`, { fix: `Give the hash, or ${source} to compute it from.` })
  }
}

export class HashMismatchError extends CoalitionError {
  constructor({ field, source, derived }: { field: string; source: string; derived: UniqueId }) {
    super('HASH_MISMATCH', `${field} is not the hash of ${source}.`, {
      fix: `Leave one of the two out, or correct it: ${source} hash to ${derived}.`,
    })
  }
}

/**
 * Completes a committee entry.
 *
 * @throws {InvalidHexError} a hash is ill-formed.
 * @throws {MissingHashError} neither a hash nor members.
 * @throws {HashMismatchError} both, and they disagree.
 * @throws whatever `deriveCommitteeHash` throws for the members, and `assertAdmissionRules` for the rules.
 */
export function resolveGenesis(entry: CommitteeEntry, { field }: { field: string }): Genesis {
  const { members } = entry
  if (members !== undefined) assertMembers(members, { field: `${field}.members` })
  const committee = resolveHash({
    field: `${field}.committee`,
    given: entry.committee,
    derived: members && deriveCommitteeHash(members),
    source: 'members',
  })
  const admission = entry.admission && assertAdmissionRules(entry.admission, { field: `${field}.admission` })
  const validators = resolveHash({
    field: `${field}.validators`,
    given: entry.validators ?? (admission === undefined ? ZERO_BYTES32 : undefined),
    derived: admission && deriveRulesSignature(admission),
    source: 'the rules of admission',
  })
  return { committee, validators, members, admission, acl: deriveAcl({ committee, validators }) }
}

/** The hash that an entry gives, or that its parts give; both must agree where both are there (spec §3.2). */
export function resolveHash(parameters: {
  field: string
  given: UniqueId | undefined
  derived: UniqueId | undefined
  /** What `derived` is computed from, plural. */
  source: string
}): UniqueId {
  const { field, given, derived, source } = parameters
  if (given !== undefined) assertHex(given, { field, sizeBytes: 32 })
  const hash = derived ?? given
  if (hash === undefined) throw new MissingHashError({ field, source })
  if (given !== undefined && given !== hash) throw new HashMismatchError({ field, source, derived: hash })
  return hash
}

/** @throws {InvalidChainIdError | InvalidHexError} `home` is ill-formed. */
export function assertHome({ chainId, registry }: Home): void {
  toChainId(chainId, { field: 'home.chainId' })
  assertHex(registry, { field: 'home.registry', sizeBytes: 20 })
}

/**
 * `id("acl", bytes32 committeeHash₀, bytes32 validatorSignature)`: who may sit on a committee (spec §3). Of the genesis
 * committee, so a rotation of members does not change it.
 */
export const deriveAcl = ({ committee, validators }: { committee: UniqueId; validators: UniqueId }): UniqueId =>
  deriveId('acl', [bytes32(committee), bytes32(validators)])

/** `id("content", uint64 homeChainId, address registry, bytes parameters)`, of a component that this runtime runs (spec §3). */
export const deriveContentHash = ({ home, parameters }: { home: Home; parameters: Uint8Array }): UniqueId =>
  deriveId('content', [uint(BigInt(home.chainId)), address(home.registry), bytes(parameters)])

/** `id("component", bytes32 COALITION, string name)`: a module's or issuer's, which survives republication (spec §3). */
export const deriveComponentId = ({ coalition, name }: { coalition: UniqueId; name: string }): UniqueId =>
  deriveId('component', [bytes32(coalition), string(name)])

/** `keccak256(abi.encode(bytes32 componentId, bytes32 committeeHash₀))`: what nobody can occupy with another committee (spec §7.1). */
export const deriveComponentKey = (parts: { componentId: UniqueId; committee: UniqueId }): UniqueId =>
  toHex(keccak256(encodeAbi([bytes32(parts.componentId), bytes32(parts.committee)])))
