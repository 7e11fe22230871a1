import { fromHex, type Hex } from '../protocol/bytes.ts'
import { CoalitionError, countOf } from '../protocol/errors.ts'
import { hashLeaf } from '../protocol/log/treeHash.ts'
import { verifyInclusion } from '../protocol/log/verifyInclusion.ts'
import { classifyEntry } from '../protocol/wire/chronicleEntry.ts'
import { type Commit, deriveCommitDigest } from '../protocol/wire/commit.ts'
import { type Epochs, verifyCommit } from './epochs.ts'
import { followEpochs } from './followEpochs.ts'
import type { LogReader } from './logReader.ts'
import type { SearchHit, SearchPage, SearchQuery } from './searchPage.ts'

/** A hit with its entry, which was proven to stand where the hit says, and to be what was searched for. */
export type ProvenHit = SearchHit & { entry: Uint8Array }

export type ProvenPage = Omit<SearchPage, 'hits'> & { hits: readonly ProvenHit[] }

export class SearchUnprovenError extends CoalitionError {
  constructor({ url, index, reason, cause }: { url: string; index: bigint; reason: string; cause?: unknown }) {
    super('SEARCH_UNPROVEN', `The member at ${url} found entry ${index}, which does not hold: ${reason}.`, {
      fix: 'Ask another member: this one is faulty, or serves another log than the certified one.',
      kind: 'refused',
      cause,
    })
  }
}

/**
 * Asks one member for entries and proves each that it names: that a quorum certified the commit of its height and time, that the
 * commit appended it, and that it is of the kind and about the citizen asked for.
 *
 * What no proof shows is that nothing was left out: ask several members, or read the log itself.
 *
 * @param parameters.epochs who decides, as far as the caller knows; the member's log leads on from there.
 * @throws {SearchUnprovenError} a hit that does not hold, is out of order, or was not asked for.
 * @throws {MalformedSearchPageError} what the member answers is no page.
 * @throws what `followEpochs` and the log reader throw.
 */
export async function searchChronicle(
  { log }: { log: LogReader },
  { epochs: known, query }: { epochs: Epochs; query: SearchQuery },
): Promise<ProvenPage> {
  const { hits, ...page } = await log.readSearch(query)
  const epochs = hits.length === 0 ? known : await followEpochs({ logs: [log] }, known)
  const proven: ProvenHit[] = []
  let span: CommitSpan | undefined
  let last = query.after
  for (const hit of hits) {
    const { index, height } = hit
    const refuse: Refuse = (reason, cause) => new SearchUnprovenError({ url: log.url, index, reason, cause })
    if (last !== undefined && index <= last) throw refuse('it does not follow the one before it')
    last = index
    try {
      if (span?.commit.height !== height) span = await readSpan(log, { epochs, height, refuse })
      const entry = await proveEntry(log, { index, span, refuse })
      const fault = findFault(hit, { entry, span, query })
      if (fault !== undefined) throw refuse(fault)
      proven.push({ ...hit, entry })
    } catch (error) {
      if (!(error instanceof CoalitionError) || error instanceof SearchUnprovenError || error.isRetryable) throw error
      throw refuse(error.message.replace(/\.$/, ''), error)
    }
  }
  return { ...page, hits: proven }
}

type Refuse = (reason: string, cause?: unknown) => SearchUnprovenError

/** A certified commit, and the index of the first entry that it appended. */
type CommitSpan = { commit: Commit; firstIndex: bigint }

async function readSpan(
  log: LogReader,
  { epochs, height, refuse }: { epochs: Epochs; height: bigint; refuse: Refuse },
): Promise<CommitSpan> {
  const record = await log.readCommit(height)
  const { commit } = verifyCommit(epochs, record)
  if (commit.height !== height) throw refuse(`height ${commit.height} was served for height ${height}`)
  if (height === 1n) return { commit, firstIndex: 0n }
  // The body, which the commit names, names the commit before it: that one needs no certificate of its own.
  const before = (await log.readCommit(height - 1n)).commit
  if (deriveCommitDigest(before) !== record.body.parent) {
    throw refuse(`the commit served below height ${height} is not its parent`)
  }
  return { commit, firstIndex: before.logSize }
}

async function proveEntry(
  log: LogReader,
  { index, span: { commit }, refuse }: { index: bigint; span: CommitSpan; refuse: Refuse },
): Promise<Uint8Array> {
  const size = commit.logSize
  if (index >= size) throw refuse(`at height ${commit.height} the log has ${countOf(size, 'entry')}`)
  const entry = await log.readEntry({ index, size })
  const proof = await log.proveInclusion({ index, size })
  verifyInclusion({ index, size, root: fromHex(commit.logRoot), leafHash: hashLeaf(entry), proof })
  return entry
}

/** Why a proven entry is not what was claimed or asked for; undefined where it is. */
function findFault(
  { index, kind, timestampMs }: SearchHit,
  { entry, span, query }: { entry: Uint8Array; span: CommitSpan; query: SearchQuery },
): string | undefined {
  const { commit, firstIndex } = span
  if (index < firstIndex) return `height ${commit.height} appended entries from ${firstIndex} on`
  if (timestampMs !== commit.timestampMs) return `height ${commit.height} was decided at ${commit.timestampMs}`
  const topic = classifyEntry(entry)
  if (topic?.kind !== kind) return `it is of kind ${topic?.kind ?? 'unknown'}, not ${kind}`
  if (query.kind !== undefined && kind !== query.kind) return `it is of kind ${kind}, not ${query.kind}`
  const isAbout = (citizen: Hex): boolean => topic.citizen?.startsWith(citizen) ?? false
  if (query.citizen !== undefined && !isAbout(query.citizen)) return 'it is about another citizen, or about none'
  const { fromMs = 0n, toMs } = query
  if (timestampMs < fromMs || (toMs !== undefined && timestampMs >= toMs)) return 'it was decided at another time'
  return undefined
}
