import { type Branded, fromHex, type Hex, isEqualBytes, toHex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { keccak256 } from '../hash.ts'
import { hashLeaf } from '../log/treeHash.ts'
import { isSignedBy } from './certificate.ts'
import { SIGNATURE_SIZE_BYTES, signDigest } from './signature.ts'
import { deriveSigningDigest, deriveTypehash, hashStruct } from './typedData.ts'

/** How many commands one signature may cover (spec §5.3). */
export const ENVELOPE_COMMANDS_MAX = 256
/** Bytes of one encoded envelope, its signature included. */
export const ENVELOPE_SIZE_MAX_BYTES = 1 << 20

/** Commands of one submitter under one signature (spec §5.3). */
export type Envelope = {
  /** Component key of the committee that is asked. */
  component: Hex
  /** Address of the submitter: the machine's state says who may. */
  submitter: Hex
  /** 1, 2, 3 … for each submitter; a repeat is a no-op; uint64. */
  sequence: bigint
  /** What is asked, each as the component's machine encodes its commands. */
  commands: readonly Uint8Array[]
}

export type SignedEnvelope = Envelope & {
  /** 64 bytes, EIP-2098, over the EIP-712 typed data `Envelope`. */
  signature: Hex
}

/** What is wrong with an envelope, in the order in which it is looked for, cheap to dear. */
export type EnvelopeFault = 'oversized' | 'malformed' | 'component' | 'signature'

export class EnvelopeRefusedError extends CoalitionError {
  readonly fault: EnvelopeFault

  constructor({ reason, fault }: { reason: string; fault: EnvelopeFault }) {
    super('ENVELOPE_REFUSED', `A command envelope was refused: ${reason}.`, {
      fix: `Send 1 to ${ENVELOPE_COMMANDS_MAX} commands, at most ${ENVELOPE_SIZE_MAX_BYTES} bytes together, signed by their submitter.`,
      kind: 'refused',
    })
    this.fault = fault
  }
}

export class SequenceRefusedError extends CoalitionError {
  constructor({ submitter, sequence, last }: { submitter: Hex; sequence: bigint; last: bigint }) {
    super('SEQUENCE_REFUSED', `${submitter} sent sequence ${sequence}; its next is ${last + 1n}.`, {
      fix: `Send sequence ${last + 1n}; a decided sequence can be repeated only with the very same commands.`,
      kind: 'refused',
    })
  }
}

export const ENVELOPE_TYPEHASH: Hex = deriveTypehash(
  'Envelope(bytes32 component,address submitter,uint64 sequence,bytes[] commands)',
)

/** What a submitter signs: the EIP-712 digest of the typed data `Envelope`, 32 bytes. */
export function deriveEnvelopeDigest({ component, submitter, sequence, commands }: Envelope): Hex {
  const hashes = new Uint8Array(32 * commands.length)
  commands.forEach((command, index) => {
    hashes.set(keccak256(command), 32 * index)
  })
  return deriveSigningDigest(hashStruct(ENVELOPE_TYPEHASH, [component, submitter, sequence, toHex(keccak256(hashes))]))
}

const WORD = 32
/** component, submitter, sequence, and where commands and signature stand. */
const HEAD_WORDS = 5

const paddedSize = (sizeBytes: number): number => Math.ceil(sizeBytes / WORD) * WORD

/**
 * `abi.encode(component, submitter, sequence, commands, signature)`: a leaf of `batchRoot`, and what queues carry. By hand,
 * because every member encodes and decodes every envelope, and viem takes twenty times as long; viem is the tests' oracle.
 */
export function encodeEnvelope(envelope: SignedEnvelope): Uint8Array {
  const { component, submitter, sequence, commands, signature } = envelope
  const listSize = commands.reduce((sum, { length }) => sum + 2 * WORD + paddedSize(length), WORD)
  const bytes = new Uint8Array(WORD * HEAD_WORDS + listSize + WORD + SIGNATURE_SIZE_BYTES)
  const view = new DataView(bytes.buffer)
  const listStart = WORD * HEAD_WORDS
  bytes.set(fromHex(component), 0)
  bytes.set(fromHex(submitter), 2 * WORD - 20)
  view.setBigUint64(3 * WORD - 8, sequence)
  view.setUint32(4 * WORD - 4, listStart)
  view.setUint32(5 * WORD - 4, listStart + listSize)
  view.setUint32(listStart + WORD - 4, commands.length)
  const offsetsStart = listStart + WORD
  let at = WORD * commands.length
  commands.forEach((command, index) => {
    view.setUint32(offsetsStart + WORD * (index + 1) - 4, at)
    view.setUint32(offsetsStart + at + WORD - 4, command.length)
    bytes.set(command, offsetsStart + at + WORD)
    at += WORD + paddedSize(command.length)
  })
  view.setUint32(listStart + listSize + WORD - 4, SIGNATURE_SIZE_BYTES)
  bytes.set(fromHex(signature), listStart + listSize + WORD)
  return bytes
}

/**
 * Decodes exactly what `encodeEnvelope` gives. Says nothing of the signature yet. The commands are views of `bytes`.
 *
 * @throws {EnvelopeRefusedError} too large, not canonical, or with no command or too many.
 */
export function decodeEnvelope(bytes: Uint8Array): SignedEnvelope {
  const refuse = (reason: string): never => {
    throw new EnvelopeRefusedError({ reason, fault: 'malformed' })
  }
  if (bytes.length > ENVELOPE_SIZE_MAX_BYTES) {
    throw new EnvelopeRefusedError({ reason: `it has ${bytes.length} bytes`, fault: 'oversized' })
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  /** A word that is to hold a small number: what does not fit, or is not there, is refused. */
  const readSize = (at: number): number => {
    if (at + WORD > bytes.length) refuse('it is cut off')
    for (let i = 0; i < WORD - 4; i++) if (bytes[at + i] !== 0) refuse('a size in it is too large')
    return view.getUint32(at + WORD - 4)
  }
  const listStart = WORD * HEAD_WORDS
  if (readSize(3 * WORD) !== listStart) refuse('its encoding is not canonical')
  const signatureStart = readSize(4 * WORD)
  const count = readSize(listStart)
  if (count < 1 || count > ENVELOPE_COMMANDS_MAX) refuse(`it has ${count} commands`)
  const offsetsStart = listStart + WORD
  const commands = Array.from({ length: count }, (_, index) => {
    const start = offsetsStart + readSize(offsetsStart + WORD * index)
    const size = readSize(start)
    if (start + WORD + size > bytes.length) refuse('it is cut off')
    return bytes.subarray(start + WORD, start + WORD + size)
  })
  if (readSize(signatureStart) !== SIGNATURE_SIZE_BYTES) refuse('its signature is not 64 bytes')
  const envelope: SignedEnvelope = {
    component: toHex(bytes.subarray(0, WORD)),
    submitter: toHex(bytes.subarray(2 * WORD - 20, 2 * WORD)),
    sequence: view.getBigUint64(3 * WORD - 8),
    commands,
    signature: toHex(bytes.subarray(signatureStart + WORD, signatureStart + WORD + SIGNATURE_SIZE_BYTES)),
  }
  // One encoding for each envelope (spec §2): dirty padding, trailing bytes and odd offsets end here.
  const isCanonical =
    envelope.signature.length === 2 + 2 * SIGNATURE_SIZE_BYTES && isEqualBytes(encodeEnvelope(envelope), bytes)
  if (!isCanonical) refuse('its encoding is not canonical')
  return envelope
}

/** An envelope whose signature was checked, with the bytes it came in; only `verifyEnvelope` makes one. */
export type VerifiedEnvelope = Branded<
  {
    envelope: SignedEnvelope
    /** As `encodeEnvelope` gives them. */
    bytes: Uint8Array
    /** What its submitter signed; names the envelope in queues and stores. */
    digest: Hex
    /** `hashLeaf(bytes)`: its leaf under `batchRoot`. */
    leafHash: Uint8Array
  },
  'VerifiedEnvelope'
>

/**
 * Decodes an envelope and checks that its submitter signed it, for `component`.
 *
 * @param options.screen throws what is wrong with the claim before its signature, the dearest check, is looked at.
 * @throws {EnvelopeRefusedError} not an envelope, for another component, or not signed by its submitter.
 */
export function verifyEnvelope(
  bytes: Uint8Array,
  { component, screen }: { component: Hex; screen?: (claimed: Envelope) => void },
): VerifiedEnvelope {
  const envelope = decodeEnvelope(bytes)
  if (envelope.component !== component) {
    throw new EnvelopeRefusedError({ reason: 'it is for another component', fault: 'component' })
  }
  screen?.(envelope)
  const digest = deriveEnvelopeDigest(envelope)
  if (!isSignedBy({ digest, signature: envelope.signature, signer: envelope.submitter })) {
    throw new EnvelopeRefusedError({ reason: 'its signature is not its submitter’s', fault: 'signature' })
  }
  return { envelope, bytes, digest, leafHash: hashLeaf(bytes) } as VerifiedEnvelope
}

/** Signs `envelope` with its submitter's key. */
export const signEnvelope = (envelope: Envelope, secretKey: Uint8Array): SignedEnvelope => ({
  ...envelope,
  signature: signDigest(deriveEnvelopeDigest(envelope), secretKey),
})
