import { fromHex, type Hex, toHex } from '../protocol/bytes.ts'
import type { Certificate } from '../protocol/wire/certificate.ts'
import { type Commit, deriveCommitDigest } from '../protocol/wire/commit.ts'
import { SIGNATURE_SIZE_BYTES } from '../protocol/wire/signature.ts'
import {
  type AbiReader,
  type AbiWriter,
  createAbiReader,
  createAbiWriter,
  readSignature,
  readUint,
  writeSignature,
} from './abi.ts'
import { ENCODED_EXTENSION_SIZE_MAX_BYTES, EXTENSION_SIZE_MAX_BYTES } from './extension.ts'
import { MalformedMessageError } from './malformedMessage.ts'
import type { Position, SignedMessage, SignedPrecommit, SignedPrevote, SignedProposal } from './types.ts'

/** Envelopes in one proposal. */
export const BATCH_COUNT_MAX = 8_192
/** Bytes of one encoded proposal: a batch of 4 MiB, a committee's extensions and a proof of lock. */
export const PROPOSAL_SIZE_MAX_BYTES = 5 << 20
/** Bytes of one encoded vote: 20 words and an extension. */
export const VOTE_SIZE_MAX_BYTES = 20 * 32 + EXTENSION_SIZE_MAX_BYTES
const COMMITTEE_COUNT_MAX = 256

/** First word of every message. A precommit with an extension has a form of its own. */
const FORMS = ['proposal', 'prevote', 'nilPrevote', 'precommit', 'precommitWithExtension', 'nilPrecommit'] as const
type Form = (typeof FORMS)[number]
/** Words before the dynamic members. All forms share the first eight: form, position, signer and signature. */
const HEAD_WORDS: Record<Form, number> = {
  proposal: 16,
  prevote: 9,
  nilPrevote: 8,
  precommit: 15,
  precommitWithExtension: 18,
  nilPrecommit: 8,
}

/** `abi.encode(uint8 form, component, epoch, height, uint32 round, signer, r, yParityAndS, …)`. */
export function encodeMessage(message: SignedMessage): Uint8Array {
  const { component, epoch, height, round, signer } = message
  const writer = createAbiWriter().word(FORMS.indexOf(formOf(message)) + 1)
  for (const word of [component, epoch, height, round, signer]) writer.word(word)
  writeSignature(writer, message.signature)
  switch (message.kind) {
    case 'proposal':
      writeProposal(writer, message)
      break
    case 'prevote':
      if (message.commitDigest !== null) writer.word(message.commitDigest)
      break
    case 'precommit':
      if (message.commit !== null) writeCommit(writer, message.commit)
      if (message.extension !== null && message.extensionSignature !== null) {
        writeSignature(writer, message.extensionSignature)
        writer.bytes(message.extension)
      }
      break
  }
  return writer.finish()
}

function formOf(message: SignedMessage): Form {
  if (message.kind === 'proposal') return 'proposal'
  if (message.kind === 'prevote') return message.commitDigest === null ? 'nilPrevote' : 'prevote'
  if (message.commit === null) return 'nilPrecommit'
  return message.extension === null ? 'precommit' : 'precommitWithExtension'
}

/** What every message begins with, and can be refused for before the rest is read. Nothing of it is proven yet. */
export type MessageHeader = Position & { kind: SignedMessage['kind']; signature: Hex; isNil: boolean }

/** @throws {MalformedMessageError} too short or too long for its form, or of none. */
export function decodeHeader(bytes: Uint8Array): MessageHeader {
  const form = readForm(bytes)
  const reader = createAbiReader(bytes.subarray(0, 8 * 32), { headWords: 8 })
  reader.uint(8)
  const kind = form === 'proposal' ? form : form === 'prevote' || form === 'nilPrevote' ? 'prevote' : 'precommit'
  const isNil = form === 'nilPrevote' || form === 'nilPrecommit'
  return { kind, ...readPosition(reader), signature: readSignature(reader), isNil }
}

function readForm(bytes: Uint8Array): Form {
  if (bytes.length > PROPOSAL_SIZE_MAX_BYTES) throw new MalformedMessageError({ reason: 'it is too long' })
  const form = FORMS[Number(readUint(bytes, { at: 0, bits: 8 })) - 1]
  if (form === undefined) throw new MalformedMessageError({ reason: 'it is of no known form' })
  if (form !== 'proposal' && bytes.length > VOTE_SIZE_MAX_BYTES) {
    throw new MalformedMessageError({ reason: 'it is too long for a vote' })
  }
  return form
}

const readPosition = (reader: AbiReader): Position => ({
  component: reader.bytes32(),
  epoch: reader.uint(64),
  height: reader.uint(64),
  round: Number(reader.uint(32)),
  signer: reader.address(),
})

