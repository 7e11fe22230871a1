import type { AtlasCitizen } from '../client/atlasCatalogue.ts'
import { NotInAtlasError } from '../client/atlasReader.ts'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'

export class AmbiguousCitizenError extends CoalitionError {
  constructor({ prefix, count }: { prefix: Hex; count: number }) {
    super('AMBIGUOUS_CITIZEN', `${count} citizens begin with ${prefix}.`, {
      fix: 'Give the whole stable id, 32 bytes: the first 20 can be copied.',
      kind: 'refused',
    })
  }
}

/** The citizen of that stable id, or of that CitizenId20. @throws {NotInAtlasError | AmbiguousCitizenError} */
export function findByPrefix(citizens: readonly AtlasCitizen[], prefix: Hex): AtlasCitizen {
  const found = citizens.filter(({ citizen }) => citizen.startsWith(prefix))
  if (found.length > 1) throw new AmbiguousCitizenError({ prefix, count: found.length })
  if (found[0] === undefined) throw new NotInAtlasError({ citizen: prefix })
  return found[0]
}
