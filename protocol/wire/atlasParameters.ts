import { decodeAbiParameters, encodeAbiParameters, parseAbiParameters } from 'viem/utils'
import { assertHex, fromHex, type Hex, isEqualBytes } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { ADDRESSES_MAX, assertAddressList } from './addressList.ts'

/** Citizens that one Atlas may list, those that left included. */
export const CITIZENS_MAX = 1_024

/** A citizen of the config, and whose signature a card of it must bear. */
export type ListedCitizen = { readonly citizen: Hex; readonly cardSigner: Hex }

/** What an Atlas is told at genesis; its content hash binds them (spec §3, §10). */
export type AtlasParameters = {
  /** Addresses that may bring a republished list, and others' cards: 1 to 256, lower-case, strictly ascending. */
  readonly submitters: readonly Hex[]
  /** In ascending order of stable id; at most CITIZENS_MAX. */
  readonly citizens: readonly ListedCitizen[]
  /** Anchors when this many commits wait, or when the oldest leaf has waited this long, whichever comes first; uint32, 1 or more. */
  readonly anchorEveryCommits: number
  /** Seconds; uint32, 1 or more. */
  readonly anchorEverySeconds: number
}

export class InvalidAtlasParametersError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('INVALID_ATLAS_PARAMETERS', `An Atlas cannot be told this: ${reason}.`, {
      fix: `Give cadences of 1 or more, and at most ${CITIZENS_MAX} citizens, each once, in ascending order of stable id.`,
    })
  }
}

const FIELDS = parseAbiParameters(
  'address[] submitters, (bytes32 citizen, address cardSigner)[] citizens, uint32 anchorEveryCommits, uint32 anchorEverySeconds',
)
const SIZE_MAX_BYTES = 32 * (FIELDS.length + 2 + ADDRESSES_MAX + 2 * CITIZENS_MAX)
const UINT32_MAX = 2 ** 32 - 1

/**
 * @param options.field names the list in an error.
 * @throws {InvalidHexError} a stable id or address is ill-formed.
 * @throws {InvalidAtlasParametersError} too many, out of order, or one twice.
 */
export function assertCitizenList(
  citizens: readonly ListedCitizen[],
  { field = 'citizens' }: { field?: string } = {},
): void {
  if (citizens.length > CITIZENS_MAX) {
    throw new InvalidAtlasParametersError({ reason: `${field} lists ${citizens.length} citizens` })
  }
  citizens.forEach(({ citizen, cardSigner }, index) => {
    assertHex(citizen, { field: `${field}[${index}].citizen`, sizeBytes: 32 })
    assertHex(cardSigner, { field: `${field}[${index}].cardSigner`, sizeBytes: 20 })
    if (index === 0 || citizens[index - 1]!.citizen < citizen) return
    throw new InvalidAtlasParametersError({ reason: `${field}[${index}] does not follow the one before it` })
  })
}

/**
 * `abi.encode` of the parameters.
 *
 * @param options.field names the parameters in an error.
 * @throws {AddressCountError | InvalidHexError | ZeroAddressError | AddressesOutOfOrderError} see `assertAddressList`.
 * @throws {InvalidAtlasParametersError} see `assertCitizenList`; a cadence that is no uint32 of 1 or more.
 */
export function encodeAtlasParameters(
  parameters: AtlasParameters,
  { field = 'parameters' }: { field?: string } = {},
): Uint8Array {
  const { submitters, citizens, anchorEveryCommits, anchorEverySeconds } = parameters
  const list = `${field}.submitters`
  assertAddressList(submitters, { list, field: (index) => `${list}[${index}]` })
  assertCitizenList(citizens, { field: `${field}.citizens` })
  for (const [name, value] of Object.entries({ anchorEveryCommits, anchorEverySeconds })) {
    if (Number.isInteger(value) && value >= 1 && value <= UINT32_MAX) continue
    throw new InvalidAtlasParametersError({ reason: `${field}.${name} is not a whole number from 1 to 2^32 − 1` })
  }
  return fromHex(encodeAbiParameters(FIELDS, [submitters, citizens, anchorEveryCommits, anchorEverySeconds]))
}

/**
 * Decodes exactly what `encodeAtlasParameters` gives.
 *
 * @throws {InvalidAtlasParametersError} not the one canonical encoding. @throws whatever encoding throws for the values.
 */
export function decodeAtlasParameters(bytes: Uint8Array): AtlasParameters {
  if (bytes.length > SIZE_MAX_BYTES) throw new InvalidAtlasParametersError({ reason: `${bytes.length} bytes` })
  const parameters = decodeFields(bytes)
  if (isEqualBytes(encodeAtlasParameters(parameters), bytes)) return parameters
  throw new InvalidAtlasParametersError({ reason: 'bytes that are not the canonical encoding' })
}

function decodeFields(bytes: Uint8Array): AtlasParameters {
  try {
    const [submitters, citizens, anchorEveryCommits, anchorEverySeconds] = decodeAbiParameters(FIELDS, bytes)
    return {
      submitters: submitters.map(toLowerCase),
      citizens: citizens.map(({ citizen, cardSigner }) => ({ citizen, cardSigner: toLowerCase(cardSigner) })),
      anchorEveryCommits,
      anchorEverySeconds,
    }
  } catch {
    throw new InvalidAtlasParametersError({ reason: 'bytes that are not ABI-encoded parameters' })
  }
}

const toLowerCase = (address: Hex): Hex => address.toLowerCase() as Hex
