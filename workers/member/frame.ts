import { decodeAbiParameters, encodeAbiParameters, parseAbiParameters } from 'viem'
import { fromHex, isEqualBytes, toHex } from '../../protocol/bytes.ts'
import { FRAME_SIZE_MAX_BYTES } from './transport.ts'

/** What members say to each other, one kind to a byte. What it holds proves itself, or is worth nothing. */
export type Frame =
  /** A signed message of the committee's core. */
  | { kind: 'consensus'; bytes: Uint8Array }
  /** A signed question or answer about what a restarted member signed last (spec §5.4). */
  | { kind: 'handshake'; bytes: Uint8Array }
  /** A submitter's signed envelope, passed on by the member whose queue it came through. */
  | { kind: 'envelope'; bytes: Uint8Array }
  /** "My last decided height is this; who has more?" */
  | { kind: 'behind'; height: bigint }
  /** A decided height for a member that was away: it checks the certificate and executes the batch itself. */
  | { kind: 'decided'; record: string; envelopes: readonly Uint8Array[]; extensions: readonly Uint8Array[] }

const KINDS = ['consensus', 'envelope', 'behind', 'decided', 'handshake'] as const
const DECIDED_FIELDS = parseAbiParameters('string record, bytes[] envelopes, bytes[] extensions')
const BEHIND_FIELDS = parseAbiParameters('uint64 height')

export function encodeFrame(frame: Frame): Uint8Array {
  const payload = encodePayload(frame)
  const bytes = new Uint8Array(1 + payload.length)
  bytes[0] = KINDS.indexOf(frame.kind)
  bytes.set(payload, 1)
  return bytes
}

/** The frame, or why the bytes are none: what a stranger writes is dropped, not answered. */
export function decodeFrame(bytes: Uint8Array): Frame | 'oversized' | 'malformed' {
  if (bytes.length > FRAME_SIZE_MAX_BYTES) return 'oversized'
  const kind = KINDS[bytes[0] ?? -1]
  const payload = bytes.subarray(1)
  if (kind === 'consensus' || kind === 'envelope' || kind === 'handshake') return { kind, bytes: payload }
  try {
    const frame = decodePayload(kind, payload)
    return frame !== undefined && isEqualBytes(encodeFrame(frame), bytes) ? frame : 'malformed'
  } catch {
    return 'malformed'
  }
}

function encodePayload(frame: Frame): Uint8Array {
  switch (frame.kind) {
    case 'consensus':
    case 'envelope':
    case 'handshake':
      return frame.bytes
    case 'behind':
      return fromHex(encodeAbiParameters(BEHIND_FIELDS, [frame.height]))
    case 'decided': {
      const { record, envelopes, extensions } = frame
      return fromHex(encodeAbiParameters(DECIDED_FIELDS, [record, envelopes.map(toHex), extensions.map(toHex)]))
    }
  }
}

function decodePayload(kind: Frame['kind'] | undefined, payload: Uint8Array): Frame | undefined {
  if (kind === 'behind') return { kind, height: decodeAbiParameters(BEHIND_FIELDS, payload)[0] }
  if (kind !== 'decided') return undefined
  const [record, envelopes, extensions] = decodeAbiParameters(DECIDED_FIELDS, payload)
  return { kind, record, envelopes: envelopes.map(fromHex), extensions: extensions.map(fromHex) }
}
