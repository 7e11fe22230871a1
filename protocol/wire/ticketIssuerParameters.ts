import { decodeAbiParameters, encodeAbiParameters, parseAbiParameters } from 'viem/utils'
import { fromHex, type Hex, isEqualBytes } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { ADDRESSES_MAX, assertAddressList } from './addressList.ts'

/** What a ticket issuer is told at genesis (spec §10). Its id has no content hash, so no id binds them (spec §3). */
export type TicketIssuerParameters = {
  /** Addresses that may issue and revoke: 1 to 256, lower-case, strictly ascending. */
  readonly issuers: readonly Hex[]
  /** Anchors when this many commits wait, or when the oldest leaf has waited this long, whichever comes first; uint32, 1 or more. */
  readonly anchorEveryCommits: number
  /** Seconds; uint32, 1 or more. */
  readonly anchorEverySeconds: number
  /** A heartbeat is appended and anchored when nothing else was for this long, so that consumers may ask for a young head; uint32, 1 or more. */
  readonly heartbeatEverySeconds: number
}

export class InvalidTicketIssuerParametersError extends CoalitionError {
  constructor({ reason, cause }: { reason: string; cause?: unknown }) {
    super('INVALID_TICKET_ISSUER_PARAMETERS', `A ticket issuer cannot be told this: ${reason}.`, {
      fix: 'Encode abi.encode(address[] issuers, uint32 anchorEveryCommits, uint32 anchorEverySeconds, uint32 heartbeatEverySeconds), each number 1 or more.',
      cause,
    })
  }
}

const FIELDS = parseAbiParameters(
  'address[] issuers, uint32 anchorEveryCommits, uint32 anchorEverySeconds, uint32 heartbeatEverySeconds',
)
const SIZE_MAX_BYTES = 32 * (FIELDS.length + 1 + ADDRESSES_MAX)
const UINT32_MAX = 2 ** 32 - 1

/**
 * `abi.encode` of the parameters.
 *
 * @param options.field names the parameters in an error.
 * @throws {AddressCountError | InvalidHexError | ZeroAddressError | AddressesOutOfOrderError} see `assertAddressList`.
 * @throws {InvalidTicketIssuerParametersError} a number that is no uint32 of 1 or more.
 */
export function encodeTicketIssuerParameters(
  parameters: TicketIssuerParameters,
  { field = 'parameters' }: { field?: string } = {},
): Uint8Array {
  const { issuers, anchorEveryCommits, anchorEverySeconds, heartbeatEverySeconds } = parameters
  const list = `${field}.issuers`
  assertAddressList(issuers, { list, field: (index) => `${list}[${index}]` })
  for (const [name, value] of Object.entries({ anchorEveryCommits, anchorEverySeconds, heartbeatEverySeconds })) {
    if (Number.isInteger(value) && value >= 1 && value <= UINT32_MAX) continue
    throw new InvalidTicketIssuerParametersError({
      reason: `${field}.${name} is not a whole number from 1 to 2^32 − 1`,
    })
  }
  return fromHex(encodeAbiParameters(FIELDS, [issuers, anchorEveryCommits, anchorEverySeconds, heartbeatEverySeconds]))
}

/**
 * Decodes exactly what `encodeTicketIssuerParameters` gives.
 *
 * @throws {InvalidTicketIssuerParametersError} not the one canonical encoding.
 * @throws whatever `encodeTicketIssuerParameters` throws for the values.
 */
export function decodeTicketIssuerParameters(bytes: Uint8Array): TicketIssuerParameters {
  const parameters = decodeFields(bytes)
  if (isEqualBytes(encodeTicketIssuerParameters(parameters), bytes)) return parameters
  throw new InvalidTicketIssuerParametersError({ reason: 'their encoding is not canonical' })
}

function decodeFields(bytes: Uint8Array): TicketIssuerParameters {
  if (bytes.length > SIZE_MAX_BYTES) {
    throw new InvalidTicketIssuerParametersError({ reason: `they have ${bytes.length} bytes` })
  }
  try {
    const [issuers, anchorEveryCommits, anchorEverySeconds, heartbeatEverySeconds] = decodeAbiParameters(FIELDS, bytes)
    const lowerCase = issuers.map((issuer) => issuer.toLowerCase() as Hex)
    return { issuers: lowerCase, anchorEveryCommits, anchorEverySeconds, heartbeatEverySeconds }
  } catch (cause) {
    throw new InvalidTicketIssuerParametersError({ reason: 'they are not ABI-encoded', cause })
  }
}
