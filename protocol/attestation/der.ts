import { AttestationError } from './attestationError.ts'
import { toUtcMs } from './calendar.ts'

/** DER tags that X.509 certificates and CRLs use (X.690 §8.1.2). */
export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

export class DerError extends AttestationError<'DER_INVALID'> {
  constructor(message: string) {
    super('DER_INVALID', `${message}.`, {
      fix: 'Fetch the certificate or revocation list again: its bytes are not the one DER encoding of X.690.',
    })
  }
}

/** One element: `bytes[start, end)` with its header, of which `bytes[contentStart, end)` is content. */
export type DerElement = { tag: number; start: number; contentStart: number; end: number }

/**
 * Reads DER front to back, and nothing else: definite lengths in their shortest form, single-byte tags, no element
 * past the end of what holds it. It keeps offsets into the bytes it was given, copies nothing and does not recurse,
 * so it costs no memory that the input's own size does not bound.
 */
export class DerReader {
  readonly bytes: Uint8Array
  readonly end: number
  offset: number

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.bytes = bytes
    this.offset = offset
    this.end = end
  }

  get isAtEnd(): boolean {
    return this.offset === this.end
  }

  /** The tag of the next element, or -1 at the end. */
  peekTag(): number {
    return this.offset < this.end ? this.bytes[this.offset]! : -1
  }

  /** @throws {DerError} the next element is not `tag` (where given), is not DER, or runs past the end. */
  read(tag?: number): DerElement {
    const { bytes, end } = this
    const start = this.offset
    if (start + 2 > end) throw new DerError(`The element at byte ${start} is cut off`)
    const found = bytes[start]!
    if (tag !== undefined && found !== tag) {
      throw new DerError(`The element at byte ${start} has tag 0x${found.toString(16)}, not 0x${tag.toString(16)}`)
    }
    if ((found & 0x1f) === 0x1f) throw new DerError(`The element at byte ${start} has a tag of more than one byte`)
    let contentStart = start + 2
    let size = bytes[start + 1]!
    if (size >= 0x80) {
      const sizeBytes = size & 0x7f
      if (sizeBytes === 0 || sizeBytes > 3) {
        throw new DerError(`The element at byte ${start} has an indefinite or oversized length`)
      }
      contentStart += sizeBytes
      if (contentStart > end) throw new DerError(`The element at byte ${start} is cut off`)
      size = 0
      for (let i = start + 2; i < contentStart; i++) size = (size << 8) | bytes[i]!
      // X.690 §10.1: the length has one encoding, the shortest.
      if (size < 0x80 || (sizeBytes > 1 && bytes[start + 2] === 0)) {
        throw new DerError(`The length of the element at byte ${start} is not in its shortest form`)
      }
    }
    if (size > end - contentStart) throw new DerError(`The element at byte ${start} runs past what holds it`)
    this.offset = contentStart + size
    return { tag: found, start, contentStart, end: this.offset }
  }

  /** A reader of the content of the next element, which must be `tag`; this reader moves past it. */
  enter(tag: number): DerReader {
    const element = this.read(tag)
    return new DerReader(this.bytes, element.contentStart, element.end)
  }

  content(element: DerElement): Uint8Array {
    return this.bytes.subarray(element.contentStart, element.end)
  }

  /** Header and content: what is hashed, compared and signed. */
  whole(element: DerElement): Uint8Array {
    return this.bytes.subarray(element.start, element.end)
  }

  /** @throws {DerError} something follows the last element that has a meaning here. */
  finish(): void {
    if (this.offset !== this.end) throw new DerError(`${this.end - this.offset} byte(s) follow the last element`)
  }

  /**
   * An INTEGER: two's complement in its shortest form, not negative (no number here may be). Its content keeps the leading
   * zero that marks a number as positive, so that equal numbers have equal bytes.
   */
  readUnsigned(tag: number = DER_TAG.integer): DerElement {
    const element = this.read(tag)
    const { contentStart, end } = element
    if (contentStart === end) throw new DerError('A number has no digits')
    const first = this.bytes[contentStart]!
    if (first >= 0x80) throw new DerError('A number is negative')
    if (first === 0 && end - contentStart > 1 && this.bytes[contentStart + 1]! < 0x80) {
      throw new DerError('A number is not in its shortest form')
    }
    return element
  }

  /** An OBJECT IDENTIFIER: arcs of seven bits a byte, none with a leading zero, the last one ended (X.690 §8.19). */
  readOid(): DerElement {
    const element = this.read(DER_TAG.oid)
    let isArcStart = true
    for (let i = element.contentStart; i < element.end; i++) {
      const byte = this.bytes[i]!
      if (isArcStart && byte === 0x80) throw new DerError('An object identifier is not in its shortest form')
      isArcStart = byte < 0x80
    }
    if (element.contentStart === element.end || !isArcStart) throw new DerError('An object identifier is cut off')
    return element
  }

  /** An INTEGER (or `tag`) of at most `max`, itself at most 2^31 − 1. */
  readSmallUnsigned(max: number, tag: number = DER_TAG.integer): number {
    const { contentStart, end } = this.readUnsigned(tag)
    let value = 0
    if (end - contentStart > 5) throw new DerError(`A number is larger than ${max}`)
    for (let i = contentStart; i < end; i++) value = value * 256 + this.bytes[i]!
    if (value > max) throw new DerError(`A number is ${value}, larger than ${max}`)
    return value
  }

  /**
   * An optional BOOLEAN that is false where it is absent. X.690 §11.1, §11.5: true is 0xff, and a default is left out, so
   * nothing else can stand here.
   */
  readFlag(): boolean {
    if (this.peekTag() !== DER_TAG.boolean) return false
    const { contentStart, end } = this.read(DER_TAG.boolean)
    if (end - contentStart !== 1 || this.bytes[contentStart] !== 0xff) {
      throw new DerError('A flag that is written is not true')
    }
    return true
  }

  /** The content of a BIT STRING of whole bytes, as signatures and keys are. */
  readOctetAlignedBits(): Uint8Array {
    const { contentStart, end } = this.read(DER_TAG.bitString)
    if (contentStart === end || this.bytes[contentStart] !== 0) throw new DerError('A bit string is not of whole bytes')
    return this.bytes.subarray(contentStart + 1, end)
  }

  /** UTCTime or GeneralizedTime as milliseconds since 1970; RFC 5280 §4.1.2.5: in UTC, to the second, each for its years. */
  readTimeMs(): number {
    const element = this.read()
    const isUtcTime = element.tag === DER_TAG.utcTime
    if (!isUtcTime && element.tag !== DER_TAG.generalizedTime) throw new DerError('A time is of neither form')
    const digitCount = isUtcTime ? 12 : 14
    const { bytes } = this
    if (element.end - element.contentStart !== digitCount + 1 || bytes[element.end - 1] !== 0x5a) {
      throw new DerError('A time is not in UTC, to the second')
    }
    for (let i = element.contentStart; i < element.end - 1; i++) {
      if (bytes[i]! < 0x30 || bytes[i]! > 0x39) throw new DerError('A time has something other than digits')
    }
    const at = (offset: number) => (bytes[offset]! - 0x30) * 10 + (bytes[offset + 1]! - 0x30)
    const yearDigits = isUtcTime ? 2 : 4
    const rest = element.contentStart + yearDigits
    const short = at(element.contentStart)
    const year = isUtcTime ? short + (short < 50 ? 2000 : 1900) : short * 100 + at(element.contentStart + 2)
    if (!isUtcTime && year < 2050) throw new DerError('A time before 2050 is not a UTCTime')
    const ms = toUtcMs(year, at(rest), at(rest + 2), at(rest + 4), at(rest + 6), at(rest + 8))
    if (ms === undefined) throw new DerError('A time is not on the calendar')
    return ms
  }
}

/** Whether `bytes` starts with `expected` at `offset` and ends there; `expected` is a whole element with its header. */
export function isElement(bytes: Uint8Array, element: DerElement, expected: Uint8Array): boolean {
  if (element.end - element.start !== expected.length) return false
  for (let i = 0; i < expected.length; i++) if (bytes[element.start + i] !== expected[i]) return false
  return true
}
