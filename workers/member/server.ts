import type { IncomingMessage, ServerResponse } from 'node:http'
import { encodeMemberStatus, type MemberStatus } from '../../client/memberStatus.ts'
import { encodeExtensionList } from '../../committee/extension.ts'
import { type Hex, isHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { encodeEntryBundle } from '../../protocol/log/entryBundle.ts'
import { cutTile, TILE_WIDTH, tileWidth } from '../../protocol/log/tile.ts'
import { decodeTilePath } from '../../protocol/log/tilePath.ts'
import { encodeSignedAdmission, type SignedAdmission } from '../../protocol/wire/admissionStatement.ts'
import { ZERO_BYTES32 } from '../../protocol/wire/commit.ts'
import { decodeCommitRecord } from '../../protocol/wire/commitRecord.ts'
import { type HttpServer, serveHttp } from '../runtime/httpServer.ts'
import type { Logger } from '../runtime/logger.ts'
import type { ServeKind } from './kinds.ts'
import { createSnapshotShelf, type SnapshotShelf } from './snapshotShelf.ts'
import type { Store } from './store.ts'

/** What the server reads; it writes nothing. */
export type LogView = {
  store: Pick<
    Store,
    'readRecord' | 'readNewestAnchor' | 'readTile' | 'readEntries' | 'readSnapshot' | 'findNewestSnapshot'
  >
  /** Leaves that are certified and durable. */
  size(): bigint
  /** Last decided height; 0 before the first. */
  height(): bigint
  /** Encoded vote extensions for the commit of a decided height; none where the component uses none. */
  extensionsFor(height: bigint): readonly Uint8Array[]
  /** The newest checkpoint that a quorum has signed, or as many as there are. */
  checkpoint(): Uint8Array
  /** The newest that a witness has cosigned; undefined where none has. */
  witnessed(): Uint8Array | undefined
  /** What this member says of itself. */
  status(): MemberStatus
  /** This member's word that it has admitted a peer; undefined where it has not. */
  admission?: ((peer: Hex) => SignedAdmission | undefined) | undefined
  /** Last decided sequence; 0 of a stranger. */
  sequence(submitter: Hex): bigint
}

type Resource = { body: Uint8Array | string; type: string; isImmutable: boolean }

const BYTES_TYPE = 'application/octet-stream'

/**
 * A member's log, read-only: C2SP tlog-tiles under the root, and each commit with its certificate (spec §6).
 *
 * `/checkpoint`, `/tile/LEVEL/INDEX[.p/WIDTH]`, `/tile/entries/INDEX[.p/WIDTH]`, the same three below `/witnessed/` up to the
 * newest checkpoint that a witness has cosigned, `/commit/HEIGHT`, `/commit/anchor`,
 * `/commit/epoch/EPOCH` (the commit that ended it), `/snapshot/HEIGHT` and `/snapshot/anchor` (the state at a height that is
 * marked for the chain, of which the newest two are kept), `/extensions/HEIGHT` (a quorum's vote extensions for that commit,
 * where the component uses them), `/submitter/ADDRESS` (its last sequence), `/admission/ADDRESS` (this member's signed word
 * that it has admitted that peer), `/status` (how this member does) and `/health`. What `serveKind` takes is not looked for in
 * the log: its paths begin otherwise.
 */
export async function startServer(
  { view, serveKind, logger }: { view: LogView; serveKind?: ServeKind | undefined; logger: Logger },
  at: { host: string; port: number },
): Promise<HttpServer> {
  const snapshots = createSnapshotShelf(view.store)
  return await serveHttp(
    {
      logger,
      answer(request, response) {
        if (serveKind?.(request, response) !== true) answer(request, response, { view, snapshots })
      },
    },
    at,
  )
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { view, snapshots }: { view: LogView; snapshots: SnapshotShelf },
): void {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    send(response, { status: 405, body: 'read-only: GET or HEAD\n' })
    return
  }
  const path = (request.url ?? '/').slice(1)
  if (path.startsWith('snapshot/') && !snapshots.admit(response)) {
    response.setHeader('retry-after', '5')
    send(response, { status: 503, body: 'others are being sent a snapshot: ask later, or another member\n' })
    return
  }
  const resource = find(path, { view, snapshots })
  if (resource === undefined) {
    send(response, { status: 404, body: 'not in this log\n' })
    return
  }
  const { body, type, isImmutable } = resource
  response.setHeader('content-type', type)
  response.setHeader('cache-control', isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache')
  // Anyone may read, a browser’s explorer too.
  response.setHeader('access-control-allow-origin', '*')
  send(response, { status: 200, body: request.method === 'HEAD' ? '' : body })
}

function send(response: ServerResponse, { status, body }: { status: number; body: Uint8Array | string }): void {
  response.statusCode = status
  response.end(body)
}

const HEIGHT_PATTERN = /^[1-9][0-9]{0,18}$/
const EPOCH_PATTERN = /^(?:0|[1-9][0-9]{0,18})$/

function find(path: string, { view, snapshots }: { view: LogView; snapshots: SnapshotShelf }): Resource | undefined {
  const [room, rest = ''] = split(path)
  switch (room) {
    case 'checkpoint':
      return rest === '' ? toCheckpoint(view.checkpoint()) : undefined
    case 'tile':
      return findTile(path, view)
    case 'witnessed':
      if (rest === 'checkpoint') return toCheckpoint(view.witnessed())
      return rest.startsWith('tile/') ? findTile(rest, view) : undefined
    case 'commit':
      return findCommit(rest, view)
    case 'snapshot':
      return findSnapshot(rest, snapshots)
    case 'extensions':
      return findExtensions(rest, view)
    case 'submitter':
      if (!isHex(rest, 20)) return undefined
      return { body: view.sequence(rest).toString(), type: 'text/plain; charset=utf-8', isImmutable: false }
    case 'admission': {
      const admission = isHex(rest, 20) ? view.admission?.(rest) : undefined
      if (admission === undefined) return undefined
      return { body: encodeSignedAdmission(admission), type: 'application/json', isImmutable: false }
    }
    case 'status':
      if (rest !== '') return undefined
      return { body: encodeMemberStatus(view.status()), type: 'application/json', isImmutable: false }
    case 'health':
      if (rest !== '') return undefined
      return {
        body: JSON.stringify({ height: view.height().toString(), size: view.size().toString() }),
        type: 'application/json',
        isImmutable: false,
      }
    default:
      return undefined
  }
}

const toCheckpoint = (body: Uint8Array | undefined): Resource | undefined =>
  body === undefined ? undefined : { body, type: 'text/plain; charset=utf-8', isImmutable: false }

function findCommit(name: string, { store, height }: LogView): Resource | undefined {
  const [first, epoch] = split(name)
  const isNewest = name === 'anchor'
  let record: string | undefined
  if (first === 'epoch' && epoch !== undefined) {
    record = EPOCH_PATTERN.test(epoch) ? findEpochEnd(BigInt(epoch), { store, height: height() }) : undefined
  } else if (isNewest) {
    record = store.readNewestAnchor()
  } else if (HEIGHT_PATTERN.test(name) && BigInt(name) <= height()) {
    record = store.readRecord(BigInt(name))
  }
  return record === undefined ? undefined : { body: record, type: 'application/json', isImmutable: !isNewest }
}

function findSnapshot(name: string, snapshots: SnapshotShelf): Resource | undefined {
  const isNewest = name === 'anchor'
  if (!isNewest && !HEIGHT_PATTERN.test(name)) return undefined
  const body = isNewest ? snapshots.readNewest() : snapshots.read(BigInt(name))
  return body === undefined ? undefined : { body, type: BYTES_TYPE, isImmutable: !isNewest }
}

function findExtensions(name: string, { height, extensionsFor }: LogView): Resource | undefined {
  if (!HEIGHT_PATTERN.test(name) || BigInt(name) > height()) return undefined
  const extensions = extensionsFor(BigInt(name))
  // Another quorum's may stand in the next proposal than this member counted.
  return extensions.length === 0
    ? undefined
    : { body: encodeExtensionList(extensions), type: BYTES_TYPE, isImmutable: false }
}

/** The last commit of `epoch`, where it has ended. Epochs only grow with the height, so a few reads find it. */
function findEpochEnd(
  epoch: bigint,
  { store, height }: { store: LogView['store']; height: bigint },
): string | undefined {
  let found: string | undefined
  for (let from = 1n, to = height; from <= to; ) {
    const middle = (from + to) / 2n
    const record = store.readRecord(middle)
    // A member need not have the oldest heights: what it lacks is taken for older.
    if (record === undefined || decodeCommitRecord(record).commit.epoch <= epoch) {
      found = record
      from = middle + 1n
    } else {
      to = middle - 1n
    }
  }
  if (found === undefined) return undefined
  const { commit } = decodeCommitRecord(found)
  return commit.epoch === epoch && commit.next !== ZERO_BYTES32 ? found : undefined
}

function findTile(path: string, { store, size }: LogView): Resource | undefined {
  let tile: ReturnType<typeof decodeTilePath>
  try {
    tile = decodeTilePath(path)
  } catch (error) {
    if (!(error instanceof CoalitionError)) throw error
    return undefined
  }
  const { level, index, width } = tile
  const type = BYTES_TYPE
  const widthNow = tileWidth({ level: level === 'entries' ? 0 : level, index, size: size() })
  if (width > widthNow) return undefined
  if (level === 'entries') {
    const start = index * BigInt(TILE_WIDTH)
    const entries = store.readEntries({ start, end: start + BigInt(width) })
    return { body: encodeEntryBundle(entries), type, isImmutable: true }
  }
  const hashes = store.readTile(level, index)
  return hashes === undefined ? undefined : { body: cutTile(hashes, width), type, isImmutable: true }
}

function split(path: string): [string, string?] {
  const slash = path.indexOf('/')
  return slash < 0 ? [path] : [path.slice(0, slash), path.slice(slash + 1)]
}
