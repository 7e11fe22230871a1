import { z } from 'zod'
import { type Hex, isHex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { ENTRY_KINDS, type EntryKind } from '../protocol/wire/chronicleEntry.ts'
import { decodeJson, toDecimal } from '../protocol/wire/decodeJson.ts'

/** Hits of one answer at the most. */
export const SEARCH_HITS_MAX = 100

/** What entries are searched for; what is left out is not asked for. */
export type SearchQuery = {
  /** Stable id, or the 20 bytes that it begins with (spec §3). */
  citizen?: Hex | undefined
  kind?: EntryKind | undefined
  /** Decided at this time or later, milliseconds since the Unix epoch. */
  fromMs?: bigint | undefined
  /** Decided before this time. */
  toMs?: bigint | undefined
  /** Only entries behind this index: that of the last hit, for the next page. */
  after?: bigint | undefined
}

/** Where an entry stands, as a member's index says. */
export type SearchHit = {
  index: bigint
  kind: EntryKind
  /** Of the commit that appended it. */
  height: bigint
  /** Of that commit. */
  timestampMs: bigint
}

/** One answer of a member at `/search`: a claim, of which each hit can be proven from the log. */
export type SearchPage = {
  /** The first entry that the index knows: a member that synced does not know at which heights older ones were decided. */
  firstIndex: bigint
  /** How far the index has come: entries from here on are not in it yet. */
  size: bigint
  /** In ascending order of index; at most SEARCH_HITS_MAX. */
  hits: readonly SearchHit[]
  /** Whether the index has no more of them behind the last. */
  isComplete: boolean
}

export class MalformedSearchError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('MALFORMED_SEARCH', `The search cannot be read: ${reason}.`, {
      fix: `Give each of citizen (20 or 32 bytes of hex), kind (${ENTRY_KINDS.join(', ')}), from, to (milliseconds) and after at most once.`,
    })
  }
}

export class MalformedSearchPageError extends CoalitionError {
  constructor({ url, reason }: { url: string; reason: string }) {
    super('MALFORMED_SEARCH_PAGE', `What ${url} answers to a search is no page of hits: ${reason}.`, {
      fix: 'Give the URL of a member of a Chronicle that runs the same release.',
      kind: 'refused',
    })
  }
}

const UINT64_PATTERN = /^(?:0|[1-9][0-9]{0,18})$/
/** The name of each part in a URL. */
const NAMES = { citizen: 'citizen', kind: 'kind', fromMs: 'from', toMs: 'to', after: 'after' } as const

/** The query of a URL, without the question mark. */
export function encodeSearchQuery(query: SearchQuery): string {
  const parts = new URLSearchParams()
  for (const [key, name] of Object.entries(NAMES)) {
    const value = query[key as keyof SearchQuery]
    if (value !== undefined) parts.set(name, value.toString())
  }
  return parts.toString()
}

/** @throws {MalformedSearchError} a part that is unknown, given twice or not of its form. */
export function decodeSearchQuery(text: string): SearchQuery {
  const query: SearchQuery = {}
  const seen = new Set<string>()
  for (const [name, value] of new URLSearchParams(text)) {
    if (seen.has(name)) throw new MalformedSearchError({ reason: 'a part is given twice' })
    seen.add(name)
    switch (name) {
      case 'citizen':
        if (!isHex(value, 20) && !isHex(value, 32)) throw new MalformedSearchError({ reason: 'citizen is no id' })
        query.citizen = value
        break
      case 'kind':
        query.kind = ENTRY_KINDS.find((kind) => kind === value)
        if (query.kind === undefined) throw new MalformedSearchError({ reason: 'kind is none of them' })
        break
      case 'from':
        query.fromMs = toNumber(name, value)
        break
      case 'to':
        query.toMs = toNumber(name, value)
        break
      case 'after':
        query.after = toNumber(name, value)
        break
      default:
        throw new MalformedSearchError({ reason: 'it has a part that is none of them' })
    }
  }
  return query
}

/** SQLite's integers end at 2^63 − 1, and so does everything that a member counts. */
function toNumber(name: string, value: string): bigint {
  if (UINT64_PATTERN.test(value) && BigInt(value) < 1n << 63n) return BigInt(value)
  throw new MalformedSearchError({ reason: `${name} is no whole number from 0 to 2^63 − 1` })
}

const number = z.string().regex(UINT64_PATTERN, 'not a decimal number').transform(BigInt)
const PAGE = z.strictObject({
  firstIndex: number,
  size: number,
  hits: z
    .array(z.strictObject({ index: number, kind: z.enum(ENTRY_KINDS), height: number, timestampMs: number }))
    .max(SEARCH_HITS_MAX),
  isComplete: z.boolean(),
})

/** The JSON text of a page: no spaces, keys in the order of the types, numbers as decimal strings. */
export const encodeSearchPage = ({ firstIndex, size, hits, isComplete }: SearchPage): string =>
  JSON.stringify(
    {
      firstIndex,
      size,
      hits: hits.map(({ index, kind, height, timestampMs }) => ({ index, kind, height, timestampMs })),
      isComplete,
    },
    toDecimal,
  )

/** @throws {MalformedSearchPageError} not what `encodeSearchPage` gives, or beyond its bounds. */
export const decodeSearchPage = (text: string, { url }: { url: string }): SearchPage =>
  decodeJson(text, { shape: PAGE, refuse: (reason) => new MalformedSearchPageError({ url, reason }) })
