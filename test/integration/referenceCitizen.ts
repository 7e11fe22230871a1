import { createServer, type IncomingMessage } from 'node:http'
import type { CitizenEvent } from '../../client/correlate.ts'
import { type Hex, isHex } from '../../protocol/bytes.ts'
import { CoalitionError } from '../../protocol/errors.ts'
import type { TicketValidator } from '../../protocol/tickets/ticketValidator.ts'
import { isSignedBy } from '../../protocol/wire/certificate.ts'
import { deriveTypehash, hashStruct } from '../../protocol/wire/typedData.ts'

/**
 * Stands in for a citizen's own service, a lattice's or an organism's: its state moves on by itself, and it tells what
 * happened to whoever shows a ticket of the coalition's issuer. Nothing of it asks the coalition for leave.
 */
export type ReferenceCitizen = {
  url: string
  /** Something happens: the citizen's own clock (slot, tick, round) moves on. */
  advance(): CitizenEvent
  close(): Promise<void>
}

const REQUEST_TYPEHASH = deriveTypehash('EventsRequest(bytes32 citizen,uint64 timeMs)')
const REQUEST_AGE_MAX_MS = 30_000
const BODY_SIZE_MAX_BYTES = 65_536
/** Its clock and the members' are this machine's. */
const UNCERTAINTY_MS = 1n

/** What the holder of a ticket signs to show that it is its subject. */
export const deriveRequestDigest = ({ citizen, timeMs }: { citizen: Hex; timeMs: number }): Hex =>
  hashStruct(REQUEST_TYPEHASH, [citizen, timeMs])

export async function startReferenceCitizen(options: {
  citizen: Hex
  /** Where its clock stands at first. */
  clockEvent: bigint
  /** Whose tickets it honours. */
  validator: TicketValidator<'issued-by'>
}): Promise<ReferenceCitizen> {
  const { citizen, validator } = options
  let { clockEvent } = options
  const events: CitizenEvent[] = []
  const server = createServer((request, response) => {
    answer(request).then(
      (body) => response.end(body),
      (error: unknown) => {
        response.statusCode = error instanceof CoalitionError ? 403 : 400
        response.end(error instanceof CoalitionError ? error.code : 'malformed')
      },
    )
  })

  async function answer(request: IncomingMessage): Promise<string> {
    const { 'x-signer': signer, 'x-signature': signature, 'x-time': time } = request.headers
    const timeMs = Number(time)
    if (!isHex(signer, 20) || !isHex(signature, 64) || Math.abs(Date.now() - timeMs) > REQUEST_AGE_MAX_MS)
      throw new Error()
    if (!isSignedBy({ digest: deriveRequestDigest({ citizen, timeMs }), signature, signer })) throw new Error()
    validator.validate({ class: 'issued-by', jws: await readBody(request) }, { signer }, Date.now())
    return JSON.stringify(events, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))
  }

  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}/events`,
    advance() {
      clockEvent += 1n
      const event = { citizen, clockEvent, observedAtMs: BigInt(Date.now()), uncertaintyMs: UNCERTAINTY_MS }
      events.push(event)
      return event
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) {
    body += chunk
    if (body.length > BODY_SIZE_MAX_BYTES) throw new Error('too large')
  }
  return body
}
