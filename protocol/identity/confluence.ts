import { assertHex, type UniqueId } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { bytes32, bytes32Array, string } from './abi.ts'
import { type ComponentEntry, deriveComponentKey, type Genesis, resolveGenesis } from './component.ts'
import { deriveId } from './id.ts'
import { assertName } from './name.ts'

/** A confluence as a config lists it (spec §3.2). */
export type ConfluenceEntry<Name extends string = string> = ComponentEntry & {
  readonly name: Name
  /** Stable ids of the citizens it spans, in the order it reads them; two or more, of this coalition or not. */
  readonly spans: readonly UniqueId[]
}

export class SpanTooNarrowError extends CoalitionError {
  constructor({ field, count }: { field: string; count: number }) {
    super('SPAN_TOO_NARROW', `${field} lists ${count} citizen(s); a confluence spans two or more.`, {
      fix: 'List the stable ids of at least two different citizens.',
    })
  }
}

export class DuplicateSpanError extends CoalitionError {
  constructor({ field }: { field: string }) {
    super('DUPLICATE_SPAN', `${field} is a citizen that the confluence already spans.`, {
      fix: 'List each spanned citizen once.',
    })
  }
}

export class DuplicateConfluenceError extends CoalitionError {
  constructor({ field, other }: { field: string; other: string }) {
    super('DUPLICATE_CONFLUENCE', `${field} has the fingerprint of ${other}.`, {
      fix: 'List each confluence once; two that differ have different names, spans, content or committees.',
    })
  }
}

/** A service that spans citizens; derives independently of any coalition (spec §3, §11). */
export class ConfluenceConfig<Name extends string = string> {
  readonly name: Name
  readonly spans: readonly UniqueId[]
  readonly contentHash: UniqueId
  readonly genesis: Genesis
  readonly #fingerprint: UniqueId

  constructor(entry: ConfluenceEntry<Name>, { field = 'confluence' } = {}) {
    const { name, spans, contentHash } = entry
    assertName(name, { field: `${field}.name` })
    assertSpans(spans, { field: `${field}.spans` })
    assertHex(contentHash, { field: `${field}.contentHash`, sizeBytes: 32 })
    this.name = name
    this.spans = spans
    this.contentHash = contentHash
    this.genesis = resolveGenesis(entry, { field })
    this.#fingerprint = deriveId('confluence', [
      string(name),
      bytes32Array(spans),
      bytes32(contentHash),
      bytes32(this.genesis.acl),
    ])
  }

  /** `id("confluence", string name, bytes32[] spannedStableIds, bytes32 contentHash, bytes32 acl)` (spec §3). */
  fingerprint(): UniqueId {
    return this.#fingerprint
  }

  /** A confluence's component id is its fingerprint (spec §3). */
  componentId(): UniqueId {
    return this.#fingerprint
  }

  componentKey(): UniqueId {
    return deriveComponentKey({ componentId: this.#fingerprint, committee: this.genesis.committee })
  }
}

/**
 * Checks a confluence's entry and keeps its literal types.
 *
 * @throws {InvalidNameError | InvalidHexError} the entry is ill-formed (spec §3).
 * @throws {SpanTooNarrowError} fewer than two citizens.
 * @throws {DuplicateSpanError} a citizen is listed twice.
 * @throws {MissingHashError | HashMismatchError} see `resolveGenesis`.
 */
export const defineConfluence = <Name extends string>(entry: ConfluenceEntry<Name>): ConfluenceConfig<Name> =>
  new ConfluenceConfig(entry)

/** @throws {DuplicateConfluenceError} two have one fingerprint. */
export function assertDistinctConfluences(confluences: readonly ConfluenceConfig[]): void {
  const seen = new Map<UniqueId, number>()
  confluences.forEach((confluence, index) => {
    const other = seen.get(confluence.fingerprint())
    if (other !== undefined) {
      throw new DuplicateConfluenceError({ field: `confluences[${index}]`, other: `confluences[${other}]` })
    }
    seen.set(confluence.fingerprint(), index)
  })
}

function assertSpans(spans: readonly UniqueId[], { field }: { field: string }): void {
  if (spans.length < 2) throw new SpanTooNarrowError({ field, count: spans.length })
  const seen = new Set<UniqueId>()
  spans.forEach((stableId, index) => {
    assertHex(stableId, { field: `${field}[${index}]`, sizeBytes: 32 })
    if (seen.has(stableId)) throw new DuplicateSpanError({ field: `${field}[${index}]` })
    seen.add(stableId)
  })
}
