import { toHex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { packWords } from './typedData.ts'

/** What an Almanac is told at genesis; its content hash binds them (spec §3, §10). Each a uint32 of 1 or more. */
export type AlmanacParameters = {
  /** Milliseconds between two ticks at the least. */
  readonly tickEveryMs: number
  /** Anchors when this many commits wait, or when the oldest tick has waited this long, whichever comes first. */
  readonly anchorEveryCommits: number
  /** Seconds. */
  readonly anchorEverySeconds: number
}

export class InvalidAlmanacParametersError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('INVALID_ALMANAC_PARAMETERS', `An Almanac cannot be told this: ${reason}.`, {
      fix: 'Encode abi.encode(uint32 tickEveryMs, uint32 anchorEveryCommits, uint32 anchorEverySeconds), each 1 or more.',
    })
  }
}

const SIZE_BYTES = 96
const UINT32_MAX = 2 ** 32 - 1

/**
 * `abi.encode` of the three numbers.
 *
 * @param options.field names the parameters in an error.
 * @throws {InvalidAlmanacParametersError} one is no uint32 of 1 or more.
 */
export function encodeAlmanacParameters(
  parameters: AlmanacParameters,
  { field = 'parameters' }: { field?: string } = {},
): Uint8Array {
  const { tickEveryMs, anchorEveryCommits, anchorEverySeconds } = parameters
  for (const [name, value] of Object.entries({ tickEveryMs, anchorEveryCommits, anchorEverySeconds })) {
    if (Number.isInteger(value) && value >= 1 && value <= UINT32_MAX) continue
    throw new InvalidAlmanacParametersError({ reason: `${field}.${name} is not a whole number from 1 to 2^32 − 1` })
  }
  return packWords([tickEveryMs, anchorEveryCommits, anchorEverySeconds])
}

/** The exact inverse of `encodeAlmanacParameters`. @throws {InvalidAlmanacParametersError} anything else. */
export function decodeAlmanacParameters(bytes: Uint8Array): AlmanacParameters {
  if (bytes.length !== SIZE_BYTES) throw new InvalidAlmanacParametersError({ reason: `${bytes.length} bytes` })
  const [tickEveryMs, anchorEveryCommits, anchorEverySeconds] = [0, 32, 64].map((at) =>
    Number(BigInt(toHex(bytes.subarray(at, at + 32)))),
  )
  const parameters = {
    tickEveryMs: tickEveryMs!,
    anchorEveryCommits: anchorEveryCommits!,
    anchorEverySeconds: anchorEverySeconds!,
  }
  encodeAlmanacParameters(parameters)
  return parameters
}
