import { type Hex, isHex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { QUOTE_SIZE_MAX_BYTES } from './quote.ts'
import { TCB_STATUSES, type TcbStatus } from './tcbStatus.ts'
import type { TdAttributes } from './tdAttributes.ts'

export class PolicyInvalidError extends CoalitionError {
  constructor(message: string) {
    super('POLICY_INVALID', `${message}.`, {
      fix: 'Write the policy as docs/integrators/attestation.md shows; every key is optional, none is ignored.',
    })
  }
}

export class PolicyImageUnpinnedError extends CoalitionError {
  constructor(index: number) {
    super(
      'POLICY_IMAGE_UNPINNED',
      `measurements[${index}] pins mrTd without rtMr 0 to 2: it pins firmware, not the system.`,
      {
        fix: 'Pin RTMR0, RTMR1 and RTMR2 as well, or set imageInMrtd where the whole image is measured into MR_TD.',
      },
    )
  }
}

/** One allowed set of measurements; what is left out may be anything. */
export type MeasurementPin = {
  mrTd?: Hex
  /** RTMR0–3; `null`, or the end of the list, leaves one open. */
  rtMr?: readonly (Hex | null)[]
  mrSeam?: Hex
  mrConfigId?: Hex
  mrOwner?: Hex
  mrOwnerConfig?: Hex
  mrServiceTd?: Hex
  xfam?: Hex
}

/** What a committee asks of a quote beyond its being genuine (spec §8.1). All of it is optional; unset is the strictest that is common. */
export type AttestationPolicy = {
  /** Default: `UpToDate` alone. A revoked platform is refused whatever stands here. */
  acceptedStatuses?: readonly TcbStatus[]
  /** Lowest TCB evaluation data number of TCB info and QE identity. */
  minEvaluationDataNumber?: number
  /**
   * How long after its TCB date an out-of-date platform is still accepted. Where it is set it alone decides about the
   * OutOfDate statuses; where not, `acceptedStatuses` does.
   */
  graceDays?: number
  /** Where set, a quote with any other advisory is refused. */
  acceptedAdvisories?: readonly string[]
  refusedAdvisories?: readonly string[]
  /** Baseline and variants: one must match. */
  measurements?: readonly MeasurementPin[]
  /** Declares that MR_TD measures the whole image, so that pins need not name RTMR0–2 (spec §8.2). */
  imageInMrtd?: boolean
  /** All 64 bytes of the report data. */
  reportData?: Hex
  /** TD attributes that must be set, or must not be. */
  tdAttributes?: Partial<TdAttributes>
  /** Accept a TD that is bound to a service TD (MRSERVICETD not zero), which may migrate it. */
  acceptServiceTd?: boolean
  /** Accept bytes behind the quote that are not zero padding. */
  acceptTrailingBytes?: boolean
}

const LIST_SIZE_MAX = 256
const PIN_SIZES_BYTES = {
  mrTd: 48,
  mrSeam: 48,
  mrConfigId: 48,
  mrOwner: 48,
  mrOwnerConfig: 48,
  mrServiceTd: 48,
  xfam: 8,
} as const
const TD_ATTRIBUTE_NAMES = ['septVeDisable', 'pks', 'kl', 'perfmon'] as const

type Decoders<T> = { [Key in keyof Required<T>]: (value: unknown, path: string) => NonNullable<T[Key]> }

const POLICY: Decoders<AttestationPolicy> = {
  acceptedStatuses: (value, path) => decodeList(value, path, decodeStatus),
  minEvaluationDataNumber: decodeCount,
  graceDays: decodeCount,
  acceptedAdvisories: (value, path) => decodeList(value, path, decodeText),
  refusedAdvisories: (value, path) => decodeList(value, path, decodeText),
  measurements: decodePins,
  imageInMrtd: decodeBoolean,
  reportData: (value, path) => decodeHex(value, path, 64),
  tdAttributes: decodeTdAttributePolicy,
  acceptServiceTd: decodeBoolean,
  acceptTrailingBytes: decodeBoolean,
}

/**
 * Decodes a policy from JSON. Hex may carry `0x` and upper-case digits; it comes out lower-case with `0x`.
 *
 * @throws {PolicyInvalidError} an unknown key, by name, or a value of another kind.
 * @throws {PolicyImageUnpinnedError} a pin of MR_TD without RTMR0–2, and no `imageInMrtd`.
 */
export function decodePolicy(value: unknown): AttestationPolicy {
  const policy = decodeObject<AttestationPolicy>(value, 'The policy', POLICY)
  assertPolicy(policy)
  return policy
}

/** @throws {PolicyImageUnpinnedError} a pin of MR_TD without RTMR0–2, and no `imageInMrtd`. @throws {PolicyInvalidError} no pin at all. */
export function assertPolicy(policy: AttestationPolicy): void {
  if (policy.measurements?.length === 0)
    throw new PolicyInvalidError('The policy has no measurements to match: leave the key out')
  for (const [index, pin] of (policy.measurements ?? []).entries()) {
    const isImagePinned = [0, 1, 2].every((rtMr) => typeof pin.rtMr?.[rtMr] === 'string')
    if (pin.mrTd !== undefined && !isImagePinned && policy.imageInMrtd !== true)
      throw new PolicyImageUnpinnedError(index)
  }
}

function decodeObject<T extends object>(value: unknown, path: string, decoders: Decoders<T>): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PolicyInvalidError(`${path} is not an object`)
  const decoded: Partial<T> = {}
  for (const [key, item] of Object.entries(value)) {
    if (!Object.hasOwn(decoders, key)) throw new PolicyInvalidError(`${path} has unknown key "${key}"`)
    const name = key as keyof T & string
    decoded[name] = decoders[name](item, `${path}, ${key}:`) as T[keyof T & string]
  }
  return decoded as T
}

