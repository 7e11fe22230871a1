import { fromHex, toHex } from '../protocol/bytes.ts'
import { SIGNATURE_SIZE_BYTES } from '../protocol/wire/signature.ts'
import { createAbiReader, createAbiWriter } from './abi.ts'
import { decodeMessage, encodeMessage, PROPOSAL_SIZE_MAX_BYTES } from './codec.ts'
import { MalformedMessageError } from './malformedMessage.ts'
import type { Message, ProvenValue, SignedMessage, WalRecord } from './types.ts'

const NO_SIGNATURE = `0x${'00'.repeat(SIGNATURE_SIZE_BYTES)}` as const
const SIGNATURES_SIZE_MAX_BYTES = 256 * SIGNATURE_SIZE_BYTES
const EMPTY = new Uint8Array(0)

/**
 * `abi.encode(bytes message, uint32 lockRound, uint256 lockSigners, bytes lockSignatures, bytes lockProposal)`; the message
 * as on the wire with a signature of zeros: what binds a member is what it says. No lock: zeros and nothing.
 */
export function encodeRecord({ message, lock }: WalRecord): Uint8Array {
  return createAbiWriter()
    .bytes(encodeMessage(withoutSignature(message)))
    .word(lock?.round ?? 0)
    .word(lock?.proof.signers ?? 0n)
    .bytes(lock === null ? EMPTY : fromHex(lock.proof.signatures))
    .bytes(lock === null ? EMPTY : encodeMessage(lock.proposal))
    .finish()
}

function withoutSignature(message: Message): SignedMessage {
  if (message.kind !== 'precommit') return { ...message, signature: NO_SIGNATURE }
  const extensionSignature = message.extension === null ? null : NO_SIGNATURE
  return { ...message, signature: NO_SIGNATURE, extensionSignature }
}

/** @throws {MalformedMessageError} not exactly what `encodeRecord` gives. */
export function decodeRecord(bytes: Uint8Array): WalRecord {
  const reader = createAbiReader(bytes, { headWords: 5 })
  const message = toMessage(decodeMessage(reader.bytes({ sizeMaxBytes: PROPOSAL_SIZE_MAX_BYTES })))
  const round = Number(reader.uint(32))
  const signers = reader.uint(256)
  const signatures = toHex(reader.bytes({ sizeMaxBytes: SIGNATURES_SIZE_MAX_BYTES }))
  const proposal = reader.bytes({ sizeMaxBytes: PROPOSAL_SIZE_MAX_BYTES })
  reader.end()
  if (proposal.length === 0) {
    if (round !== 0 || signers !== 0n || signatures !== '0x') refuse('a lock without its value')
    return { message, lock: null }
  }
  const value = decodeMessage(proposal)
  if (value.kind !== 'proposal') return refuse('a lock on what is no proposal')
  return { message, lock: { round, proposal: value, proof: { round, signers, signatures } } satisfies ProvenValue }
}

/** The message alone; the zeros that stood for its signatures are not carried on. */
function toMessage(signed: SignedMessage): Message {
  if (signed.signature !== NO_SIGNATURE) refuse('a record that is signed')
  if (signed.kind !== 'precommit') {
    const { signature, ...message } = signed
    return message
  }
  const { signature, extensionSignature, ...message } = signed
  if (extensionSignature !== null && extensionSignature !== NO_SIGNATURE) refuse('a record that is signed')
  return message
}

function refuse(reason: string): never {
  throw new MalformedMessageError({ reason })
}
