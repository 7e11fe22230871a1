import { createAtlasPublisher } from './atlasPublisher.ts'
import { createAtlasReader } from './atlasReader.ts'

/**
 * What an integrator binds to (docs/integrators/atlas.md): `Atlas.read` proves what the directory says, `Atlas.publish`
 * changes what it says of a citizen whose card key one has.
 */
export const Atlas = { read: createAtlasReader, publish: createAtlasPublisher } as const
