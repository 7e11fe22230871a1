import { open } from 'node:fs/promises'
import { z } from 'zod'
import { CoalitionError } from '../../protocol/errors.ts'
import { JWS_SIZE_MAX } from '../../protocol/tickets/jws.ts'
import { type ShownTicket, TICKETS_MAX, TICKETS_SIZE_MAX_BYTES } from './peerFrame.ts'

export class TicketsFileError extends CoalitionError {
  constructor({ path, reason, cause }: { path: string; reason: string; cause?: unknown }) {
    super('TICKETS_FILE', `${path} holds no tickets: ${reason}.`, {
      fix: 'Write a JSON list of { "class": "jwt", "token" } and { "class": "issued-by", "jws" }; it is read again each time.',
      cause,
    })
  }
}

const text = z
  .string()
  .regex(/^[\x20-\x7e]*$/, 'a token is ASCII')
  .max(JWS_SIZE_MAX)
const TICKETS = z
  .array(
    z.discriminatedUnion('class', [
      z.strictObject({ class: z.literal('jwt'), token: text }),
      z.strictObject({ class: z.literal('issued-by'), jws: text }),
    ]),
  )
  .max(TICKETS_MAX - 1)

/** Reads the tokens that a member shows beside its quote; anew each time, because their issuers renew them. @throws {TicketsFileError} */
export async function readTicketsFile(path: string): Promise<Exclude<ShownTicket, { class: 'tdx' }>[]> {
  const parsed = TICKETS.safeParse(parse(path, await readBounded(path)))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]!
  throw new TicketsFileError({ path, reason: `${issue.path.join('.') || 'it'}: ${issue.message}` })
}

async function readBounded(path: string): Promise<string> {
  try {
    const file = await open(path)
    try {
      const { bytesRead, buffer } = await file.read({ buffer: Buffer.alloc(TICKETS_SIZE_MAX_BYTES + 1) })
      if (bytesRead <= TICKETS_SIZE_MAX_BYTES) return buffer.subarray(0, bytesRead).toString('utf8')
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw new TicketsFileError({ path, reason: 'it cannot be read', cause })
  }
  throw new TicketsFileError({ path, reason: `it has more than ${TICKETS_SIZE_MAX_BYTES} bytes` })
}

function parse(path: string, content: string): unknown {
  try {
    return JSON.parse(content)
  } catch (cause) {
    throw new TicketsFileError({ path, reason: 'it is not JSON', cause })
  }
}
