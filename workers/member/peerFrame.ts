import { createAbiReader, createAbiWriter, readUint } from '../../committee/abi.ts'
import { MalformedMessageError } from '../../committee/malformedMessage.ts'
import { QUOTE_SIZE_MAX_BYTES } from '../../protocol/attestation/quote.ts'
import { type Hex, toHex } from '../../protocol/bytes.ts'
import { keccak256 } from '../../protocol/hash.ts'
import { RULES_MAX } from '../../protocol/tickets/admissionRules.ts'
import { JWS_SIZE_MAX } from '../../protocol/tickets/jws.ts'
import type { Ticket } from '../../protocol/tickets/ticketValidator.ts'
import { deriveSigningDigest, deriveTypehash, hashStruct } from '../../protocol/wire/typedData.ts'

/** What a quote is bound to in time (spec §8.2), and where a reader finds it. */
export type Nonce = {
  /** Digest of a commit of the component; before its first, of a block of the home chain. */
  digest: Hex
  /** Height of the commit; 0 for a block. It only says where to look. */
  height: bigint
  /** When the commit or block was made, milliseconds since 1970. */
  timeMs: number
}

/** A ticket as it travels: of a quote its reader must find the commit that it names. */
export type ShownTicket =
  | Exclude<Ticket, { class: 'tdx' }>
  | (Extract<Ticket, { class: 'tdx' }> & { nonceHeight: bigint })

/** What a peer shows so that the others admit it. */
export type TicketsFrame = { kind: 'tickets'; tickets: readonly ShownTicket[] }

/** "Here you are not admitted": what was wrong, and what to quote over. */
export type UnadmittedFrame = { kind: 'unadmitted'; peer: Hex; code: string; nonce: Nonce | undefined }

/** Tickets in one message: two for each rule that there can be. */
export const TICKETS_MAX = 2 * RULES_MAX
/** Bytes of one message of tickets: a quote of 64 KB beside tokens of ordinary size. */
export const TICKETS_SIZE_MAX_BYTES = 1 << 18
const CODE_PATTERN = /^[A-Z][A-Z0-9_]{0,63}$/
const TIME_MAX_MS = 2n ** 48n

const FRAME_TYPEHASH = deriveTypehash('PeerFrame(bytes32 component,bytes32 frameHash)')

/** What a peer signs of a frame, so that it is heard as its own: an EIP-712 digest over the frame's keccak-256. */
export const derivePeerFrameDigest = ({ component, bytes }: { component: Hex; bytes: Uint8Array }): Hex =>
  deriveSigningDigest(hashStruct(FRAME_TYPEHASH, [component, toHex(keccak256(bytes))]))

/** `abi.encode(bytes[])`, each `abi.encode(uint8 form, bytes)`, of a quote `abi.encode(uint8, uint64 notAfterMs, bytes32 nonce, uint64 nonceHeight, bytes)`. */
export const encodeTickets = ({ tickets }: TicketsFrame): Uint8Array =>
  createAbiWriter().bytesList(tickets.map(encodeTicket)).finish()

const FORMS = ['jwt', 'issued-by', 'tdx'] as const

function encodeTicket(ticket: ShownTicket): Uint8Array {
  const writer = createAbiWriter().word(FORMS.indexOf(ticket.class))
  if (ticket.class === 'tdx') {
    const { notAfterMs, nonce, nonceHeight, quote } = ticket
    return writer.word(notAfterMs).word(nonce).word(nonceHeight).bytes(quote).finish()
  }
  return writer.bytes(new TextEncoder().encode(ticket.class === 'jwt' ? ticket.token : ticket.jws)).finish()
}

/** @throws {MalformedMessageError} not the one canonical encoding, or beyond a bound. */
export function decodeTickets(payload: Uint8Array): TicketsFrame {
  if (payload.length > TICKETS_SIZE_MAX_BYTES) refuse('it is too long')
  const reader = createAbiReader(payload, { headWords: 1 })
  const tickets = reader.bytesList({ countMax: TICKETS_MAX, sizeMaxBytes: TICKETS_SIZE_MAX_BYTES })
  reader.end()
  return { kind: 'tickets', tickets: tickets.map(decodeTicket) }
}

function decodeTicket(bytes: Uint8Array): ShownTicket {
  const form = FORMS[Number(readUint(bytes, { at: 0, bits: 8 }))]
  if (form === undefined) return refuse('a ticket is of no known class')
  const reader = createAbiReader(bytes, { headWords: form === 'tdx' ? 5 : 2 })
  reader.uint(8)
  if (form === 'tdx') {
    const notAfterMs = decodeTime(reader.uint(64))
    const [nonce, nonceHeight] = [reader.bytes32(), reader.uint(64)]
    const quote = reader.bytes({ sizeMaxBytes: QUOTE_SIZE_MAX_BYTES })
    reader.end()
    return { class: 'tdx', quote, notAfterMs, nonce, nonceHeight }
  }
  const content = reader.bytes({ sizeMaxBytes: JWS_SIZE_MAX })
  reader.end()
  // Tokens are ASCII: any other byte is refused here, so that text and bytes are one to one.
  if (content.some((byte) => byte > 0x7e || byte < 0x20)) refuse('a token is no text')
  const text = new TextDecoder().decode(content)
  return form === 'jwt' ? { class: form, token: text } : { class: form, jws: text }
}

/** `abi.encode(address peer, bytes32 nonce, uint64 height, uint64 timeMs, bytes code)`; no nonce is all zero. */
export const encodeUnadmitted = ({ peer, code, nonce }: UnadmittedFrame): Uint8Array =>
  createAbiWriter()
    .word(peer)
    .word(nonce?.digest ?? 0n)
    .word(nonce?.height ?? 0n)
    .word(nonce?.timeMs ?? 0)
    .bytes(new TextEncoder().encode(code))
    .finish()

/** @throws {MalformedMessageError} not the one canonical encoding, or beyond a bound. */
export function decodeUnadmitted(payload: Uint8Array): UnadmittedFrame {
  const reader = createAbiReader(payload, { headWords: 5 })
  const peer = reader.address()
  const nonce = { digest: reader.bytes32(), height: reader.uint(64), timeMs: decodeTime(reader.uint(64)) }
  const code = new TextDecoder().decode(reader.bytes({ sizeMaxBytes: 64 }))
  reader.end()
  if (!CODE_PATTERN.test(code)) refuse('its code is none')
  const isNone = BigInt(nonce.digest) === 0n
  if (isNone && (nonce.height !== 0n || nonce.timeMs !== 0)) refuse('it has no nonce and a place for one')
  return { kind: 'unadmitted', peer, code, nonce: isNone ? undefined : nonce }
}

/** A time that a number holds exactly. */
function decodeTime(ms: bigint): number {
  if (ms > TIME_MAX_MS) refuse('a time is out of reach')
  return Number(ms)
}

function refuse(reason: string): never {
  throw new MalformedMessageError({ reason })
}
