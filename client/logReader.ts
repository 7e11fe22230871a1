import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { decodeEntryBundle } from '../protocol/log/entryBundle.ts'
import { decodeLogOrigin } from '../protocol/log/logOrigin.ts'
import { type ProofPlan, planConsistency, planInclusion } from '../protocol/log/proofPlan.ts'
import { cutTile, TILE_WIDTH, type Tile } from '../protocol/log/tile.ts'
import { bundleOf, type EntryBundle, encodeTilePath } from '../protocol/log/tilePath.ts'
import { completeFromTiles, tilesOf } from '../protocol/log/tileProof.ts'
import { HASH_SIZE_BYTES } from '../protocol/log/treeHash.ts'
import { type CommitRecord, decodeCommitRecord } from '../protocol/wire/commitRecord.ts'
import { FetchFailedError, fetchBounded } from './fetchBounded.ts'
import { decodeMemberStatus, type MemberStatus } from './memberStatus.ts'
import { decodeSearchPage, encodeSearchQuery, type SearchPage, type SearchQuery } from './searchPage.ts'

const READ_TIMEOUT_MS = 10_000
const POLL_MS = 100
const NEWEST_ANCHOR_PATH = 'commit/anchor'
/** 256 entries of 65,535 bytes, each behind its length: the largest thing that a log serves; a snapshot is not larger. */
const BODY_SIZE_MAX_BYTES = TILE_WIDTH * (65_535 + 2)
const TILE_SIZE_MAX_BYTES = TILE_WIDTH * HASH_SIZE_BYTES
/** A status that names 256 peers, what they approve, and as many that are admitted: the largest text. */
const TEXT_SIZE_MAX_BYTES = 1 << 17

/** 256 vote extensions of 1,312 bytes each, with offset and size: at most 352,320. */
const EXTENSIONS_SIZE_MAX_BYTES = 1 << 19

export class LogUnreachableError extends CoalitionError {
  constructor({ url, reason, cause }: { url: string; reason: string; cause?: unknown }) {
    super('LOG_UNREACHABLE', `The log at ${url} cannot be read: ${reason}.`, {
      fix: 'Give the URL as the member prints it when it starts, check that it runs, or read from another: every one serves the same log.',
      isRetryable: true,
      cause,
    })
  }
}

export class InvalidLogUrlError extends CoalitionError {
  constructor({ hasCredentials = false }: { hasCredentials?: boolean } = {}) {
    const what = hasCredentials
      ? 'carries a name or a password, which a log asks nobody for'
      : 'is not an http or https URL'
    super('INVALID_LOG_URL', `The log’s URL ${what}.`, {
      fix: 'Give it as the member prints it when it starts: http://HOST:PORT.',
    })
  }
}

/** Whose a log is to be: a component’s key, and what the config calls it. */
export type LogOwner = { component: Hex; kind: string }

export class OtherComponentError extends CoalitionError {
  constructor({ url, found, of }: { url: string; found: Hex; of: LogOwner }) {
    const name = of.kind === 'tickets' ? 'ticket issuer' : of.kind
    super('OTHER_COMPONENT', `The log at ${url} is of component ${found}; the config’s ${name} is ${of.component}.`, {
      fix: 'Give the URL of one of its members: coalition status says which is which. If the config was changed, use the one that the component began with (docs/operators/rotating.md).',
    })
  }
}

export class NotInLogError extends CoalitionError {
  constructor({ path }: { path: string }) {
    const isUnmarked = path === NEWEST_ANCHOR_PATH
    super('NOT_IN_LOG', isUnmarked ? 'The log has no commit for the chain yet.' : `The log does not have ${path}.`, {
      fix: isUnmarked
        ? 'Wait: members mark one at the cadence of the component’s parameters, once something was written to it.'
        : 'Ask for something that was decided already, or read from another member.',
      kind: 'refused',
    })
  }
}

/**
 * Reads one member's log over HTTP. Nothing of what it returns is trusted yet: callers verify it against a
 * certificate, a checkpoint or the chain.
 */
export type LogReader = ReturnType<typeof createLogReader>

export type CreateLogReaderParameters = {
  /** Prefix of the log, as the member prints it when it starts: `http://127.0.0.1:4100`. */
  url: string
  /**
   * Whose log it is to be. One that names itself another component's is refused by every read: a diagnosis before anything
   * is verified, and no proof. @default anybody's
   */
  of?: LogOwner | undefined
  /** Milliseconds that one read may take. @default 10,000 */
  timeoutMs?: number
}

