import type { IncomingMessage, ServerResponse } from 'node:http'
import { ATLAS_PAGE_MAX, encodeAtlasAnswer, toRetirementJson } from '../../client/atlasAnswer.ts'
import type { AtlasCitizen } from '../../client/atlasCatalogue.ts'
import { toHeadJson } from '../../client/headJson.ts'
import { type Hex, isHex, toHex } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/hash.ts'
import { formatCanonicalJson } from '../../protocol/identity/json.ts'
import { type HttpServer, serveHttp } from '../runtime/httpServer.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Directory } from './directory.ts'
import type { Outcomes } from './outcomes.ts'
import type { ComponentView, RegistryView } from './registryView.ts'

export type ReadModelView = {
  directory: Pick<Directory, 'newest' | 'anchored' | 'retirement'>
  registry: Pick<RegistryView, 'list'>
  outcomes: Outcomes
  /** When the directory and the registry were last read without a failure, in milliseconds; 0 before the first time. */
  freshAtMs(): { directory: number; registry: number }
}

const PAGE_DEFAULT = 32
const JSON_TYPE = 'application/json'

/**
 * The Atlas as a read model, read-only: `/citizens` and `/components` in pages (`?after=KEY&limit=N`), `/citizens/ID`, each
 * under the newest certified state, or with `?under=chain` under the newest head on chain; `/health`. Answers are canonical
 * JSON with an ETag, and are verified by who asks (client/atlasModel.ts): this process is trusted with nothing.
 */
export const startReadModel = (
  { view, logger }: { view: ReadModelView; logger: Logger },
  at: { host: string; port: number },
): Promise<HttpServer> =>
  serveHttp({ logger, answer: (request, response) => send(request, response, find(request, view)) }, at)

type Answer = { status: 200 | 400 | 404 | 405 | 503; body: string }

const refuse = (status: Exclude<Answer['status'], 200>, reason: string): Answer => ({
  status,
  body: formatCanonicalJson({ error: reason }),
})

function send(request: IncomingMessage, response: ServerResponse, { status, body }: Answer): void {
  response.setHeader('access-control-allow-origin', '*')
  response.setHeader('cache-control', 'no-cache')
  if (status === 200) {
    // Equal answers are equal bytes, so who asks again need not be sent them again.
    const etag = `"${toHex(sha256(new TextEncoder().encode(body))).slice(2)}"`
    response.setHeader('etag', etag)
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304).end()
      return
    }
  }
  response.writeHead(status, { 'content-type': JSON_TYPE }).end(request.method === 'HEAD' ? '' : body)
}

function find({ method = '', url = '/' }: IncomingMessage, view: ReadModelView): Answer {
  if (method !== 'GET' && method !== 'HEAD') return refuse(405, 'read-only: GET or HEAD')
  const parsed = URL.parse(url, 'http://read.model')
  if (parsed === null) return refuse(400, 'not a path')
  const [room, id, ...rest] = parsed.pathname.slice(1).split('/')
  if (rest.length > 0) return refuse(404, 'no such path')
  if (room === 'citizens' && id !== undefined) return findCitizen(id, parsed.searchParams, view)
  if (id !== undefined) return refuse(404, 'no such path')
  switch (room) {
    case 'citizens':
      return listCitizens(parsed.searchParams, view)
    case 'components':
      return listComponents(parsed.searchParams, view)
    case 'health':
      return readHealth(view)
    default:
      return refuse(404, 'no such path')
  }
}

function findBasis(query: URLSearchParams, { directory }: ReadModelView) {
  const retirement = directory.retirement()
  if (query.get('under') === 'chain') {
    const anchored = directory.anchored()
    return anchored && { ...anchored.held, head: anchored.head, retirement }
  }
  const held = directory.newest()
  const anchored = directory.anchored()
  return held && { ...held, head: anchored?.held === held ? anchored.head : null, retirement }
}

const NO_STATE = refuse(503, 'no state was read yet, or none under the newest head; ask again in a moment')

function findCitizen(id: string, query: URLSearchParams, view: ReadModelView): Answer {
  if (!isHex(id, 32)) return refuse(400, 'a citizen is named by its stable id: 0x and 64 lower-case hex digits')
  const basis = findBasis(query, view)
  if (basis === undefined) return NO_STATE
  const found = basis.byId.get(id)
  if (found === undefined) return refuse(404, 'the Atlas does not remember this citizen')
  return answerCitizens(basis, [found], null)
}

function listCitizens(query: URLSearchParams, view: ReadModelView): Answer {
  const basis = findBasis(query, view)
  if (basis === undefined) return NO_STATE
  const page = cutPage(basis.citizens, query, ({ citizen }) => citizen)
  return page === undefined ? BAD_PAGE : answerCitizens(basis, page.items, page.after)
}

const answerCitizens = (
  { certified: { record }, head, retirement }: NonNullable<ReturnType<typeof findBasis>>,
  citizens: readonly AtlasCitizen[],
  after: Hex | null,
): Answer => ({ status: 200, body: encodeAtlasAnswer({ record, head, retirement, citizens, after }) })

function listComponents(query: URLSearchParams, { registry }: ReadModelView): Answer {
  const page = cutPage(registry.list(), query, ({ component }) => component)
  if (page === undefined) return BAD_PAGE
  const body = { components: page.items.map(toComponentJson), after: page.after }
  return { status: 200, body: formatCanonicalJson(body) }
}

/** What a third party would check by itself: each head against the registry, which holds its digest. */
const toComponentJson = ({ kind, name, component, confirmed, newest, retirement }: ComponentView) => ({
  ...{ kind, name, component },
  confirmed: confirmed === undefined ? null : toHeadJson(confirmed),
  newest: newest === undefined ? null : toHeadJson(newest),
  retired: retirement === undefined ? null : toRetirementJson(retirement),
})

const BAD_PAGE = refuse(400, `a page is ?after=KEY&limit=N: 0x and 64 lower-case hex digits, 1 to ${ATLAS_PAGE_MAX}`)

/** Those behind `after`; undefined where the query is none. */
function cutPage<Item>(
  items: readonly Item[],
  query: URLSearchParams,
  keyOf: (item: Item) => Hex,
): { items: readonly Item[]; after: Hex | null } | undefined {
  const after = query.get('after')
  const limit = query.get('limit') ?? String(PAGE_DEFAULT)
  if (after !== null && !isHex(after, 32)) return undefined
  if (!/^[1-9][0-9]?$/.test(limit) || Number(limit) > ATLAS_PAGE_MAX) return undefined
  const rest = after === null ? items : items.filter((item) => keyOf(item) > after)
  const cut = rest.slice(0, Number(limit))
  return { items: cut, after: rest.length > cut.length ? keyOf(cut.at(-1)!) : null }
}

function readHealth({ directory, outcomes, freshAtMs }: ReadModelView): Answer {
  const commit = directory.newest()?.certified.commit.commit
  const body = formatCanonicalJson({
    height: commit === undefined ? null : commit.height.toString(),
    timestampMs: commit === undefined ? null : commit.timestampMs.toString(),
    anchoredHeight: directory.anchored()?.head.height.toString() ?? null,
    isRetired: directory.retirement() !== null,
    freshAtMs: freshAtMs(),
    outcomes: outcomes.counts(),
  })
  return { status: commit === undefined ? 503 : 200, body }
}
