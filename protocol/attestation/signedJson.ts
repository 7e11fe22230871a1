import { AttestationError } from './attestationError.ts'
import { toUtcMs } from './calendar.ts'
import { encodeP256Signature, type P256Key, verifyP256 } from './p256.ts'

/** TCB info of a platform with many levels is 20 KB. */
export const SIGNED_JSON_SIZE_MAX_BYTES = 262_144

export class SignedJsonError extends AttestationError<
  'COLLATERAL_SIGNATURE_INVALID' | 'COLLATERAL_JSON_INVALID' | 'COLLATERAL_TOO_LARGE' | 'TCB_STATUS_UNKNOWN'
> {
  constructor(code: SignedJsonError['code'], message: string) {
    super(code, `${message}.`, {
      fix: 'Fetch the collateral again, and keep the signed text byte for byte as Intel served it.',
    })
  }
}

const textEncoder = new TextEncoder()

/**
 * Verifies Intel's signature over the exact bytes of a JSON object and parses it. The text must be the one that
 * serialising it again gives: Intel signs that form (its library re-serialises before it verifies), and it leaves no room
 * for a key given twice, which readers resolve differently.
 *
 * @throws {SignedJsonError} `COLLATERAL_TOO_LARGE`, `COLLATERAL_SIGNATURE_INVALID` or `COLLATERAL_JSON_INVALID`.
 */
export function verifySignedJson(parameters: {
  /** What it is, for messages. */
  name: string
  text: string
  /** r and s, 64 bytes. */
  signature: Uint8Array
  key: P256Key
}): JsonObject {
  const { name, text, signature, key } = parameters
  if (text.length > SIGNED_JSON_SIZE_MAX_BYTES) {
    throw new SignedJsonError('COLLATERAL_TOO_LARGE', `${name} has more than ${SIGNED_JSON_SIZE_MAX_BYTES} characters`)
  }
  if (signature.length !== 64 || !verifyP256(key, textEncoder.encode(text), encodeP256Signature(signature))) {
    throw new SignedJsonError('COLLATERAL_SIGNATURE_INVALID', `The signature on the ${name} is wrong`)
  }
  let value: unknown
  let compact: string
  try {
    value = JSON.parse(text)
    // Also refuses what nests more deeply than the stack is.
    compact = JSON.stringify(value)
  } catch (cause) {
    throw invalid(name, 'is not JSON', cause)
  }
  if (compact !== text) throw invalid(name, 'is not in the one compact form, or has a key twice')
  return new JsonObject(name, value)
}

function invalid(name: string, what: string, cause?: unknown): SignedJsonError {
  const error = new SignedJsonError('COLLATERAL_JSON_INVALID', `The ${name} ${what}`)
  if (cause !== undefined) error.cause = cause
  return error
}

const DATE_PATTERN = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/

/** The value of a hex digit, of either case; 255 for whatever is none. */
function toNibble(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : 255
}

/** A JSON object whose fields are read by kind; each reader throws `COLLATERAL_JSON_INVALID` with the field's path. */
export class JsonObject {
  readonly #value: Record<string, unknown>
  readonly #parent: JsonObject | undefined
  readonly #name: string
  readonly #index: number | undefined

  constructor(name: string, value: unknown, parent?: JsonObject, index?: number) {
    this.#name = name
    this.#parent = parent
    this.#index = index
    this.#value = value as Record<string, unknown>
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw invalid(this.path, 'is not an object')
  }

  /** Where this object stands, as `TCB info.tcbLevels[0].tcb`; worked out only for messages. */
  get path(): string {
    const name = this.#index === undefined ? this.#name : `${this.#name}[${this.#index}]`
    return this.#parent ? `${this.#parent.path}.${name}` : name
  }

  /** Parsed JSON inherits from Object.prototype alone, which has none of the keys that are asked for; JSON has no `undefined`. */
  has(key: string): boolean {
    return this.#value[key] !== undefined
  }

  string(key: string): string {
    const value = this.#value[key]
    if (typeof value !== 'string') throw invalid(this.path, `has no text ${key}`)
    return value
  }

  unsigned(key: string, max: number): number {
    const value = this.#value[key]
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
      throw invalid(this.path, `has no whole number ${key} of 0 to ${max}`)
    }
    return value
  }

  hex(key: string, sizeBytes: number): Uint8Array {
    const value = this.#value[key]
    const bytes = new Uint8Array(sizeBytes)
    let isHex = typeof value === 'string' && value.length === 2 * sizeBytes
    for (let i = 0; isHex && i < sizeBytes; i++) {
      const high = toNibble((value as string).charCodeAt(2 * i))
      const low = toNibble((value as string).charCodeAt(2 * i + 1))
      isHex = (high | low) !== 255
      bytes[i] = (high << 4) | low
    }
    if (!isHex) throw invalid(this.path, `has no ${sizeBytes} bytes of hex ${key}`)
    return bytes
  }

  /** Milliseconds since 1970 of an RFC 3339 time in UTC, to the second, as Intel writes them. */
  dateMs(key: string): number {
    const value = this.#value[key]
    if (typeof value === 'string' && DATE_PATTERN.test(value)) {
      const at = (offset: number): number =>
        (value.charCodeAt(offset) - 0x30) * 10 + (value.charCodeAt(offset + 1) - 0x30)
      const ms = toUtcMs(at(0) * 100 + at(2), at(5), at(8), at(11), at(14), at(17))
      if (ms !== undefined) return ms
    }
    throw invalid(this.path, `has no time ${key}`)
  }

  object(key: string): JsonObject {
    return new JsonObject(key, this.#value[key], this)
  }

  /** The objects of a list that has one or more. */
  objects(key: string): readonly JsonObject[] {
    return this.list(key).map((item, index) => new JsonObject(key, item, this, index))
  }

  /** The items of a list that has one or more, as they are. */
  list(key: string): readonly unknown[] {
    const value = this.#value[key]
    if (!Array.isArray(value) || value.length === 0) throw invalid(this.path, `has no list ${key} of one or more`)
    return value
  }

  /** Texts of a list; none where the list is absent. */
  optionalStrings(key: string): readonly string[] {
    if (!this.has(key)) return []
    const value = this.#value[key]
    if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) {
      throw invalid(this.path, `has no texts ${key}`)
    }
    return value as readonly string[]
  }

  optionalString(key: string): string | undefined {
    return this.has(key) ? this.string(key) : undefined
  }

  /** @throws {SignedJsonError} `TCB_STATUS_UNKNOWN`: a status we do not know may mean anything, so it means no. */
  oneOf<Status extends string>(key: string, known: readonly Status[]): Status {
    const value = this.string(key)
    const found = known.find((status) => status === value)
    if (found === undefined) {
      throw new SignedJsonError('TCB_STATUS_UNKNOWN', `The ${this.path} has unknown ${key} "${value}"`)
    }
    return found
  }
}