export function createLogReader({ url, of, timeoutMs = READ_TIMEOUT_MS }: CreateLogReaderParameters) {
  const prefix = assertLogUrl(url)

  let totalBytes = 0
  /** The component that it named last, in whatever was read. */
  let named: Hex | undefined
  let isOriginAsked = false

  /** @throws {OtherComponentError} */
  function noteOwner(component: Hex): void {
    named = component
    if (of !== undefined && component !== of.component)
      throw new OtherComponentError({ url: prefix, found: component, of })
  }

  /** The component that its checkpoint names in the first line (spec §6); undefined where that names none. */
  async function readOwner(): Promise<Hex | undefined> {
    const note = new TextDecoder().decode(await fetchBytes('checkpoint', TEXT_SIZE_MAX_BYTES))
    try {
      return decodeLogOrigin(note.slice(0, Math.max(0, note.indexOf('\n'))))
    } catch (error) {
      if (!(error instanceof CoalitionError)) throw error
      return undefined
    }
  }

  /**
   * Asks once where nothing that was read names it, and again while it is named another's: the server may be put right.
   *
   * @throws {OtherComponentError}
   */
  async function assertOwner(): Promise<void> {
    if (of === undefined || named === of.component || (named === undefined && isOriginAsked)) return
    isOriginAsked = true
    try {
      named = await readOwner()
    } catch (error) {
      // What is asked for beside it says what is wrong there.
      if (!(error instanceof CoalitionError)) throw error
    }
    if (named !== undefined) noteOwner(named)
  }

  /** What does not name its component itself. */
  async function readBytes(path: string, sizeMaxBytes?: number): Promise<Uint8Array> {
    const [read, owner] = await Promise.allSettled([fetchBytes(path, sizeMaxBytes), assertOwner()])
    if (owner.status === 'rejected') throw owner.reason
    if (read.status === 'rejected') throw read.reason
    return read.value
  }

  async function fetchBytes(path: string, sizeMaxBytes = BODY_SIZE_MAX_BYTES): Promise<Uint8Array> {
    const onChunk = (sizeBytes: number): void => {
      totalBytes += sizeBytes
    }
    let body: Uint8Array | undefined
    try {
      body = await fetchBounded(`${prefix}/${path}`, { timeoutMs, sizeMaxBytes, onChunk })
    } catch (error) {
      if (!(error instanceof FetchFailedError)) throw error
      throw new LogUnreachableError({ url: prefix, reason: error.message, cause: error.cause })
    }
    if (body === undefined) throw new NotInLogError({ path })
    const stranger = describeStranger(body)
    if (stranger !== undefined) throw new LogUnreachableError({ url: prefix, reason: `${stranger}, which no log does` })
    return body
  }

  // Whoever reads one entry mostly reads its neighbours next, and a bundle of one width never changes.
  let lastBundle: { path: string; entries: readonly Uint8Array[] } | undefined

  async function readBundle(bundle: EntryBundle): Promise<readonly Uint8Array[]> {
    const path = encodeTilePath(bundle)
    if (lastBundle?.path !== path) lastBundle = { path, entries: decodeEntryBundle(await readBytes(path), bundle) }
    return lastBundle.entries
  }

  const readText = async (path: string): Promise<string> =>
    new TextDecoder().decode(await readBytes(path, TEXT_SIZE_MAX_BYTES))

  const fetchText = async (path: string): Promise<string> =>
    new TextDecoder().decode(await fetchBytes(path, TEXT_SIZE_MAX_BYTES))

  /** @throws {NotInLogError} @throws {MalformedCommitRecordError} */
  async function fetchRecord(path: string): Promise<CommitRecord> {
    const record = decodeCommitRecord(await fetchText(path))
    noteOwner(record.commit.component)
    return record
  }

  async function readRecord(path: string): Promise<CommitRecord> {
    try {
      return await fetchRecord(path)
    } catch (error) {
      if (!(error instanceof NotInLogError)) throw error
      await assertOwner()
      throw error
    }
  }

  const complete = async (plan: ProofPlan): Promise<Uint8Array[]> =>
    completeFromTiles(plan, await Promise.all(tilesOf(plan).map((tile) => readBytes(encodeTilePath(tile)))))

  return {
    url: prefix,
    /** Bytes of all answers so far. */
    bytesRead: (): number => totalBytes,
    readOwner,
    /** Asks whose log it is, where nothing that was read has said so. @throws {OtherComponentError} */
    assertOwner,
    /** The newest checkpoint: a signed note, not opened yet. */
    readCheckpoint: (): Promise<Uint8Array> => fetchBytes('checkpoint'),
    /** @throws {NotInLogError} no such height yet. @throws {MalformedCommitRecordError} */
    readCommit: (height: bigint): Promise<CommitRecord> => readRecord(`commit/${height}`),
    /** Waits until the member has decided `height`. @throws {NotInLogError} it has not within `timeoutMs`. */
    async waitForCommit(height: bigint, { timeoutMs: waitMs }: { timeoutMs: number }): Promise<CommitRecord> {
      const deadline = performance.now() + waitMs
      for (;;) {
        try {
          return await readRecord(`commit/${height}`)
        } catch (error) {
          if (!(error instanceof NotInLogError) || performance.now() >= deadline) throw error
        }
        await new Promise((resolve) => setTimeout(resolve, POLL_MS))
      }
    },
    /** The newest commit that is marked for the chain. @throws {NotInLogError} none yet. */
    readNewestAnchor: (): Promise<CommitRecord> => readRecord(NEWEST_ANCHOR_PATH),
    /** The commit that ended `epoch`: its `next` is not zero. @throws {NotInLogError} it has not ended. */
    readEpochEnd: (epoch: bigint): Promise<CommitRecord> => fetchRecord(`commit/epoch/${epoch}`),
    /**
     * The state at a height that is marked for the chain, or at the newest such; as claimed, and not decoded. The height is
     * part of it: the newest may be another one with each call.
     *
     * @throws {NotInLogError} it is not kept, or not any more.
     */
    readSnapshot: (height: bigint | 'anchor'): Promise<Uint8Array> => readBytes(`snapshot/${height}`),
    /** A quorum's vote extensions for the commit of a height; as claimed, and not decoded. @throws {NotInLogError} it has none. */
    readExtensions: (height: bigint): Promise<Uint8Array> =>
      readBytes(`extensions/${height}`, EXTENSIONS_SIZE_MAX_BYTES),
    /** What the member says of itself. @throws {MalformedStatusError} */
    async readStatus(): Promise<MemberStatus> {
      const status = decodeMemberStatus(await fetchText('status'), { url: prefix })
      noteOwner(status.component)
      return status
    },
    /** The member's word that it has admitted `peer`; not verified yet. @throws {NotInLogError} it has not, or not any more. */
    readAdmission: (peer: string): Promise<string> => readText(`admission/${peer}`),
    /** The last sequence that the member decided of `submitter`; a hint. */
    async readSequence(submitter: string): Promise<bigint> {
      const text = await readText(`submitter/${submitter}`)
      if (!/^(?:0|[1-9][0-9]{0,19})$/.test(text)) {
        throw new LogUnreachableError({ url: prefix, reason: 'it answers no number where a sequence belongs' })
      }
      return BigInt(text)
    },
    /** What a Chronicle's member finds in its index; as claimed. @throws {MalformedSearchPageError} */
    readSearch: async (query: SearchQuery): Promise<SearchPage> =>
      decodeSearchPage(await readText(`search?${encodeSearchQuery(query)}`), { url: prefix }),
    /** The hashes of a tile, one behind the other, as claimed. @throws {TileLengthError} they are fewer, or no hashes. */
    readTile: async (tile: Tile): Promise<Uint8Array> =>
      cutTile(await readBytes(encodeTilePath(tile), TILE_SIZE_MAX_BYTES), tile.width),
    /**
     * The up to 256 entries of the bundle in which the entry at `index` stands, as claimed and in order, from a log of `size`
     * leaves. @throws {InvalidEntryBundleError}
     */
    readEntries: (of: { index: bigint; size: bigint }): Promise<readonly Uint8Array[]> => readBundle(bundleOf(of)),
    /** The entry at `index`, as claimed, read from the bundle that a log of `size` leaves has. */
    async readEntry({ index, size }: { index: bigint; size: bigint }): Promise<Uint8Array> {
      const entries = await readBundle(bundleOf({ index, size }))
      return entries[Number(index % BigInt(TILE_WIDTH))]!
    },
    /** Inclusion proof of the leaf at `index` under the root of `size` leaves, made from tiles; not verified yet. */
    proveInclusion: (of: { index: bigint; size: bigint }): Promise<Uint8Array[]> => complete(planInclusion(of)),
    /** Consistency proof from `size1` to `size2` leaves; empty from 0. Not verified yet. */
    proveConsistency: async (of: { size1: bigint; size2: bigint }): Promise<Uint8Array[]> =>
      of.size1 === 0n ? [] : complete(planConsistency(of)),
  }
}

/** A JSON-RPC server’s refusal of a GET is smaller. */
const REFUSAL_SIZE_MAX_BYTES = 4_096

/** What gives a server away that is no log, as a JSON-RPC endpoint in a log’s place; undefined for anything else. */
function describeStranger(body: Uint8Array): string | undefined {
  if (body.length === 0) return 'what is there answers with nothing'
  if (body.length > REFUSAL_SIZE_MAX_BYTES || body[0] !== 0x7b) return undefined
  try {
    const answer: unknown = JSON.parse(new TextDecoder().decode(body))
    return Object.hasOwn(answer as object, 'jsonrpc') ? 'what is there answers as a JSON-RPC server' : undefined
  } catch {
    return undefined
  }
}

/** @throws {InvalidLogUrlError} */
export function assertLogUrl(url: string): string {
  const parsed = URL.parse(url)
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) throw new InvalidLogUrlError()
  if (parsed.username !== '' || parsed.password !== '') throw new InvalidLogUrlError({ hasCredentials: true })
  return url.replace(/\/+$/, '')
}