/**
 * Decodes exactly what `encodeMessage` gives. Says nothing of the signatures yet.
 *
 * @throws {MalformedMessageError} not the one canonical encoding, or beyond a bound.
 */
export function decodeMessage(bytes: Uint8Array): SignedMessage {
  const form = readForm(bytes)
  const reader = createAbiReader(bytes, { headWords: HEAD_WORDS[form] })
  reader.uint(8)
  const base = { ...readPosition(reader), signature: readSignature(reader) }
  const message = readRest(reader, { form, base })
  reader.end()
  return message
}

type Base = Position & { signature: Hex }

function readRest(reader: AbiReader, { form, base }: { form: Form; base: Base }): SignedMessage {
  switch (form) {
    case 'proposal':
      return readProposal(reader, base)
    case 'prevote':
      return { kind: 'prevote', ...base, commitDigest: reader.bytes32() } satisfies SignedPrevote
    case 'nilPrevote':
      return { kind: 'prevote', ...base, commitDigest: null } satisfies SignedPrevote
    case 'nilPrecommit': {
      const nil = { commitDigest: null, commit: null, extension: null, extensionSignature: null }
      return { kind: 'precommit', ...base, ...nil } satisfies SignedPrecommit
    }
    case 'precommit':
    case 'precommitWithExtension': {
      const commit = readCommit(reader, base)
      const hasExtension = form === 'precommitWithExtension'
      return {
        kind: 'precommit',
        ...base,
        commitDigest: deriveCommitDigest(commit),
        commit,
        extensionSignature: hasExtension ? readSignature(reader) : null,
        extension: hasExtension ? reader.bytes({ sizeMaxBytes: EXTENSION_SIZE_MAX_BYTES }) : null,
      } satisfies SignedPrecommit
    }
  }
}

function writeProposal(writer: AbiWriter, proposal: SignedProposal): void {
  const { validRound, commitDigest, parent, timestampMs, batch, extensions, proof } = proposal
  writer
    .word(validRound + 1)
    .word(commitDigest)
    .word(parent)
    .word(timestampMs)
  writer.bytesList(batch).bytesList(extensions)
  writeProof(writer, proof)
}

function readProposal(reader: AbiReader, base: Base): SignedProposal {
  const validRound = Number(reader.uint(32)) - 1
  const proposal = {
    kind: 'proposal' as const,
    ...base,
    validRound,
    commitDigest: reader.bytes32(),
    parent: reader.bytes32(),
    timestampMs: reader.uint(64),
    batch: reader.bytesList({ countMax: BATCH_COUNT_MAX, sizeMaxBytes: PROPOSAL_SIZE_MAX_BYTES }),
    extensions: reader.bytesList({
      countMax: COMMITTEE_COUNT_MAX,
      sizeMaxBytes: ENCODED_EXTENSION_SIZE_MAX_BYTES,
    }),
    proof: readProof(reader, { validRound }),
  }
  if (validRound >= base.round) throw new MalformedMessageError({ reason: 'its valid round is not a past one' })
  return proposal
}

/** `uint256 signers, bytes signatures`; both empty where there is no proof. */
function writeProof(writer: AbiWriter, proof: Certificate | null): void {
  writer.word(proof?.signers ?? 0n).bytes(fromHexOrEmpty(proof?.signatures))
}

function readProof(reader: AbiReader, { validRound }: { validRound: number }): Certificate | null {
  const signers = reader.uint(256)
  const signatures = reader.bytes({ sizeMaxBytes: COMMITTEE_COUNT_MAX * SIGNATURE_SIZE_BYTES })
  if (validRound >= 0) return { round: validRound, signers, signatures: toHex(signatures) }
  if (signers !== 0n || signatures.length !== 0)
    throw new MalformedMessageError({ reason: 'it proves a lock it has not' })
  return null
}

/** The seven members of a commit that its message's position does not say already. */
function writeCommit(writer: AbiWriter, commit: Commit): void {
  const { body, logSize, logRoot, state, timestampMs, anchor, next } = commit
  for (const word of [body, logSize, logRoot, state, timestampMs, anchor, next]) writer.word(word)
}

function readCommit(reader: AbiReader, { component, epoch, height }: Position): Commit {
  return {
    component,
    epoch,
    height,
    body: reader.bytes32(),
    logSize: reader.uint(64),
    logRoot: reader.bytes32(),
    state: reader.bytes32(),
    timestampMs: reader.uint(64),
    anchor: reader.bool(),
    next: reader.bytes32(),
  }
}

const fromHexOrEmpty = (hex: Hex | undefined): Uint8Array => (hex === undefined ? new Uint8Array(0) : fromHex(hex))