function decodeList<T>(value: unknown, path: string, decode: (item: unknown, path: string) => T): readonly T[] {
  if (!Array.isArray(value) || value.length > LIST_SIZE_MAX) {
    throw new PolicyInvalidError(`${path} is not a list of at most ${LIST_SIZE_MAX}`)
  }
  return value.map((item, index) => decode(item, `${path} [${index}]`))
}

function decodeStatus(value: unknown, path: string): TcbStatus {
  const status = TCB_STATUSES.find((candidate) => candidate === value)
  if (!status) throw new PolicyInvalidError(`${path} is none of ${TCB_STATUSES.join(', ')}`)
  return status
}

function decodeText(value: unknown, path: string): string {
  if (typeof value !== 'string') throw new PolicyInvalidError(`${path} is not text`)
  return value
}

function decodeBoolean(value: unknown, path: string): boolean {
  if (typeof value !== 'boolean') throw new PolicyInvalidError(`${path} is neither true nor false`)
  return value
}

function decodeCount(value: unknown, path: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new PolicyInvalidError(`${path} is not a whole number from 0`)
  return value
}

function decodeHex(value: unknown, path: string, sizeBytes: number): Hex {
  const text = typeof value === 'string' && value.length <= QUOTE_SIZE_MAX_BYTES ? value.toLowerCase() : ''
  const hex = text.startsWith('0x') ? text : `0x${text}`
  if (!isHex(hex, sizeBytes)) throw new PolicyInvalidError(`${path} is not ${sizeBytes} bytes of hex`)
  return hex
}

function decodePins(value: unknown, path: string): readonly MeasurementPin[] {
  return decodeList(value, path, (item, itemPath) => decodeObject<MeasurementPin>(item, itemPath, PIN))
}

const pinField =
  (name: keyof typeof PIN_SIZES_BYTES) =>
  (value: unknown, path: string): Hex =>
    decodeHex(value, path, PIN_SIZES_BYTES[name])

const PIN: Decoders<MeasurementPin> = {
  mrTd: pinField('mrTd'),
  rtMr: decodeRtMr,
  mrSeam: pinField('mrSeam'),
  mrConfigId: pinField('mrConfigId'),
  mrOwner: pinField('mrOwner'),
  mrOwnerConfig: pinField('mrOwnerConfig'),
  mrServiceTd: pinField('mrServiceTd'),
  xfam: pinField('xfam'),
}

function decodeRtMr(value: unknown, path: string): readonly (Hex | null)[] {
  const rtMr = decodeList(value, path, (item, itemPath) => (item === null ? null : decodeHex(item, itemPath, 48)))
  if (rtMr.length > 4) throw new PolicyInvalidError(`${path} has more than four registers`)
  return rtMr
}

function decodeTdAttributePolicy(value: unknown, path: string): Partial<TdAttributes> {
  const decoders = Object.fromEntries(TD_ATTRIBUTE_NAMES.map((name) => [name, decodeBoolean])) as Decoders<TdAttributes>
  return decodeObject<TdAttributes>(value, path, decoders)
}
