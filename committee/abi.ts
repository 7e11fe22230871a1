import { fromHex, type Hex, toHex } from '../protocol/bytes.ts'
import { SIGNATURE_SIZE_BYTES } from '../protocol/wire/signature.ts'
import { packWords, type Word } from '../protocol/wire/typedData.ts'
import { MalformedMessageError } from './malformedMessage.ts'

/**
 * The Solidity ABI by hand, on bytes, for the few forms that committee messages have: viem works on hex text, which
 * costs milliseconds for a batch of megabytes. viem stays the oracle in the tests. A reader accepts exactly what a
 * writer gives (spec §2).
 */

const WORD_SIZE_BYTES = 32

export type AbiWriter = {
  word(word: Word): AbiWriter
  bytes(value: Uint8Array): AbiWriter
  bytesList(values: readonly Uint8Array[]): AbiWriter
  /** `abi.encode` of what was written. */
  finish(): Uint8Array
}

export function createAbiWriter(): AbiWriter {
  const head: (Word | Uint8Array)[] = []
  const writer: AbiWriter = {
    word: (word) => add(word),
    bytes: (value) => add(padBytes(value)),
    bytesList: (values) => add(packList(values)),
    finish: () => join(head),
  }
  const add = (member: Word | Uint8Array): AbiWriter => {
    head.push(member)
    return writer
  }
  return writer
}

/** Words first, with an offset for each dynamic member; the dynamic members after them, in order. */
function join(members: readonly (Word | Uint8Array)[]): Uint8Array {
  let sizeBytes = WORD_SIZE_BYTES * members.length
  const words = members.map((member): Word => {
    if (!(member instanceof Uint8Array)) return member
    const offset = sizeBytes
    sizeBytes += member.length
    return offset
  })
  const encoded = new Uint8Array(sizeBytes)
  encoded.set(packWords(words))
  let cursor = WORD_SIZE_BYTES * members.length
  for (const member of members) {
    if (!(member instanceof Uint8Array)) continue
    encoded.set(member, cursor)
    cursor += member.length
  }
  return encoded
}

function padBytes(value: Uint8Array): Uint8Array {
  const padded = new Uint8Array(WORD_SIZE_BYTES + paddedSize(value.length))
  padded.set(packWords([value.length]))
  padded.set(value, WORD_SIZE_BYTES)
  return padded
}

function packList(values: readonly Uint8Array[]): Uint8Array {
  const items = join(values.map(padBytes))
  const list = new Uint8Array(WORD_SIZE_BYTES + items.length)
  list.set(packWords([values.length]))
  list.set(items, WORD_SIZE_BYTES)
  return list
}

const paddedSize = (sizeBytes: number): number => Math.ceil(sizeBytes / WORD_SIZE_BYTES) * WORD_SIZE_BYTES

export type AbiReader = {
  /** An unsigned number of at most `bits`. */
  uint(bits: number): bigint
  bool(): boolean
  address(): Hex
  bytes32(): Hex
  /** Views into what is read, not copies; so of the next. */
  bytes(options: { sizeMaxBytes: number }): Uint8Array
  bytesList(options: { countMax: number; sizeMaxBytes: number }): Uint8Array[]
  /** Nothing may be left. */
  end(): void
}

/** @throws {MalformedMessageError} from every method: another encoding than the one canonical, or above a bound. */
export function createAbiReader(bytes: Uint8Array, { headWords }: { headWords: number }): AbiReader {
  const headSizeBytes = WORD_SIZE_BYTES * headWords
  let head = 0
  let tail = headSizeBytes
  if (bytes.length < headSizeBytes) refuse('it is too short')

  const nextUint = (bits: number): bigint => {
    if (head >= headSizeBytes) throw new RangeError('read past the head')
    head += WORD_SIZE_BYTES
    return readUint(bytes, { at: head - WORD_SIZE_BYTES, bits })
  }
  const enterTail = (): void => {
    if (nextUint(64) !== BigInt(tail)) refuse('a member is not where it belongs')
  }
  const takeSize = (max: number): number => {
    const size = readUint(bytes, { at: tail, bits: 64 })
    if (size > BigInt(max)) refuse('a length is above its bound')
    tail += WORD_SIZE_BYTES
    return Number(size)
  }
  const takeBytes = (sizeMaxBytes: number): Uint8Array => {
    const size = takeSize(sizeMaxBytes)
    const end = tail + paddedSize(size)
    if (end > bytes.length) refuse('it is too short')
    for (let at = tail + size; at < end; at++) if (bytes[at] !== 0) refuse('padding is not zero')
    const value = bytes.subarray(tail, tail + size)
    tail = end
    return value
  }

  return {
    uint: nextUint,
    bool: () => nextUint(1) === 1n,
    address: () => toHex(bytes20(nextUint(160))),
    bytes32() {
      if (head >= headSizeBytes) throw new RangeError('read past the head')
      head += WORD_SIZE_BYTES
      return toHex(bytes.subarray(head - WORD_SIZE_BYTES, head))
    },
    bytes({ sizeMaxBytes }) {
      enterTail()
      return takeBytes(sizeMaxBytes)
    },
    bytesList({ countMax, sizeMaxBytes }) {
      enterTail()
      const count = takeSize(countMax)
      const offsets = tail
      if (offsets + WORD_SIZE_BYTES * count > bytes.length) refuse('it is too short')
      tail += WORD_SIZE_BYTES * count
      return Array.from({ length: count }, (_, index) => {
        const offset = readUint(bytes, { at: offsets + WORD_SIZE_BYTES * index, bits: 64 })
        if (offset !== BigInt(tail - offsets)) refuse('a list item is not where it belongs')
        return takeBytes(sizeMaxBytes)
      })
    },
    end() {
      if (head !== headSizeBytes) throw new RangeError('left members unread')
      if (tail !== bytes.length) refuse('bytes follow its end')
    },
  }
}

/** The word at byte `at` as a number. @throws {MalformedMessageError} beyond the end, or above `bits`. */
export function readUint(bytes: Uint8Array, { at, bits }: { at: number; bits: number }): bigint {
  if (at + WORD_SIZE_BYTES > bytes.length) refuse('it is too short')
  const value = bits > 64 ? BigInt(toHex(bytes.subarray(at, at + WORD_SIZE_BYTES))) : readUint64(bytes, at)
  if (value >> BigInt(bits) !== 0n) refuse('a number is above its type')
  return value
}

/** Most numbers are small, and every message has several: no detour over text. */
function readUint64(bytes: Uint8Array, at: number): bigint {
  const low = at + WORD_SIZE_BYTES - 8
  for (let index = at; index < low; index++) if (bytes[index] !== 0) refuse('a number is above its type')
  return new DataView(bytes.buffer, bytes.byteOffset + low, 8).getBigUint64(0)
}

const bytes20 = (value: bigint): Uint8Array => fromHex(`0x${value.toString(16).padStart(40, '0')}`)

/** An EIP-2098 signature as two words: `bytes32 r, bytes32 yParityAndS`. */
export function writeSignature(writer: AbiWriter, signature: Hex): void {
  const split = 2 + SIGNATURE_SIZE_BYTES
  writer.word(signature.slice(0, split) as Hex).word(`0x${signature.slice(split)}`)
}

export const readSignature = (reader: AbiReader): Hex => `${reader.bytes32()}${reader.bytes32().slice(2)}`

function refuse(reason: string): never {
  throw new MalformedMessageError({ reason })
}
