import type { AtlasCitizen } from '../../client/atlasCatalogue.ts'
import type { Hex } from '../../protocol/bytes.ts'

/** Where a citizen that names no place of its own is looked for, under the first https endpoint of its card. */
export const WELL_KNOWN_PATH = '/.well-known/coalition-card.json'

/** Where a citizen's newest card may be found. */
export type CardSource = { citizen: Hex; url: string }

export type SourceOptions = {
  /** The operator's word, by stable id. */
  selfPublished: ReadonlyMap<Hex, string>
  /** Whether a published card's endpoint leads to the next one. */
  followEndpoints: boolean
}

/**
 * A place for each listed citizen that has one: the operator's, or else the one that its published card leads to. A card is
 * believed for its signature, so it does not matter who named the place.
 */
export function listSources(
  citizens: readonly AtlasCitizen[],
  { selfPublished, followEndpoints }: SourceOptions,
): CardSource[] {
  return citizens.flatMap(({ citizen, seat, card }) => {
    if (!seat.isListed) return []
    const endpoint = followEndpoints ? card?.card.endpoints.find((each) => each.startsWith('https://')) : undefined
    const hinted = endpoint === undefined ? undefined : URL.parse(WELL_KNOWN_PATH, endpoint)?.href
    const url = selfPublished.get(citizen) ?? hinted
    return url === undefined ? [] : [{ citizen, url }]
  })
}
