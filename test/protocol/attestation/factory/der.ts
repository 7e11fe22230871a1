/** A DER writer for the tests' own certificates and lists: just enough, and apart from the reader that it tests. */

export type Der = Uint8Array

export const concat = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts))

export function element(tag: number, ...content: readonly Uint8Array[]): Der {
  const body = concat(...content)
  const size = body.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 255]
  return concat(Uint8Array.of(tag, ...length), body)
}

export const sequence = (...content: readonly Der[]): Der => element(0x30, ...content)
export const set = (...content: readonly Der[]): Der => element(0x31, ...content)
export const octets = (bytes: Uint8Array): Der => element(0x04, bytes)
export const bits = (bytes: Uint8Array, unusedCount = 0): Der => element(0x03, Uint8Array.of(unusedCount), bytes)
export const utf8 = (text: string): Der => element(0x0c, Buffer.from(text))
export const yes: Der = element(0x01, Uint8Array.of(0xff))
export const explicit = (number: number, ...content: readonly Der[]): Der => element(0xa0 | number, ...content)

/** A number that is not negative, from bytes (big-endian) or a small number. */
export function integer(value: Uint8Array | number, tag = 0x02): Der {
  const digits = typeof value === 'number' ? value.toString(16) : Buffer.from(value).toString('hex')
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex')
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const trimmed = bytes.subarray(start)
  return element(tag, trimmed[0]! >= 0x80 ? concat(Uint8Array.of(0), trimmed) : trimmed)
}

export function oid(text: string): Der {
  const [first, second, ...rest] = text.split('.').map(Number) as [number, number, ...number[]]
  const bytes = [first * 40 + second]
  for (const arc of rest) {
    const groups = [arc & 0x7f]
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80)
    bytes.push(...groups)
  }
  return element(0x06, Uint8Array.from(bytes))
}

/** UTCTime before 2050, GeneralizedTime from then on. */
export function time(ms: number): Der {
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')
  return Number(digits.slice(0, 4)) < 2050
    ? element(0x17, Buffer.from(digits.slice(2)))
    : element(0x18, Buffer.from(digits))
}
