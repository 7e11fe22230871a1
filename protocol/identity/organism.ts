import { assertHex, type UniqueId } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { bytes32, bytes32Array, string } from './abi.ts'
import { type CitizenId20, deriveCitizenId20 } from './citizen.ts'
import { deriveId, UNIVERSE } from './id.ts'
import { assertName } from './name.ts'

/** A standalone organism as a config lists it: by name, by stable id, or by both where they agree (spec §3.2). */
export type OrganismEntry<Role extends string = string, Name extends string | undefined = string | undefined> = {
  /** What it is to the coalition: `oracle`, `attest`. */
  readonly role: Role
  readonly name?: Name
  readonly stableId?: UniqueId | undefined
  /** Pins the organism's own configuration: folded into the coalition id, not into its root. */
  readonly contentHash?: UniqueId | undefined
}

export class UnnamedOrganismError extends CoalitionError {
  constructor({ field }: { field: string }) {
    super('UNNAMED_ORGANISM', `${field} has neither a name nor a stable id.`, {
      fix: 'Give the organism’s name, or the stable id that it goes by.',
    })
  }
}

export class OrganismStableIdMismatchError extends CoalitionError {
  constructor({ field, derived }: { field: string; derived: UniqueId }) {
    super('ORGANISM_STABLE_ID_MISMATCH', `${field}.stableId is not the stable id of the organism’s name.`, {
      fix: `Leave one of the two out, or correct the name: its stable id is ${derived}.`,
    })
  }
}

/** A reference to an organism; its ids do not depend on any coalition (spec §3, P6). */
export class OrganismRef<Role extends string = string, Name extends string | undefined = string | undefined> {
  readonly role: Role
  /** Undefined where the config knows the organism by its stable id alone. */
  readonly name: Name
  readonly contentHash: UniqueId | undefined
  readonly #stableId: UniqueId
  #fingerprint: UniqueId | undefined

  constructor(entry: OrganismEntry<Role, Name>, { field = 'organism' } = {}) {
    const { role, name, stableId, contentHash } = entry
    assertName(role, { field: `${field}.role` })
    if (name !== undefined) assertName(name, { field: `${field}.name` })
    if (stableId !== undefined) assertHex(stableId, { field: `${field}.stableId`, sizeBytes: 32 })
    if (contentHash !== undefined) assertHex(contentHash, { field: `${field}.contentHash`, sizeBytes: 32 })
    const derived = name === undefined ? undefined : deriveOrganismStableId(name)
    const known = derived ?? stableId
    if (known === undefined) throw new UnnamedOrganismError({ field })
    if (stableId !== undefined && stableId !== known) throw new OrganismStableIdMismatchError({ field, derived: known })
    this.role = role
    this.name = name as Name
    this.contentHash = contentHash
    this.#stableId = known
  }

  /** Names the organism; also its component id, where it keeps a log in this runtime (spec §3). */
  stableId(): UniqueId {
    return this.#stableId
  }

  /** `id("organism-ref", string role, bytes32 stableId, bytes32[] contentHash)`: what a config offers of it. */
  fingerprint(): UniqueId {
    this.#fingerprint ??= deriveId('organism-ref', [
      string(this.role),
      bytes32(this.#stableId),
      bytes32Array(this.contentHash === undefined ? [] : [this.contentHash]),
    ])
    return this.#fingerprint
  }

  citizenId(): CitizenId20 {
    return deriveCitizenId20(this.#stableId)
  }
}

/**
 * Checks an organism's entry and keeps its literal types.
 *
 * @throws {InvalidNameError | InvalidHexError} the entry is ill-formed (spec §3).
 * @throws {UnnamedOrganismError} neither name nor stable id.
 * @throws {OrganismStableIdMismatchError} both, and they disagree.
 */
export const defineOrganism = <Role extends string, Name extends string | undefined = undefined>(
  entry: OrganismEntry<Role, Name>,
): OrganismRef<Role, Name> => new OrganismRef(entry)

/** `id("organism", bytes32 UNIVERSE, string name)` (spec §3). */
export const deriveOrganismStableId = (name: string): UniqueId =>
  deriveId('organism', [bytes32(UNIVERSE), string(name)])
