import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { CoalitionError } from '../../protocol/errors.ts'
import type { Logger } from './logger.ts'

const HEADERS_TIMEOUT_MS = 5_000
const CONNECTIONS_MAX = 512

export class PortTakenError extends CoalitionError {
  constructor({ host, port, fix, cause }: { host: string; port: number; fix?: string; cause: unknown }) {
    super('PORT_TAKEN', `The process cannot listen on ${host}:${port}.`, {
      fix: fix ?? 'Set HTTP_PORT to a free port and HTTP_HOST to an address of this machine.',
      cause,
    })
  }
}

export type HttpServer = { url: string; close(): Promise<void> }

/**
 * Serves what `answer` says; what it throws is logged and answered with 500, without a word more.
 *
 * @param options.port 0 takes any free one.
 * @throws {PortTakenError}
 */
export async function serveHttp(
  { answer, logger }: { answer(request: IncomingMessage, response: ServerResponse): void; logger: Logger },
  { host, port }: { host: string; port: number },
): Promise<HttpServer> {
  const server = createServer((request, response) => {
    try {
      answer(request, response)
    } catch (error) {
      logger.error({ err: error, path: request.url }, 'serving failed')
      if (!response.headersSent) response.writeHead(500).end('internal error\n')
    }
  })
  server.headersTimeout = HEADERS_TIMEOUT_MS
  server.requestTimeout = HEADERS_TIMEOUT_MS
  server.maxConnections = CONNECTIONS_MAX
  await listen(server, { host, port })
  server.on('error', (error) => logger.error({ err: error }, 'the server reported an error'))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server listens on no port')
  const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return {
    url: `http://${shown}:${address.port}`,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)))
        server.closeAllConnections()
      }),
  }
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(new PortTakenError({ host, port, cause })))
    server.listen({ host, port }, resolve)
  })
}
