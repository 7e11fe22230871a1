import { type Branded, type Hex, toHex } from '../protocol/bytes.ts'
import { keccak256 } from '../protocol/hash.ts'
import { isSignedBy } from '../protocol/wire/certificate.ts'
import { ZERO_BYTES32 } from '../protocol/wire/commit.ts'
import { deriveSigningDigest, deriveTypehash, hashStruct } from '../protocol/wire/typedData.ts'
import { createAbiReader, createAbiWriter, readSignature, readUint, writeSignature } from './abi.ts'
import type { SignatureCheck } from './authenticate.ts'
import { decodeMessage, encodeMessage, PROPOSAL_SIZE_MAX_BYTES } from './codec.ts'
import type { Committee } from './committee.ts'
import { deriveMessageDigest } from './digest.ts'
import { MalformedMessageError } from './malformedMessage.ts'
import type { SignedMessage } from './types.ts'

/** Bytes of one encoded handshake message: eleven words and the newest message of the one that asks. */
export const HANDSHAKE_SIZE_MAX_BYTES = 11 * 32 + PROPOSAL_SIZE_MAX_BYTES

type Origin = {
  /** Component key. */
  component: Hex
  epoch: bigint
  /** Address of the member that signs. */
  signer: Hex
  /** 32 random bytes that the asking member chose at its restart: an answer given to an earlier one is none. */
  nonce: Hex
}

/** "What did I sign last?", asked by a member that was restarted (spec §5.4). */
export type HandshakeRequest = Origin & { kind: 'request' }

export type HandshakeAnswer = Origin & {
  kind: 'answer'
  /** Whom it answers. */
  asker: Hex
  /** Height that the answering member is deciding. */
  height: bigint
  /** The latest that it holds of what `asker` signed, as it was signed: it proves itself. */
  newest: SignedMessage | null
}

export type HandshakeMessage = HandshakeRequest | HandshakeAnswer
export type SignedHandshakeMessage = HandshakeMessage & { signature: Hex }

/** Checked, or made here: only `authenticateHandshake` and `signHandshake` make one. */
export type AuthenticatedRequest = Branded<HandshakeRequest & { signature: Hex }, 'AuthenticatedHandshake'>
export type AuthenticatedAnswer = Branded<HandshakeAnswer & { signature: Hex }, 'AuthenticatedHandshake'>
export type AuthenticatedHandshake = AuthenticatedRequest | AuthenticatedAnswer

const REQUEST_TYPEHASH = deriveTypehash('HandshakeRequest(bytes32 component,uint64 epoch,bytes32 nonce)')
const ANSWER_TYPEHASH = deriveTypehash(
  'HandshakeAnswer(bytes32 component,uint64 epoch,bytes32 nonce,address asker,uint64 height,bytes32 newest)',
)

/** What a member signs for a handshake message: an EIP-712 digest, 32 bytes; `newest` by keccak-256 of its encoding. */
export function deriveHandshakeDigest(message: HandshakeMessage): Hex {
  const { component, epoch, nonce } = message
  if (message.kind === 'request') return deriveSigningDigest(hashStruct(REQUEST_TYPEHASH, [component, epoch, nonce]))
  const { asker, height, newest } = message
  const newestHash = newest === null ? ZERO_BYTES32 : toHex(keccak256(encodeMessage(newest)))
  return deriveSigningDigest(hashStruct(ANSWER_TYPEHASH, [component, epoch, nonce, asker, height, newestHash]))
}

export const signHandshake = <M extends HandshakeMessage>(
  message: M,
  sign: (digest: Hex) => Hex,
): Branded<M & { signature: Hex }, 'AuthenticatedHandshake'> =>
  ({ ...message, signature: sign(deriveHandshakeDigest(message)) }) as Branded<
    M & { signature: Hex },
    'AuthenticatedHandshake'
  >

const FORMS = ['request', 'answer'] as const
const HEAD_WORDS = { request: 7, answer: 10 } as const

