import { z } from 'zod'
import type { Hex, UniqueId } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { createIssuedByValidator } from '../protocol/tickets/issuedByValidator.ts'
import { decodeBase64Url } from '../protocol/tickets/jws.ts'
import { encodeJwsHeader, isJwsSignedBy, type JwsSignature } from '../protocol/tickets/jwsSignature.ts'
import { encodeTicketJson } from '../protocol/tickets/ticketJson.ts'
import { encodeTicketPayload } from '../protocol/tickets/ticketToken.ts'
import { quorumOf } from '../protocol/wire/committee.ts'
import { ComponentRetiredError } from '../protocol/wire/next.ts'
import type { Ticket } from '../protocol/wire/ticket.ts'
import { currentCommittee, type Epochs } from './epochs.ts'
import { assertLogUrl } from './logReader.ts'

/** A header and a signature have 200 bytes, a refusal has a few sentences. */
const ANSWER_SIZE_MAX_BYTES = 8_192
const ASK_TIMEOUT_MS = 5_000
/** Reasons that an error tells: a committee has up to 256 members. */
const REASONS_TOLD_MAX = 8

export class TicketUnsignedError extends CoalitionError {
  /** Why, by URL: a refusal's code, which is that member's word, or what became of the request. */
  readonly reasons: ReadonlyMap<string, string>

  constructor(options: { count: number; quorum: number; reasons: ReadonlyMap<string, string>; isRetryable: boolean }) {
    const { count, quorum, reasons, isRetryable } = options
    const told = [...reasons].slice(0, REASONS_TOLD_MAX).map(([url, reason]) => `${url}: ${reason}`)
    super('TICKET_UNSIGNED', `${count} member(s) signed the ticket, and ${quorum} must; ${told.join('; ')}.`, {
      fix: 'Ask when the ticket is issued, not revoked and in its window, and give the URLs of as many members as a quorum has.',
      kind: 'refused',
      isRetryable,
    })
    this.reasons = reasons
  }
}

export type SignedTicket = {
  /** JWS JSON, general serialization (RFC 7515 §7.2.1): what an IssuedBy validator takes. */
  jws: string
  /** Whose signatures it has, ascending: members of the current committee, a quorum or more. */
  signers: readonly Hex[]
}

export type SignTicketParameters = {
  ticket: Ticket
  /** The coalition's tickets root (spec §3). */
  ticketsRoot: UniqueId
  /** The issuer's, followed to the current committee: whoever was replaced does not count. */
  epochs: Epochs
  /** Milliseconds that a member has to answer. @default 5,000 */
  timeoutMs?: number
}

/**
 * Asks members of an issuer to sign a ticket, all at once, until a quorum of the current committee has. No member is believed:
 * a signature counts where it is a current member's own, under this very ticket, and a member that is slow is not waited for.
 *
 * Whoever is asked learns the whole ticket. That lets nobody use it: a consumer compares its subject with who shows it.
 *
 * @param deps.urls of members, as their logs have them.
 * @throws {InvalidTicketError | InvalidLogUrlError}
 * @throws {ComponentRetiredError} the issuer is retired.
 * @throws {TicketUnsignedError} fewer than a quorum.
 */
export async function signTicket(
  { urls }: { urls: readonly string[] },
  { ticket, ticketsRoot, epochs, timeoutMs = ASK_TIMEOUT_MS }: SignTicketParameters,
): Promise<SignedTicket> {
  const payload = encodeTicketPayload(ticket, { ticketsRoot })
  const body = encodeTicketJson(ticket)
  const places = [...new Set(urls.map(toTicketUrl))]
  if (epochs.retirement !== null) throw new ComponentRetiredError(epochs.retirement)
  const { signers } = currentCommittee(epochs)
  const quorum = quorumOf(signers.length)
  const signatures = new Map<Hex, JwsSignature>()
  const reasons = new Map<string, string>()
  let isRetryable = false
  const enough = new AbortController()
  await Promise.all(
    places.map(async (url) => {
      try {
        const signal = AbortSignal.any([enough.signal, AbortSignal.timeout(timeoutMs)])
        const signature = await ask(url, { body, signal })
        const signer = signers.find((each) => isSignatureOf(each, { payload, signature }))
        if (signer === undefined) throw new AskFailedError('its signature is not a current member’s for this ticket')
        signatures.set(signer, signature)
        if (signatures.size >= quorum) enough.abort()
      } catch (error) {
        if (enough.signal.aborted) return
        const failure = error instanceof AskFailedError ? error : new AskFailedError('no answer', { isRetryable: true })
        reasons.set(url, failure.message)
        isRetryable ||= failure.isRetryable
      }
    }),
  )
  if (signatures.size < quorum) throw new TicketUnsignedError({ count: signatures.size, quorum, reasons, isRetryable })
  const signed = signers.filter((signer) => signatures.has(signer))
  const jws = JSON.stringify({ payload, signatures: signed.map((signer) => signatures.get(signer)!) })
  assertAccepted(jws, { ticket, ticketsRoot, signers })
  return { jws, signers: signed }
}

/** Why one member gave nothing. Never leaves this file. */
class AskFailedError extends Error {
  readonly isRetryable: boolean

  constructor(message: string, { isRetryable = false }: { isRetryable?: boolean } = {}) {
    super(message)
    this.isRetryable = isRetryable
  }
}

const SIGNATURE = z.strictObject({ protected: z.string().max(256), signature: z.string().max(128) })
const REFUSAL = z.object({ error: z.object({ code: z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/) }) })

/** @throws {AskFailedError} a refusal, or no answer of the form. @throws what fetch throws. */
async function ask(url: string, { body, signal }: { body: string; signal: AbortSignal }): Promise<JwsSignature> {
  const headers = { 'content-type': 'application/json' }
  // A redirect would hand the ticket to whoever it names.
  const response = await fetch(url, { method: 'POST', body, headers, signal, redirect: 'error' })
  const isRetryable = response.status === 429 || response.status >= 500
  const json = await readJson(response)
  if (response.status === 200) {
    const signature = SIGNATURE.safeParse(json)
    if (signature.success) return signature.data
    throw new AskFailedError('it answers no signature')
  }
  const refusal = REFUSAL.safeParse(json)
  throw new AskFailedError(refusal.success ? refusal.data.error.code : `it answers ${response.status}`, { isRetryable })
}

async function readJson(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.length
    if (sizeBytes > ANSWER_SIZE_MAX_BYTES) throw new AskFailedError('its answer is too large')
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    return undefined
  }
}

function isSignatureOf(signer: Hex, { payload, signature }: { payload: string; signature: JwsSignature }): boolean {
  // One header a member, so that all that is passed on is what a validator expects.
  const header = encodeJwsHeader(signer)
  if (signature.protected !== header) return false
  try {
    return isJwsSignedBy(signer, { header, payload, signature: decodeBase64Url(signature.signature) })
  } catch {
    return false
  }
}

/** As any consumer would judge it in the ticket's first second, whatever the time is here. */
function assertAccepted(
  jws: string,
  { ticket, ticketsRoot, signers }: { ticket: Ticket; ticketsRoot: UniqueId; signers: readonly Hex[] },
): void {
  const { audience, subject, notBefore, notAfter } = ticket
  const lifetimeMaxMs = Number(notAfter - notBefore) * 1_000
  const validator = createIssuedByValidator({ ticketsRoot, signers, audience, lifetimeMaxMs })
  validator.validate({ class: 'issued-by', jws }, { signer: subject }, Number(notBefore) * 1_000)
}

const toTicketUrl = (url: string): string => `${assertLogUrl(url)}/ticket`
