import type { Hex, UniqueId } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'

/** The first 20 bytes of a citizen's stable id: how people and indexes name it, never what state is keyed by (spec §3). */
export type CitizenId20 = Hex

export class DuplicateStableIdError extends CoalitionError {
  constructor({ field, other }: { field: string; other: string }) {
    super('DUPLICATE_STABLE_ID', `${field} has the stable id of ${other}.`, {
      fix: 'List each citizen once, as a lattice or as an organism.',
    })
  }
}

export class SharedCitizenIdError extends CoalitionError {
  constructor({ field, other }: { field: string; other: string }) {
    super('SHARED_CITIZEN_ID', `${field} shares the first 20 bytes of its stable id with ${other}.`, {
      fix: 'Leave one of the two out: such ids do not meet by chance, so one of them imitates the other.',
    })
  }
}

export const deriveCitizenId20 = (stableId: UniqueId): CitizenId20 => stableId.slice(0, 42) as CitizenId20

type Citizen = { stableId(): UniqueId; citizenId(): CitizenId20 }

/**
 * Asserts that all citizens can be told apart, by their stable ids and by their citizen ids (spec §3).
 *
 * @throws {DuplicateStableIdError} two have one stable id.
 * @throws {SharedCitizenIdError} two have one citizen id.
 */
export function assertDistinctCitizens(lists: { lattices: readonly Citizen[]; organisms: readonly Citizen[] }): void {
  const seen = new Map<CitizenId20, { citizen: Citizen; field: string }>()
  for (const [list, citizens] of Object.entries(lists)) {
    citizens.forEach((citizen, index) => {
      const field = `${list}[${index}]`
      const other = seen.get(citizen.citizenId())
      if (other?.citizen.stableId() === citizen.stableId()) {
        throw new DuplicateStableIdError({ field, other: other.field })
      }
      if (other !== undefined) throw new SharedCitizenIdError({ field, other: other.field })
      seen.set(citizen.citizenId(), { citizen, field })
    })
  }
}
