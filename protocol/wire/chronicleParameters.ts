import { decodeAbiParameters, encodeAbiParameters, parseAbiParameters } from 'viem/utils'
import { fromHex, type Hex, isEqualBytes } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { ADDRESSES_MAX, assertAddressList } from './addressList.ts'

/** What a Chronicle is told at genesis; its content hash binds them (spec §3, §10). */
export type ChronicleParameters = {
  /** Addresses whose entries it takes: 1 to 256, lower-case, strictly ascending. */
  readonly submitters: readonly Hex[]
  /** Anchors when this many commits wait, or when the oldest has waited this long, whichever comes first; uint32, 1 or more. */
  readonly anchorEveryCommits: number
  /** Seconds; uint32, 1 or more. */
  readonly anchorEverySeconds: number
}

export class InvalidCadenceError extends CoalitionError {
  constructor({ field }: { field: string }) {
    super('INVALID_CADENCE', `${field} is not a whole number from 1 to 2^32 − 1.`, {
      fix: 'A Chronicle anchors every so many commits and every so many seconds, whichever comes first; give both.',
    })
  }
}

export class InvalidChronicleParametersError extends CoalitionError {
  constructor({ cause }: { cause?: unknown } = {}) {
    super('INVALID_CHRONICLE_PARAMETERS', 'The bytes are not the canonical encoding of Chronicle parameters.', {
      fix: 'Encode them as abi.encode(address[] submitters, uint32 anchorEveryCommits, uint32 anchorEverySeconds).',
      cause,
    })
  }
}

const FIELDS = parseAbiParameters('address[] submitters, uint32 anchorEveryCommits, uint32 anchorEverySeconds')
const SIZE_MAX_BYTES = 32 * (FIELDS.length + 1 + ADDRESSES_MAX)
const UINT32_MAX = 2 ** 32 - 1

/**
 * `abi.encode(address[] submitters, uint32 anchorEveryCommits, uint32 anchorEverySeconds)`.
 *
 * @param options.field names the parameters in an error.
 * @throws {AddressCountError | InvalidHexError | ZeroAddressError | AddressesOutOfOrderError} see `assertAddressList`.
 * @throws {InvalidCadenceError} a cadence that is not a uint32 of 1 or more.
 */
export function encodeChronicleParameters(
  parameters: ChronicleParameters,
  { field = 'parameters' }: { field?: string } = {},
): Uint8Array {
  const { submitters, anchorEveryCommits, anchorEverySeconds } = parameters
  const list = `${field}.submitters`
  assertAddressList(submitters, { list, field: (index) => `${list}[${index}]` })
  assertCadence(anchorEveryCommits, { field: `${field}.anchorEveryCommits` })
  assertCadence(anchorEverySeconds, { field: `${field}.anchorEverySeconds` })
  return fromHex(encodeAbiParameters(FIELDS, [submitters, anchorEveryCommits, anchorEverySeconds]))
}

/**
 * Decodes exactly what `encodeChronicleParameters` gives.
 *
 * @throws {InvalidChronicleParametersError} not the one canonical encoding.
 * @throws whatever `encodeChronicleParameters` throws for the values.
 */
export function decodeChronicleParameters(bytes: Uint8Array): ChronicleParameters {
  if (bytes.length > SIZE_MAX_BYTES) throw new InvalidChronicleParametersError()
  const parameters = decodeFields(bytes)
  if (!isEqualBytes(encodeChronicleParameters(parameters), bytes)) throw new InvalidChronicleParametersError()
  return parameters
}

function decodeFields(bytes: Uint8Array): ChronicleParameters {
  try {
    const [submitters, anchorEveryCommits, anchorEverySeconds] = decodeAbiParameters(FIELDS, bytes)
    const lowerCase = submitters.map((submitter) => submitter.toLowerCase() as Hex)
    return { submitters: lowerCase, anchorEveryCommits, anchorEverySeconds }
  } catch (cause) {
    throw new InvalidChronicleParametersError({ cause })
  }
}

function assertCadence(value: number, options: { field: string }): void {
  if (!Number.isInteger(value) || value < 1 || value > UINT32_MAX) throw new InvalidCadenceError(options)
}
