import type { ServerResponse } from 'node:http'
import { decodeSearchQuery, encodeSearchPage } from '../../client/searchPage.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { Logger } from '../runtime/logger.ts'
import type { KindContext, ServeKind } from './kinds.ts'
import { createSearch, type Search } from './search.ts'

const PATH = '/search'
/** Far more than the longest query has. */
const QUERY_SIZE_MAX = 512

/** What a Chronicle's member serves beside its log: a search index, which ends with the member. */
export function createSearchServe({ component, replica, store, logger, dir, defer }: SearchContext): ServeKind {
  const deps = { store, logger, height: () => replica.state().height }
  const search = createSearch(deps, { dir, component: component.component })
  defer('search', () => search.close())
  return createSearchRoute({ search, logger })
}

type SearchContext = Omit<KindContext<unknown>, 'key'>

/**
 * Answers `GET /search?citizen=…&kind=…&from=…&to=…&after=…`, each part at most once, with a page of hits as JSON; returns false
 * for every other path. 400 for a query that cannot be read, 503 while the index cannot answer.
 */
export const createSearchRoute =
  ({ search, logger }: { search: Pick<Search, 'find'>; logger: Logger }): ServeKind =>
  (request, response) => {
    const url = request.url ?? ''
    const mark = url.indexOf('?')
    if ((mark < 0 ? url : url.slice(0, mark)) !== PATH) return false
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      refuse(response, { status: 405, reason: 'read-only: GET or HEAD' })
      return true
    }
    void answer(response, {
      search,
      query: mark < 0 ? '' : url.slice(mark + 1),
      isHead: request.method === 'HEAD',
    }).catch((error) => {
      if (error instanceof CoalitionError) {
        if (error.isRetryable) response.setHeader('retry-after', '5')
        refuse(response, { status: error.isRetryable ? 503 : 400, reason: error.message })
        return
      }
      logger.error({ err: error }, 'a search failed')
      refuse(response, { status: 500, reason: 'internal error' })
    })
    return true
  }

async function answer(
  response: ServerResponse,
  { search, query, isHead }: { search: Pick<Search, 'find'>; query: string; isHead: boolean },
): Promise<void> {
  const page = encodeSearchPage(await search.find(decodeSearchQuery(query.slice(0, QUERY_SIZE_MAX))))
  response.setHeader('content-type', 'application/json')
  response.setHeader('cache-control', 'no-cache')
  response.setHeader('access-control-allow-origin', '*')
  response.end(isHead ? '' : page)
}

function refuse(response: ServerResponse, { status, reason }: { status: number; reason: string }): void {
  if (response.headersSent) return
  response.statusCode = status
  response.setHeader('content-type', 'text/plain; charset=utf-8')
  response.end(`${reason}\n`)
}
