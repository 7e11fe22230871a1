import { lookup } from 'node:dns/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { isIP } from 'node:net'
import { CoalitionError } from '../../protocol/errors.ts'
import { CARD_FILE_SIZE_MAX_BYTES, decodeSignedCard, type SignedCard } from '../../protocol/wire/cardFile.ts'
import { isPublicAddress } from './publicAddress.ts'

/** Addresses that one name may have: more are no one's server. */
const ADDRESSES_MAX = 64
const URL_SIZE_MAX = 2_048

export class CardUrlRefusedError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('CARD_URL_REFUSED', `A self-published card is not fetched: ${reason}.`, {
      fix: 'Give an https URL without a user, of a server on the open Internet; ALLOW_PRIVATE_NETWORKS lets others in.',
      kind: 'refused',
    })
  }
}

export class CardUnreachableError extends CoalitionError {
  constructor({ host, reason, cause }: { host: string; reason: string; cause?: unknown }) {
    super('CARD_UNREACHABLE', `The citizen’s server at ${host} gives no card: ${reason}.`, {
      fix: 'Serve the signed card over https there, at most 32,768 bytes, without a redirect.',
      kind: 'refused',
      isRetryable: true,
      cause,
    })
  }
}

/** All addresses of a name, as `dns.lookup` gives them. */
export type Resolve = (hostname: string) => Promise<readonly { address: string; family: number }[]>

export type FetchCardParameters = {
  /** Where the citizen publishes its card: https. */
  url: string
  /** Milliseconds for all of it, the name included. */
  timeoutMs: number
  /** PEM of certificate authorities to trust in place of the well-known ones. */
  ca?: string | undefined
  /** Lets in addresses that are not of the open Internet. @default false */
  allowPrivate?: boolean
  resolve?: Resolve
}

const resolveAll: Resolve = (hostname) => lookup(hostname, { all: true, verbatim: true })

/**
 * Fetches a card that a citizen publishes itself. Whose URL it is does not matter: a stranger may have chosen it. So the name
 * is resolved once, every address that it has must be public, and the connection goes to an address that was looked at, not
 * to the name again. No redirect is followed, TLS is verified for the name, and size and time are bounded.
 *
 * @returns the card as claimed: neither its signature nor what it says was looked at.
 * @throws {CardUrlRefusedError} no such URL, or it leads to a private network.
 * @throws {CardUnreachableError} no name, no answer in time, a bad certificate, a redirect, or more bytes than a card has.
 * @throws {CardMalformedError} what is served is no card.
 */
export async function fetchCard(parameters: FetchCardParameters): Promise<SignedCard> {
  const { url: text, timeoutMs, ca, allowPrivate = false, resolve = resolveAll } = parameters
  const url = assertUrl(text)
  const { host } = url
  const signal = AbortSignal.timeout(timeoutMs)
  const unreachable = (reason: string, cause?: unknown) => new CardUnreachableError({ host, reason, cause })
  try {
    const address = await chooseAddress(url, { resolve, allowPrivate, signal })
    const response = await ask(url, { address, ca, signal })
    return decodeSignedCard(await readBody(response, unreachable))
  } catch (cause) {
    if (cause instanceof CoalitionError) throw cause
    if (signal.aborted) throw unreachable(`no whole answer within ${timeoutMs} ms`, cause)
    throw unreachable(describeFailure(cause), cause)
  }
}

function assertUrl(text: string): URL {
  const url = text.length <= URL_SIZE_MAX ? URL.parse(text) : null
  if (url === null) throw new CardUrlRefusedError({ reason: 'its URL is none, or longer than any' })
  if (url.protocol !== 'https:')
    throw new CardUrlRefusedError({ reason: `the scheme is ${url.protocol} and not https:` })
  if (url.username !== '' || url.password !== '') throw new CardUrlRefusedError({ reason: 'its URL names a user' })
  return url
}

/** @throws {CardUrlRefusedError} one of the name's addresses is not public: the next lookup might give that one. */
async function chooseAddress(
  { hostname }: URL,
  { resolve, allowPrivate, signal }: { resolve: Resolve; allowPrivate: boolean; signal: AbortSignal },
): Promise<string> {
  const literal = hostname.replace(/^\[|\]$/g, '')
  const addresses =
    isIP(literal) === 0 ? (await orAborted(resolve(hostname), signal)).map(({ address }) => address) : [literal]
  if (addresses.length === 0 || addresses.length > ADDRESSES_MAX) {
    throw new CardUnreachableError({ host: hostname, reason: `its name has ${addresses.length} addresses` })
  }
  const refused = allowPrivate ? undefined : addresses.find((address) => !isPublicAddress(address))
  if (refused !== undefined) {
    throw new CardUrlRefusedError({ reason: `${hostname} leads to ${refused}, which is not of the open Internet` })
  }
  return addresses[0]!
}

function ask(
  url: URL,
  { address, ca, signal }: { address: string; ca: string | undefined; signal: AbortSignal },
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asking = request(url, {
      // The name stays in SNI, certificate check and Host header; the socket goes where the address says, and nowhere else.
      lookup: (_hostname, options, callback) => {
        const family = isIP(address)
        if (options.all) callback(null, [{ address, family }])
        else callback(null, address, family)
      },
      // A connection of its own: one kept open for another name would have been checked for that one.
      agent: false,
      rejectUnauthorized: true,
      headers: { accept: 'application/json', 'accept-encoding': 'identity' },
      signal,
      ...(ca === undefined ? {} : { ca }),
    })
    asking.once('response', resolve)
    asking.once('error', reject)
    asking.end()
  })
}

async function readBody(
  response: IncomingMessage,
  unreachable: (reason: string) => CardUnreachableError,
): Promise<string> {
  try {
    const { statusCode = 0, headers } = response
    if (statusCode >= 300 && statusCode < 400) throw unreachable('it redirects, which is not followed')
    if (statusCode !== 200) throw unreachable(`it answers ${statusCode}`)
    if ((headers['content-encoding'] ?? 'identity') !== 'identity') throw unreachable('its answer is compressed')
    const chunks: Buffer[] = []
    let sizeBytes = 0
    for await (const chunk of response as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length
      if (sizeBytes > CARD_FILE_SIZE_MAX_BYTES) throw unreachable('its answer is larger than any card')
      chunks.push(chunk)
    }
    return new TextDecoder().decode(Buffer.concat(chunks))
  } finally {
    response.destroy()
  }
}

/** A lookup cannot be ended, but it need not be waited for. */
function orAborted<T>(pending: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    pending.then(resolve, reject)
  })
}

/** What Node.js says went wrong, by its code: its messages may repeat what a server sent. */
const describeFailure = (cause: unknown): string =>
  `the connection failed (${(cause as NodeJS.ErrnoException | undefined)?.code ?? 'without a code'})`
