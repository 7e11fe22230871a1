import { decodeAbiParameters, encodeAbiParameters, parseAbiParameters } from 'viem/utils'
import { fromHex, type Hex, isEqualBytes, toHex } from '../bytes.ts'
import { deriveTypehash } from './typedData.ts'

/** One tick of an Almanac: that it happened, and when members saw it happen (spec §10). */
export type AlmanacTick = {
  /** 1, 2, 3 …; uint64. */
  seq: bigint
  /** Decided time of the commit that opened it, milliseconds since 1970; grows from tick to tick. */
  timestampMs: bigint
  /** Members of whom an observation was decided, in ascending order, each with what its own clock said when it precommitted. */
  observedAt: readonly { member: Hex; observedAtMs: bigint }[]
}

export const ALMANAC_TICK_TYPEHASH: Hex = deriveTypehash(
  'AlmanacTick(uint64 seq,uint64 timestampMs,address[] members,uint64[] observedAtMs)',
)
const FIELDS = parseAbiParameters(
  'bytes32 typehash, uint64 seq, uint64 timestampMs, address[] members, uint64[] observedAtMs',
)

/** The leaf of a tick: `abi.encode(ALMANAC_TICK_TYPEHASH, seq, timestampMs, members, observedAtMs)`. */
export const encodeAlmanacTick = ({ seq, timestampMs, observedAt }: AlmanacTick): Uint8Array =>
  fromHex(
    encodeAbiParameters(FIELDS, [
      ALMANAC_TICK_TYPEHASH,
      seq,
      timestampMs,
      observedAt.map(({ member }) => member),
      observedAt.map(({ observedAtMs }) => observedAtMs),
    ]),
  )

/** The exact inverse of `encodeAlmanacTick`; undefined where the entry is of another kind. */
export function decodeAlmanacTick(entry: Uint8Array): AlmanacTick | undefined {
  try {
    const [typehash, seq, timestampMs, members, observedAtMs] = decodeAbiParameters(FIELDS, entry)
    if (typehash !== ALMANAC_TICK_TYPEHASH || members.length !== observedAtMs.length) return undefined
    const observedAt = members.map((member, index) => ({
      member: member.toLowerCase() as Hex,
      observedAtMs: observedAtMs[index]!,
    }))
    const tick = { seq, timestampMs, observedAt }
    return isEqualBytes(encodeAlmanacTick(tick), entry) ? tick : undefined
  } catch {
    return undefined // a log may hold what this release does not know
  }
}

/** What a member attaches to its precommit: its clock, 8 bytes, big-endian. */
export function encodeObservation(observedAtMs: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, observedAtMs)
  return bytes
}

/** The clock of a member, or undefined where what it attached says none: members may lie, but not stop a tick. */
export const decodeObservation = (bytes: Uint8Array): bigint | undefined =>
  bytes.length === 8 ? BigInt(toHex(bytes)) : undefined
