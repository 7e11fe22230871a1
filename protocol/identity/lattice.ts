import { assertHex, toHex, type UniqueId } from '../bytes.ts'
import { blake3 } from '../hash.ts'
import { bytes32, bytes32Array, string, uint } from './abi.ts'
import { type ChainId, toChainId } from './chainId.ts'
import { type CitizenId20, deriveCitizenId20 } from './citizen.ts'
import { deriveId } from './id.ts'
import { assertName } from './name.ts'

/** A lattice as a config lists it (spec §3.2). */
export type LatticeEntry<Name extends string = string, Chain extends ChainId = ChainId> = {
  readonly name: Name
  /** The chain it builds for. */
  readonly chainId: Chain
  /** The lattice operator's own id; left out for a lattice of the builder blueprint, whose id is computed. */
  readonly stableId?: UniqueId | undefined
  /** Pins the lattice's own configuration: folded into the coalition id, not into its root. */
  readonly contentHash?: UniqueId | undefined
}

/** A reference to a lattice; its ids do not depend on any coalition (spec §3, P6). */
export class LatticeConfig<Name extends string = string, Chain extends ChainId = ChainId> {
  readonly name: Name
  /** As the entry has it; `toChainId` makes it a bigint. */
  readonly chainId: Chain
  readonly contentHash: UniqueId | undefined
  readonly #stableId: UniqueId
  #fingerprint: UniqueId | undefined

  constructor(entry: LatticeEntry<Name, Chain>, { field = 'lattice' } = {}) {
    assertName(entry.name, { field: `${field}.name` })
    const chainId = toChainId(entry.chainId, { field: `${field}.chainId` })
    const { stableId, contentHash } = entry
    if (stableId !== undefined) assertHex(stableId, { field: `${field}.stableId`, sizeBytes: 32 })
    if (contentHash !== undefined) assertHex(contentHash, { field: `${field}.contentHash`, sizeBytes: 32 })
    this.name = entry.name
    this.chainId = entry.chainId
    this.contentHash = contentHash
    this.#stableId = stableId ?? deriveBuilderStableId({ name: entry.name, chainId })
  }

  /** Names the lattice, whatever it runs. */
  stableId(): UniqueId {
    return this.#stableId
  }

  /** `id("lattice-ref", string name, uint64 chainId, bytes32 stableId, bytes32[] contentHash)`: what a config offers of it. */
  fingerprint(): UniqueId {
    this.#fingerprint ??= deriveId('lattice-ref', [
      string(this.name),
      uint(BigInt(this.chainId)),
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
 * Checks a lattice's entry and keeps its literal types.
 *
 * @throws {InvalidNameError | InvalidChainIdError | InvalidHexError} the entry is ill-formed (spec §3).
 */
export const defineLattice = <Name extends string, Chain extends ChainId>(
  entry: LatticeEntry<Name, Chain>,
): LatticeConfig<Name, Chain> => new LatticeConfig(entry)

/** `blake3("builder|" ‖ name ‖ "|chain=" ‖ decimal chainId)`: the stable id of a lattice of the builder blueprint (spec §3). */
export const deriveBuilderStableId = ({ name, chainId }: { name: string; chainId: bigint }): UniqueId =>
  toHex(blake3(new TextEncoder().encode(`builder|${name}|chain=${chainId}`)))
