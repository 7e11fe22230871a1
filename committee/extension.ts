import { type Hex, toHex } from '../protocol/bytes.ts'
import { keccak256 } from '../protocol/hash.ts'
import { ADDRESSES_MAX } from '../protocol/wire/addressList.ts'
import { isSignedBy } from '../protocol/wire/certificate.ts'
import { quorumOf } from '../protocol/wire/committee.ts'
import { deriveSigningDigest, deriveTypehash, hashStruct } from '../protocol/wire/typedData.ts'
import { createAbiReader, createAbiWriter, readSignature, writeSignature } from './abi.ts'
import { MalformedMessageError } from './malformedMessage.ts'

/** Bytes that a member may attach to its precommit. */
export const EXTENSION_SIZE_MAX_BYTES = 1024
/** Bytes of an encoded extension at the most: nine words and the padded data. */
export const ENCODED_EXTENSION_SIZE_MAX_BYTES = 9 * 32 + EXTENSION_SIZE_MAX_BYTES

/** What a member attached to its precommit of a commit, under a signature of its own (spec §5.2). */
export type VoteExtension = {
  component: Hex
  /** Of the commit. */
  height: bigint
  /** Of the precommit: extensions of different rounds never add up to a quorum. */
  round: number
  commitDigest: Hex
  /** Address. */
  signer: Hex
  data: Uint8Array
  /** 64 bytes, EIP-2098. */
  signature: Hex
}

const VOTE_EXTENSION_TYPEHASH = deriveTypehash(
  'VoteExtension(bytes32 component,uint64 height,uint32 round,bytes32 commitDigest,bytes data)',
)

/** What a member signs for a vote extension: the EIP-712 digest, 32 bytes. */
export function deriveExtensionDigest(extension: Omit<VoteExtension, 'signer' | 'signature'>): Hex {
  const { component, height, round, commitDigest, data } = extension
  const words = [component, height, round, commitDigest, toHex(keccak256(data))]
  return deriveSigningDigest(hashStruct(VOTE_EXTENSION_TYPEHASH, words))
}

/** `abi.encode(component, height, round, commitDigest, signer, r, yParityAndS, data)`: a leaf of `extensionsRoot`. */
export function encodeExtension(extension: VoteExtension): Uint8Array {
  const writer = createAbiWriter()
  for (const word of [
    extension.component,
    extension.height,
    extension.round,
    extension.commitDigest,
    extension.signer,
  ]) {
    writer.word(word)
  }
  writeSignature(writer, extension.signature)
  return writer.bytes(extension.data).finish()
}

/** @throws {MalformedMessageError} too large, or not what `encodeExtension` gives. */
export function decodeExtension(bytes: Uint8Array): VoteExtension {
  if (bytes.length > ENCODED_EXTENSION_SIZE_MAX_BYTES) {
    throw new MalformedMessageError({ reason: `a vote extension has ${bytes.length} bytes` })
  }
  const reader = createAbiReader(bytes, { headWords: 8 })
  const extension = {
    component: reader.bytes32(),
    height: reader.uint(64),
    round: Number(reader.uint(32)),
    commitDigest: reader.bytes32(),
    signer: reader.address(),
    signature: readSignature(reader),
    data: reader.bytes({ sizeMaxBytes: EXTENSION_SIZE_MAX_BYTES }),
  }
  reader.end()
  return extension
}

/** `abi.encode(bytes[] extensions)`. */
export const encodeExtensionList = (extensions: readonly Uint8Array[]): Uint8Array =>
  createAbiWriter().bytesList(extensions).finish()

/** @throws {MalformedMessageError} not exactly what `encodeExtensionList` gives. */
export function decodeExtensionList(bytes: Uint8Array): Uint8Array[] {
  const reader = createAbiReader(bytes, { headWords: 1 })
  const extensions = reader.bytesList({ countMax: ADDRESSES_MAX, sizeMaxBytes: ENCODED_EXTENSION_SIZE_MAX_BYTES })
  reader.end()
  return extensions
}

export type ExtensionQuorumParameters = {
  component: Hex
  /** The commit that the extensions are for. */
  height: bigint
  commitDigest: Hex
  /** The committee that signed it. */
  signers: readonly Hex[]
}

/**
 * Whether `encoded` are extensions of a quorum, each once and in ascending order of signer, all for one commit and of
 * one round (spec §5.2). Their signatures are `authenticate`'s to check.
 */
export function isExtensionQuorum(encoded: readonly Uint8Array[], parameters: ExtensionQuorumParameters): boolean {
  const { component, height, commitDigest, signers } = parameters
  if (encoded.length < quorumOf(signers.length) || encoded.length > signers.length) return false
  const extensions = encoded.map(decodeExtension)
  const [first] = extensions
  return extensions.every(
    (extension, index) =>
      extension.component === component &&
      extension.height === height &&
      extension.commitDigest === commitDigest &&
      extension.round === first!.round &&
      signers.includes(extension.signer) &&
      (index === 0 || extensions[index - 1]!.signer < extension.signer),
  )
}

/** The same of extensions that came in no authenticated message, from whomever: their signatures hold, too. */
export function isSignedExtensionQuorum(
  encoded: readonly Uint8Array[],
  parameters: ExtensionQuorumParameters,
): boolean {
  try {
    return isExtensionQuorum(encoded, parameters) && encoded.map(decodeExtension).every(isSigned)
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error
    return false
  }
}

const isSigned = (extension: VoteExtension): boolean =>
  isSignedBy({ digest: deriveExtensionDigest(extension), signature: extension.signature, signer: extension.signer })
