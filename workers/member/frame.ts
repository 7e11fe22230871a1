import { type AbiReader, createAbiReader, createAbiWriter, readSignature, writeSignature } from '../../committee/abi.ts'
import { BATCH_COUNT_MAX } from '../../committee/codec.ts'
import { ENCODED_EXTENSION_SIZE_MAX_BYTES } from '../../committee/extension.ts'
import { MalformedMessageError } from '../../committee/malformedMessage.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { ADDRESSES_MAX } from '../../protocol/wire/addressList.ts'
import { ENVELOPE_SIZE_MAX_BYTES } from '../../protocol/wire/envelope.ts'
import {
  decodeTickets,
  decodeUnadmitted,
  encodeTickets,
  encodeUnadmitted,
  type TicketsFrame,
  type UnadmittedFrame,
} from './peerFrame.ts'
import { FRAME_SIZE_MAX_BYTES } from './transport.ts'

/** What members say to each other, one kind to a byte. What it holds proves itself, or is worth nothing. */
export type Frame =
  /** A signed message of the committee's core. */
  | { kind: 'consensus'; bytes: Uint8Array }
  /** A signed question or answer about what a restarted member signed last (spec §5.4). */
  | { kind: 'handshake'; bytes: Uint8Array }
  /** A submitter's signed envelope, passed on by the member whose queue it came through. */
  | { kind: 'envelope'; bytes: Uint8Array }
  /** "My last decided height is this; `peer`, do you have more?" The others stay silent. */
  | { kind: 'behind'; height: bigint; peer: Hex }
  /** Decided heights from `first` on, without a gap, for a member that was away. */
  | {
      kind: 'decided'
      first: bigint
      heights: readonly DecidedHeight[]
      /** Vote extensions for the last of them, which no proposal here carries; none where the component uses none. */
      extensions: readonly Uint8Array[]
    }
  /** A frame of one of these, said by `signer`: where a component admits peers, `behind` and `decided` count only so. */
  | { kind: 'signed'; signer: Hex; signature: Hex; bytes: Uint8Array }
  | TicketsFrame
  | UnadmittedFrame

/** One decided height: its reader checks the certificate and executes the batch itself. */
export type DecidedHeight = {
  /** JSON of `encodeCommitRecord`. */
  record: string
  envelopes: readonly Uint8Array[]
  /** Those that its proposal carried, of the height before. */
  extensions: readonly Uint8Array[]
}

/** Heights in one answer: executing them holds up everything else that the reader does. */
export const HEIGHTS_MAX = 64
/** A record whose certificate has 256 signatures takes half of this. */
const RECORD_SIZE_MAX_BYTES = 1 << 16

/** Decided heights whose last comes with vote extensions have a form of their own. */
const FORMS = [
  'consensus',
  'envelope',
  'behind',
  'decided',
  'handshake',
  'decidedWithExtensions',
  'signed',
  'tickets',
  'unadmitted',
] as const

export function encodeFrame(frame: Frame): Uint8Array {
  const payload = encodePayload(frame)
  const bytes = new Uint8Array(1 + payload.length)
  bytes[0] = FORMS.indexOf(formOf(frame))
  bytes.set(payload, 1)
  return bytes
}

const formOf = (frame: Frame): (typeof FORMS)[number] =>
  frame.kind === 'decided' && frame.extensions.length > 0 ? 'decidedWithExtensions' : frame.kind

/** The frame, or why the bytes are none: what a stranger writes is dropped, not answered. */
export function decodeFrame(bytes: Uint8Array): Frame | 'oversized' | 'malformed' {
  if (bytes.length > FRAME_SIZE_MAX_BYTES) return 'oversized'
  const form = FORMS[bytes[0] ?? -1]
  const payload = bytes.subarray(1)
  try {
    if (form === 'behind') return decodeBehind(payload)
    if (form === 'decided' || form === 'decidedWithExtensions') return decodeDecided(payload, form)
    if (form === 'signed') return decodeSigned(payload)
    if (form === 'tickets') return decodeTickets(payload)
    if (form === 'unadmitted') return decodeUnadmitted(payload)
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error
    return 'malformed'
  }
  return form === undefined ? 'malformed' : { kind: form, bytes: payload }
}

