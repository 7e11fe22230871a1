import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TicketIssuerState } from '../../modules/tickets/machine.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import { decodeTicketJson, TICKET_JSON_SIZE_MAX_BYTES } from '../../protocol/tickets/ticketJson.ts'
import { signDigest } from '../../protocol/wire/signature.ts'
import type { Logger } from '../runtime/logger.ts'
import type { KindContext, ServeKind } from './kinds.ts'
import { createRateLimit } from './rateLimit.ts'
import { createTicketSigner, type TicketSigner } from './ticketSigner.ts'

/** How long a body may take: it is one packet. */
const BODY_TIMEOUT_MS = 5_000
/** What one address may ask for: a signature is dearer than anything else that a member serves. */
const REQUESTS_PER_SECOND = 50
const REQUESTS_AT_ONCE = 100

export class RequestTooLargeError extends CoalitionError {
  constructor({ sizeMaxBytes }: { sizeMaxBytes: number }) {
    super('REQUEST_TOO_LARGE', `The request has more than ${sizeMaxBytes} bytes.`, {
      fix: 'Send one ticket as JSON, and nothing else.',
    })
  }
}

export class TooManyRequestsError extends CoalitionError {
  constructor() {
    super('TOO_MANY_REQUESTS', 'Too many requests come from this address.', {
      fix: 'Ask again in a second, or ask another member.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

export class MethodNotAllowedError extends CoalitionError {
  constructor() {
    super('METHOD_NOT_ALLOWED', 'A ticket is signed for POST alone.', {
      fix: 'Send POST /ticket with the ticket as JSON.',
    })
  }
}

const STATUS_OF: Readonly<Record<string, number>> = {
  TICKET_UNKNOWN: 404,
  METHOD_NOT_ALLOWED: 405,
  COMPONENT_RETIRED: 410,
  REQUEST_TOO_LARGE: 413,
  TOO_MANY_REQUESTS: 429,
}

/** `createTicketServer` of a member as its process runs it. */
export function createTicketServe({ component, replica, key, logger }: KindContext<TicketIssuerState>): ServeKind {
  const ticketsRoot = component.coalition.ticketIssuerRoot()
  if (ticketsRoot === undefined) throw new Error('a ticket issuer runs that its config does not ship')
  const sign = (digest: Hex): Hex => signDigest(digest, key.secretKey)
  const deps = { state: replica.state, clock: { nowMs: Date.now }, sign }
  return createTicketServer({ signer: createTicketSigner(deps, { ticketsRoot, signer: key.signer }), logger })
}

/**
 * What a member of a ticket issuer serves beside its log: `POST /ticket` takes a ticket as JSON and answers with this member's
 * signature of its token. A refusal is `{"error": …}` with a code. Nothing of a body is logged, whatever becomes of it: who
 * knows a ticket may have it signed.
 *
 * @returns answers a request where the path is its own, else says false and has touched nothing.
 */
export function createTicketServer(
  { signer, logger }: { signer: TicketSigner; logger: Logger },
  { requestsPerSecond = REQUESTS_PER_SECOND, requestsAtOnce = REQUESTS_AT_ONCE } = {},
): ServeKind {
  const limit = createRateLimit({ perSecond: requestsPerSecond, atOnce: requestsAtOnce })

  async function answer(request: IncomingMessage): Promise<string> {
    if (!limit.admit(request.socket.remoteAddress ?? '')) throw new TooManyRequestsError()
    if (request.method !== 'POST') throw new MethodNotAllowedError()
    return JSON.stringify(signer.sign(decodeTicketJson(await readBody(request))))
  }

  return (request, response) => {
    if (request.url !== '/ticket') return false
    response.setHeader('content-type', 'application/json')
    response.setHeader('cache-control', 'no-store')
    response.setHeader('access-control-allow-origin', '*')
    answer(request).then(
      (body) => response.end(body),
      (error: unknown) => refuse(response, error),
    )
    return true
  }

  function refuse(response: ServerResponse, error: unknown): void {
    // Whatever was not read of the request does not become the next one.
    response.setHeader('connection', 'close')
    if (!(error instanceof CoalitionError)) {
      // Not even its message: it may quote the ticket.
      if (!response.destroyed)
        logger.error({ name: error instanceof Error ? error.name : typeof error }, 'a ticket request failed')
      response.statusCode = 500
      response.end(JSON.stringify({ error: { code: 'UNEXPECTED', message: 'internal error' } }))
      return
    }
    response.statusCode = STATUS_OF[error.code] ?? (error.kind === 'input' ? 400 : error.isRetryable ? 503 : 403)
    if (error instanceof MethodNotAllowedError) response.setHeader('allow', 'POST')
    if (error.isRetryable) response.setHeader('retry-after', '1')
    response.end(JSON.stringify({ error: error.toJSON() }))
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const sizeMaxBytes = TICKET_JSON_SIZE_MAX_BYTES
  if (Number(request.headers['content-length'] ?? 0) > sizeMaxBytes) throw new RequestTooLargeError({ sizeMaxBytes })
  const timer = setTimeout(() => request.destroy(), BODY_TIMEOUT_MS)
  try {
    const chunks: Buffer[] = []
    let sizeBytes = 0
    for await (const chunk of request as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length
      if (sizeBytes > sizeMaxBytes) throw new RequestTooLargeError({ sizeMaxBytes })
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString('utf8')
  } finally {
    clearTimeout(timer)
  }
}
