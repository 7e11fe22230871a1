import { AttestationError } from './attestationError.ts'

/** The chains that Intel serves are 2 to 3 KB; nothing here needs more than three certificates. */
export const PEM_SIZE_MAX_BYTES = 16_384
const CERTIFICATE_COUNT_MAX = 4

export class PemError extends AttestationError<'PEM_INVALID'> {
  constructor(message: string) {
    super('PEM_INVALID', `${message}.`, { fix: 'Fetch the certificate chain again, and pass its bytes on unchanged.' })
  }
}

const BEGIN = toAscii('-----BEGIN CERTIFICATE-----')
const END = toAscii('-----END CERTIFICATE-----')
const NEWLINE = 0x0a
const RETURN = 0x0d
const PAD = 0x3d

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
/** Value of each base64 digit, 255 for whatever is none. */
const DIGITS = new Uint8Array(256).fill(255)
for (const [value, digit] of [...ALPHABET].entries()) DIGITS[digit.charCodeAt(0)] = value

/**
 * Decodes a chain of PEM certificates to DER, strictly: between and after the certificates only line ends, after the
 * last one also NUL bytes (quotes carry their chain as a C string), in base64 only full groups and zero spare bits.
 * Each byte that is not one of those means something, so no byte of a quote can change unnoticed.
 *
 * @throws {PemError} anything else, more than 16 KB, no certificate, or more than four.
 */
export const decodePemChain = (pem: Uint8Array): readonly Uint8Array[] => decodePemBlocks(pem, []).map(({ der }) => der)

/**
 * `decodePemChain`, with where each certificate stands in `pem`.
 *
 * @param known where the text of one of these stands, it is handed back, not worked out anew.
 * @throws {PemError} as `decodePemChain`.
 */
export function decodePemBlocks(pem: Uint8Array, known: readonly PemBlock[]): readonly PemBlock[] {
  if (pem.length > PEM_SIZE_MAX_BYTES) throw new PemError(`A certificate chain of ${pem.length} bytes is too large`)
  const certificates: PemBlock[] = []
  let offset = skipLineEnds(pem, 0)
  while (offset < pem.length && pem[offset] !== 0) {
    if (certificates.length === CERTIFICATE_COUNT_MAX) {
      throw new PemError(`A certificate chain has more than ${CERTIFICATE_COUNT_MAX} certificates`)
    }
    const same = known.find((block) => isAt(pem, offset, block.text))
    if (same) {
      certificates.push(same)
      offset = skipLineEnds(pem, offset + same.text.length)
      continue
    }
    const { bytes, next } = decodeBase64(pem, expectWord(pem, offset, BEGIN))
    const end = expectWord(pem, next, END)
    certificates.push({ text: pem.subarray(offset, end), der: bytes })
    offset = skipLineEnds(pem, end)
  }
  for (; offset < pem.length; offset++) {
    if (pem[offset] !== 0)
      throw new PemError(`Byte ${offset} of a certificate chain is neither certificate nor padding`)
  }
  if (certificates.length === 0) throw new PemError('A certificate chain has no certificate')
  return certificates
}

/** A certificate as it stands in PEM, from the first dash to the last. */
export type PemBlock = { text: Uint8Array; der: Uint8Array }

const LINE_SIZE_BYTES = 48

/** The usual PEM form of a certificate, in lines of 64 digits (RFC 7468 §2), to recognise it by. */
export function encodePem(der: Uint8Array): PemBlock {
  let text = '-----BEGIN CERTIFICATE-----\n'
  for (let start = 0; start < der.length; start += LINE_SIZE_BYTES) {
    for (let i = start; i < Math.min(start + LINE_SIZE_BYTES, der.length); i += 3) {
      const left = der.length - i
      const bits = (der[i]! << 16) | ((der[i + 1] ?? 0) << 8) | (der[i + 2] ?? 0)
      text += ALPHABET[bits >> 18]! + ALPHABET[(bits >> 12) & 63]!
      text += (left > 1 ? ALPHABET[(bits >> 6) & 63]! : '=') + (left > 2 ? ALPHABET[bits & 63]! : '=')
    }
    text += '\n'
  }
  return { text: toAscii(`${text}-----END CERTIFICATE-----`), der }
}

function isAt(pem: Uint8Array, offset: number, text: Uint8Array): boolean {
  if (text.length > pem.length - offset) return false
  // From behind: chains of one authority begin alike, and differ in their signatures.
  for (let i = text.length - 1; i >= 0; i--) if (pem[offset + i] !== text[i]) return false
  return true
}

function decodeBase64(pem: Uint8Array, start: number): { bytes: Uint8Array; next: number } {
  const bytes = new Uint8Array(Math.ceil((pem.length - start) * 0.75))
  let size = 0
  let offset = start
  const group = [0, 0, 0, 0]
  let digitCount = 0
  let padCount = 0
  for (; offset < pem.length; offset++) {
    if (digitCount === 0 && padCount === 0) {
      // Whole groups, which is nearly all there is: four digits, three bytes.
      for (; offset + 4 <= pem.length; offset += 4) {
        const a = DIGITS[pem[offset]!]!
        const b = DIGITS[pem[offset + 1]!]!
        const c = DIGITS[pem[offset + 2]!]!
        const d = DIGITS[pem[offset + 3]!]!
        if ((a | b | c | d) === 255) break
        bytes[size++] = (a << 2) | (b >> 4)
        bytes[size++] = (b << 4) | (c >> 2)
        bytes[size++] = (c << 6) | d
      }
      if (offset === pem.length) break
    }
    const byte = pem[offset]!
    if (byte === NEWLINE || (byte === RETURN && pem[offset + 1] === NEWLINE)) continue
    if (byte === PAD) {
      padCount++
      continue
    }
    const value = DIGITS[byte]!
    if (value === 255) break
    if (padCount > 0) throw new PemError(`Byte ${offset} of a certificate chain follows base64 padding`)
    group[digitCount++] = value
    if (digitCount < 4) continue
    bytes[size++] = (group[0]! << 2) | (group[1]! >> 4)
    bytes[size++] = (group[1]! << 4) | (group[2]! >> 2)
    bytes[size++] = (group[2]! << 6) | group[3]!
    digitCount = 0
  }
  if (digitCount === 1 || padCount !== (4 - digitCount) % 4) {
    throw new PemError('The base64 of a certificate chain has a broken group')
  }
  const [a, b, c] = group as [number, number, number, number]
  const stray = digitCount === 2 ? b & 15 : digitCount === 3 ? c & 3 : 0
  if (stray !== 0) throw new PemError('The base64 of a certificate chain has stray bits')
  if (digitCount >= 2) bytes[size++] = (a << 2) | (b >> 4)
  if (digitCount === 3) bytes[size++] = (b << 4) | (c >> 2)
  return { bytes: bytes.subarray(0, size), next: offset }
}

function expectWord(pem: Uint8Array, offset: number, word: Uint8Array): number {
  for (let i = 0; i < word.length; i++) {
    if (pem[offset + i] !== word[i])
      throw new PemError(`Byte ${offset + i} of a certificate chain breaks a PEM boundary`)
  }
  return offset + word.length
}

function skipLineEnds(pem: Uint8Array, start: number): number {
  let offset = start
  while (pem[offset] === NEWLINE || (pem[offset] === RETURN && pem[offset + 1] === NEWLINE)) offset++
  return offset
}

function toAscii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0))
}
