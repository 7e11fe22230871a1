import type { Head } from '../chain/head.ts'
import type { AtlasState } from '../modules/atlas/machine.ts'
import type { Hex } from '../protocol/bytes.ts'
import { type CitizenSeat, toCardItem, toCitizenItem } from '../protocol/wire/atlasState.ts'
import type { VerifiedCommit } from '../protocol/wire/certificate.ts'
import { type CitizenCard, decodeCard } from '../protocol/wire/citizenCard.ts'
import type { StateItem } from '../protocol/wire/stateTree.ts'
import type { CertifiedState } from './readState.ts'

/** An item of the Atlas's state with what a contract asks for beside the head: `ComponentRegistry.verifyStateItem`. */
export type ProvenItem = {
  item: StateItem
  /** Siblings from the item upward. */
  proof: readonly Hex[]
}

/** One citizen as the Atlas has it. */
export type AtlasCitizen = {
  /** Stable id, 32 bytes. */
  citizen: Hex
  /** Its key, whether it is listed, and how far it has counted. */
  seat: CitizenSeat
  seatProof: ProvenItem
  /** Undefined where it has none published. */
  card: (ProvenItem & { card: CitizenCard; bytes: Uint8Array; hash: Hex }) | undefined
}

/** What an Atlas's proofs stand under. */
export type AtlasBasis = {
  /** The commit whose state root it is, certified by a quorum of the committee of its epoch. */
  commit: VerifiedCommit
  /** The newest head on chain with the very same state root, where the chain was asked. */
  head: Head | undefined
}

/** Every citizen that an Atlas remembers, in ascending order of stable id, those that left included. */
export type AtlasCatalogue = { basis: AtlasBasis; citizens: readonly AtlasCitizen[] }

/** Proves everything that a state of the Atlas says of its citizens. */
export const toCitizens = ({ state, prover }: Pick<CertifiedState<AtlasState>, 'state' | 'prover'>): AtlasCitizen[] =>
  [...state.machine.citizens]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([citizen, { card: published, ...seat }]) => {
      const prove = (item: StateItem): ProvenItem => ({ item, proof: prover.prove(item) })
      return {
        citizen,
        seat,
        seatProof: prove(toCitizenItem(citizen, seat)),
        card: published && {
          ...prove(toCardItem(citizen, published.hash)),
          ...published,
          card: decodeCard(published.bytes),
        },
      }
    })
