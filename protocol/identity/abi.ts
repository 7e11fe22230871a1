import { fromHex, type Hex } from '../bytes.ts'

/**
 * Solidity's `abi.encode` by hand (spec §2), because viem's takes as long as the BLAKE3 that follows it and a coalition
 * derives thousands of ids; viem and ethers are the oracles in the tests. Values are taken as already checked.
 */

/** One encoded value: its words where it is static, else what an offset will point to. */
export type AbiField = { readonly isDynamic: boolean; readonly bytes: Uint8Array }

const WORD_SIZE_BYTES = 32
const utf8 = new TextEncoder()

/** 32 bytes. */
export const bytes32 = (value: Hex): AbiField => ({ isDynamic: false, bytes: fromHex(value) })

/** 20 bytes, aligned right. */
export function address(value: Hex): AbiField {
  const word = new Uint8Array(WORD_SIZE_BYTES)
  word.set(fromHex(value), 12)
  return { isDynamic: false, bytes: word }
}

/** An unsigned integer of at most 64 bits; at most 2^53 − 1 as a number. */
export function uint(value: bigint | number): AbiField {
  const word = new Uint8Array(WORD_SIZE_BYTES)
  if (typeof value === 'number') writeUint(word, { at: 0, value })
  else new DataView(word.buffer).setBigUint64(WORD_SIZE_BYTES - 8, value)
  return { isDynamic: false, bytes: word }
}

export function bytes(value: Uint8Array): AbiField {
  const encoded = new Uint8Array(WORD_SIZE_BYTES * (1 + Math.ceil(value.length / WORD_SIZE_BYTES)))
  writeUint(encoded, { at: 0, value: value.length })
  encoded.set(value, WORD_SIZE_BYTES)
  return { isDynamic: true, bytes: encoded }
}

export const string = (value: string): AbiField => bytes(utf8.encode(value))

export function bytes32Array(values: readonly Hex[]): AbiField {
  const encoded = new Uint8Array(WORD_SIZE_BYTES * (1 + values.length))
  writeUint(encoded, { at: 0, value: values.length })
  values.forEach((value, index) => {
    encoded.set(fromHex(value), WORD_SIZE_BYTES * (1 + index))
  })
  return { isDynamic: true, bytes: encoded }
}

/** A struct with at least one dynamic member. */
export const dynamicTuple = (fields: readonly AbiField[]): AbiField => ({ isDynamic: true, bytes: encodeAbi(fields) })

/** An array of values of one type. */
export function array(items: readonly AbiField[]): AbiField {
  const encoded = encodeAbi(items, { prefixSizeBytes: WORD_SIZE_BYTES })
  writeUint(encoded, { at: 0, value: items.length })
  return { isDynamic: true, bytes: encoded }
}

/**
 * `abi.encode(fields…)`: each static value in its place, each dynamic one behind its offset.
 *
 * @param options.prefixSizeBytes zero bytes to leave before it, which no offset counts.
 */
export function encodeAbi(fields: readonly AbiField[], { prefixSizeBytes = 0 } = {}): Uint8Array {
  let headSizeBytes = 0
  let tailSizeBytes = 0
  for (const { isDynamic, bytes } of fields) {
    headSizeBytes += isDynamic ? WORD_SIZE_BYTES : bytes.length
    tailSizeBytes += isDynamic ? bytes.length : 0
  }
  const encoded = new Uint8Array(prefixSizeBytes + headSizeBytes + tailSizeBytes)
  let head = prefixSizeBytes
  let tail = prefixSizeBytes + headSizeBytes
  for (const { isDynamic, bytes } of fields) {
    if (isDynamic) {
      writeUint(encoded, { at: head, value: tail - prefixSizeBytes })
      encoded.set(bytes, tail)
      head += WORD_SIZE_BYTES
      tail += bytes.length
    } else {
      encoded.set(bytes, head)
      head += bytes.length
    }
  }
  return encoded
}

/** Writes the word at `at`, big-endian. */
function writeUint(target: Uint8Array, { at, value }: { at: number; value: number }): void {
  let rest = value
  for (let index = at + WORD_SIZE_BYTES - 1; rest > 0; index--) {
    target[index] = rest % 256
    rest = Math.floor(rest / 256)
  }
}