function encodePayload(frame: Frame): Uint8Array {
  switch (frame.kind) {
    case 'consensus':
    case 'envelope':
    case 'handshake':
      return frame.bytes
    case 'behind':
      return createAbiWriter().word(frame.height).word(frame.peer).finish()
    case 'signed': {
      const writer = createAbiWriter().word(frame.signer)
      writeSignature(writer, frame.signature)
      return writer.bytes(frame.bytes).finish()
    }
    case 'tickets':
      return encodeTickets(frame)
    case 'unadmitted':
      return encodeUnadmitted(frame)
    case 'decided': {
      const writer = createAbiWriter().word(frame.first).bytesList(frame.heights.map(encodeDecidedHeight))
      return (frame.extensions.length > 0 ? writer.bytesList(frame.extensions) : writer).finish()
    }
  }
}

/** `abi.encode(bytes record, bytes[] envelopes, bytes[] extensions)`. */
export const encodeDecidedHeight = ({ record, envelopes, extensions }: DecidedHeight): Uint8Array =>
  createAbiWriter().bytes(new TextEncoder().encode(record)).bytesList(envelopes).bytesList(extensions).finish()

function decodeBehind(payload: Uint8Array): Frame {
  const reader = createAbiReader(payload, { headWords: 2 })
  const frame: Frame = { kind: 'behind', height: reader.uint(64), peer: reader.address() }
  reader.end()
  return frame
}

/** `abi.encode(address signer, bytes32 r, bytes32 yParityAndS, bytes frame)`; a signed frame holds no other one. */
function decodeSigned(payload: Uint8Array): Frame {
  const reader = createAbiReader(payload, { headWords: 4 })
  const [signer, signature] = [reader.address(), readSignature(reader)]
  const bytes = reader.bytes({ sizeMaxBytes: FRAME_SIZE_MAX_BYTES })
  reader.end()
  if (bytes[0] === FORMS.indexOf('signed')) refuse('it is signed twice')
  return { kind: 'signed', signer, signature, bytes }
}

function decodeDecided(payload: Uint8Array, form: 'decided' | 'decidedWithExtensions'): Frame {
  const reader = createAbiReader(payload, { headWords: form === 'decided' ? 2 : 3 })
  const first = reader.uint(64)
  const heights = reader.bytesList({ countMax: HEIGHTS_MAX, sizeMaxBytes: FRAME_SIZE_MAX_BYTES })
  const extensions = form === 'decided' ? [] : readExtensions(reader)
  reader.end()
  if (form !== 'decided' && extensions.length === 0) refuse('it has no vote extensions')
  if (first === 0n || heights.length === 0 || first + BigInt(heights.length) > 1n << 64n)
    refuse('it has no such heights')
  return { kind: 'decided', first, heights: heights.map(decodeDecidedHeight), extensions }
}

function decodeDecidedHeight(bytes: Uint8Array): DecidedHeight {
  const reader = createAbiReader(bytes, { headWords: 3 })
  const record = decodeText(reader.bytes({ sizeMaxBytes: RECORD_SIZE_MAX_BYTES }))
  const envelopes = reader.bytesList({ countMax: BATCH_COUNT_MAX, sizeMaxBytes: ENVELOPE_SIZE_MAX_BYTES })
  const extensions = readExtensions(reader)
  reader.end()
  return { record, envelopes, extensions }
}

const readExtensions = (reader: AbiReader): Uint8Array[] =>
  reader.bytesList({ countMax: ADDRESSES_MAX, sizeMaxBytes: ENCODED_EXTENSION_SIZE_MAX_BYTES })

/** Text whose bytes are the only ones that give it. */
function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return refuse('its record is no text')
  }
}

function refuse(reason: string): never {
  throw new MalformedMessageError({ reason })
}