/** `abi.encode(uint8 form, component, epoch, signer, r, yParityAndS, nonce)`, an answer's `asker, height, bytes newest` after it. */
export function encodeHandshake(message: SignedHandshakeMessage): Uint8Array {
  const { component, epoch, signer, signature, nonce } = message
  const writer = createAbiWriter().word(FORMS.indexOf(message.kind) + 1)
  for (const word of [component, epoch, signer]) writer.word(word)
  writeSignature(writer, signature)
  writer.word(nonce)
  if (message.kind === 'request') return writer.finish()
  const newest = message.newest === null ? new Uint8Array(0) : encodeMessage(message.newest)
  return writer.word(message.asker).word(message.height).bytes(newest).finish()
}

/**
 * Decodes exactly what `encodeHandshake` gives. Says nothing of the signatures yet.
 *
 * @throws {MalformedMessageError} not the one canonical encoding, or beyond a bound.
 */
export function decodeHandshake(bytes: Uint8Array): SignedHandshakeMessage {
  if (bytes.length > HANDSHAKE_SIZE_MAX_BYTES) throw new MalformedMessageError({ reason: 'it is too long' })
  const kind = FORMS[Number(readUint(bytes, { at: 0, bits: 8 })) - 1]
  if (kind === undefined) throw new MalformedMessageError({ reason: 'it is of no known form' })
  const reader = createAbiReader(bytes, { headWords: HEAD_WORDS[kind] })
  reader.uint(8)
  const origin = {
    component: reader.bytes32(),
    epoch: reader.uint(64),
    signer: reader.address(),
    signature: readSignature(reader),
    nonce: reader.bytes32(),
  }
  if (kind === 'request') {
    reader.end()
    return { kind, ...origin }
  }
  const answer = { asker: reader.address(), height: reader.uint(64) }
  const newest = reader.bytes({ sizeMaxBytes: PROPOSAL_SIZE_MAX_BYTES })
  reader.end()
  return { kind, ...origin, ...answer, newest: newest.length === 0 ? null : decodeMessage(newest) }
}

/**
 * Why handshake bytes were refused, in the order in which it is looked for, cheap to dear. `self` and `asker` are no
 * faults: every member reads what any of them says, its own words and answers to others among it.
 */
export type HandshakeRefusal =
  | 'malformed'
  | 'component'
  | 'epoch'
  | 'self'
  | 'membership'
  | 'asker'
  | 'nonce'
  | 'signature'

export type AuthenticateHandshakeOptions = {
  committee: Committee
  /** Of this member's own request; null where it waits for no answers. */
  nonce: Hex | null
  isSigned?: SignatureCheck
}

/** Reads bytes from the transport, and lets pass only what a member of this committee asks, or answers this one. */
export function authenticateHandshake(
  bytes: Uint8Array,
  { committee, nonce, isSigned = isSignedBy }: AuthenticateHandshakeOptions,
): { message: AuthenticatedHandshake } | { refused: HandshakeRefusal } {
  let message: SignedHandshakeMessage
  try {
    message = decodeHandshake(bytes)
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error
    return { refused: 'malformed' }
  }
  const { component, epoch, signer, signature } = message
  if (component !== committee.component) return { refused: 'component' }
  if (epoch !== committee.epoch) return { refused: 'epoch' }
  if (signer === committee.self) return { refused: 'self' }
  if (!committee.signers.includes(signer)) return { refused: 'membership' }
  if (message.kind === 'answer' && message.asker !== committee.self) return { refused: 'asker' }
  if (message.kind === 'answer' && message.nonce !== nonce) return { refused: 'nonce' }
  if (!isSigned({ digest: deriveHandshakeDigest(message), signature, signer })) return { refused: 'signature' }
  if (message.kind === 'answer' && message.newest !== null) {
    const { newest, asker } = message
    const isOwn =
      newest.component === component &&
      newest.signer === asker &&
      isSigned({ digest: deriveMessageDigest(newest), signature: newest.signature, signer: asker })
    if (!isOwn) return { refused: 'signature' }
  }
  return { message: message as AuthenticatedHandshake }
}
