import { destination, type Logger, pino } from 'pino'
import { CoalitionError } from '../../protocol/errors.ts'

export type { Logger }

/** Structured logs, one JSON object a line, on standard error: standard output stays free for data. */
export const createLogger = ({ name, level }: { name: string; level: string }): Logger =>
  pino(
    { name, level, base: { name, pid: process.pid }, serializers: { err: describeError } },
    destination({ fd: 2, sync: true }),
  )

/** An error as a log may hold it: without its causes, whose fields hold the URL of an RPC endpoint and so its key. */
export function describeError(error: unknown): object | string {
  if (error instanceof CoalitionError) return error.toJSON()
  if (!(error instanceof Error)) return redactUrls(String(error))
  return { type: error.name, message: redactUrls(error.message), stack: redactUrls(error.stack ?? '') }
}

/** Leaves scheme, host and port of each URL; the places in a stack, which are file URLs, stay as they are. */
const redactUrls = (text: string): string =>
  text.replace(/\b(?!file:)([a-z][a-z0-9+.-]*):\/\/\S+/gi, (url, scheme: string) => {
    const host = URL.parse(url)?.host
    return `${scheme}://${host ? host : '…'}`
  })
