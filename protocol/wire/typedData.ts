import { fromHex, type Hex, toHex } from '../bytes.ts'
import { keccak256 } from '../hash.ts'

/**
 * EIP-712 by hand, because viem's `hashTypedData` costs hundreds of microseconds and members hash every message;
 * viem stays the oracle in the tests. Only what the wire types need: words in, one keccak-256 out (spec §4).
 */

/** One 32-byte word of an EIP-712 struct: a number, a flag, or at most 32 bytes of hex, which are aligned as `uint`. */
export type Word = bigint | number | boolean | Hex

const utf8 = new TextEncoder()
const UINT64_MAX = 2n ** 64n - 1n

/** keccak-256 of a type's `encodeType` string. */
export const deriveTypehash = (encodedType: string): Hex => toHex(keccak256(utf8.encode(encodedType)))

/** `hashStruct` of a struct whose members each fill one word (EIP-712 §"Definition of hashStruct"). */
export const hashStruct = (typehash: Hex, words: readonly Word[]): Hex =>
  toHex(keccak256(packWords([typehash, ...words])))

/** The words one after the other, 32 bytes each: what `abi.encode` gives for static members. */
export function packWords(words: readonly Word[]): Uint8Array {
  const bytes = new Uint8Array(32 * words.length)
  const view = new DataView(bytes.buffer)
  words.forEach((word, index) => {
    const end = 32 * (index + 1)
    if (typeof word === 'bigint' && word >= 0n && word <= UINT64_MAX) view.setBigUint64(end - 8, word)
    else if (typeof word === 'number' && Number.isSafeInteger(word) && word >= 0) {
      view.setUint32(end - 4, word % 2 ** 32)
      view.setUint32(end - 8, Math.floor(word / 2 ** 32))
    } else if (typeof word === 'boolean') bytes[end - 1] = word ? 1 : 0
    else {
      const digits = typeof word === 'string' ? word.slice(2) : BigInt(word).toString(16)
      if (digits.length > 64) throw new RangeError(`word ${index} has ${Math.ceil(digits.length / 2)} bytes`)
      writeHex(bytes, { digits, end })
    }
  })
  return bytes
}

/** The value of a hex digit by its character code; 16 for every other character. */
const NIBBLES = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase())
  return value < 0 ? 16 : value
})

/** Spells `digits` into the bytes before `end`: most of what is hashed are words of hex, and here none is made twice. */
function writeHex(bytes: Uint8Array, { digits, end }: { digits: string; end: number }): void {
  for (let at = end - 1, digit = digits.length - 1; digit >= 0; at -= 1, digit -= 2) {
    const low = NIBBLES[digits.charCodeAt(digit)] ?? 16
    const high = digit === 0 ? 0 : (NIBBLES[digits.charCodeAt(digit - 1)] ?? 16)
    if (low === 16 || high === 16) throw new RangeError(`«${digits}» is not hex`)
    bytes[at] = high * 16 + low
  }
}

/** `abi.encode` of static members and one `bytes` behind them: the words, where the bytes stand, their length, the bytes. */
export function packWordsAndBytes(words: readonly Word[], tail: Uint8Array): Uint8Array {
  const head = packWords([...words, 32 * (words.length + 1), tail.length])
  const bytes = new Uint8Array(head.length + Math.ceil(tail.length / 32) * 32)
  bytes.set(head)
  bytes.set(tail, head.length)
  return bytes
}

/**
 * The domain of everything a member or submitter signs: no chain id and no contract, because a commit is a fact that
 * may be shown on many chains (spec §4).
 */
export const DOMAIN = { name: 'coalition', version: '1' } as const

export const DOMAIN_SEPARATOR: Hex = hashStruct(deriveTypehash('EIP712Domain(string name,string version)'), [
  toHex(keccak256(utf8.encode(DOMAIN.name))),
  toHex(keccak256(utf8.encode(DOMAIN.version))),
])

const SIGNING_PREFIX: Uint8Array = fromHex(`0x1901${DOMAIN_SEPARATOR.slice(2)}`)

/** What is signed for a struct: `keccak256(0x1901 ‖ domainSeparator ‖ hashStruct)`. */
export function deriveSigningDigest(structHash: Hex): Hex {
  const bytes = new Uint8Array(66)
  bytes.set(SIGNING_PREFIX)
  bytes.set(fromHex(structHash), SIGNING_PREFIX.length)
  return toHex(keccak256(bytes))
}
