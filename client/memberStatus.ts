import { z } from 'zod'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import { ADDRESSES_MAX } from '../protocol/wire/addressList.ts'
import { decodeJson, hexOf, uint64 } from '../protocol/wire/decodeJson.ts'

/** What a member says of itself at `/status`: a claim, of which the log it serves proves a part. */
export type MemberStatus = {
  /** Component key. */
  component: Hex
  /** Address of the member. */
  signer: Hex
  epoch: bigint
  /** Last decided height; 0 before the first. */
  height: bigint
  /** Digest of the commit at `height`; zero at 0. */
  commitDigest: Hex
  /** When it was started and when it answered, milliseconds since the Unix epoch, by its own clock. */
  startedAtMs: number
  nowMs: number
  /**
   * How far its own clock was ahead of the decided time, negative where behind, when another member's proposal that was decided
   * reached it the last time; and whether that is more than its committee bears (spec §5.2). Null before there was one.
   */
  clock: { aheadMs: number; isOff: boolean } | null
  /** Whether it votes: a restarted member first asks its peers what it signed (spec §5.4), and one without a seat never does. */
  isJoined: boolean
  /** Why it dropped what reached it, and how often. */
  drops: Readonly<Record<string, number>>
  /** The other members, and when it last heard each, by its own clock; null for one it has not heard since its start. */
  peers: readonly { signer: Hex; lastHeardMs: number | null }[]
  /** Envelopes that wait to be proposed. */
  pool: { envelopes: number; bytes: number }
  /** What members of its epoch's committee stand by: each the digest of a governance command (spec §5.1, §9). */
  approvals: readonly { member: Hex; command: Hex }[]
  /** Pairs of messages that it holds in which a member contradicts itself. */
  evidence: number
  /** How often its command queue made no progress and was opened anew. */
  queueRestarts: number
  /** Milliseconds since its Redis answered last, which it does each second: beyond ten of them the member hears nobody. */
  redisSilentMs: number
  /** Who may be connected beside the members of its epoch, and who was refused; absent where the component admits anyone. */
  admission?:
    | {
        /** Of a member of its epoch, `isEnding` says that its end is near, or over. */
        admitted: readonly { signer: Hex; endsAtMs: number; isEnding: boolean }[]
        refused: readonly { signer: Hex; code: string; atMs: number }[]
      }
    | undefined
}

export class MalformedStatusError extends CoalitionError {
  constructor({ url, reason }: { url: string; reason: string }) {
    super('MALFORMED_STATUS', `What ${url} says of itself is no status: ${reason}.`, {
      fix: 'Give the URL of a member that runs the same release.',
      kind: 'refused',
    })
  }
}

const count = z.int().min(0)
const STATUS = z.strictObject({
  component: hexOf(32),
  signer: hexOf(20),
  epoch: uint64,
  height: uint64,
  commitDigest: hexOf(32),
  startedAtMs: count,
  nowMs: count,
  clock: z.strictObject({ aheadMs: z.int(), isOff: z.boolean() }).nullable(),
  isJoined: z.boolean(),
  drops: z
    .record(z.string().regex(/^[a-zA-Z]{1,32}$/), count)
    .refine((drops) => Object.keys(drops).length <= 64, 'more than 64 reasons'),
  peers: z.array(z.strictObject({ signer: hexOf(20), lastHeardMs: count.nullable() })).max(ADDRESSES_MAX),
  pool: z.strictObject({ envelopes: count, bytes: count }),
  approvals: z.array(z.strictObject({ member: hexOf(20), command: hexOf(32) })).max(ADDRESSES_MAX),
  evidence: count,
  queueRestarts: count,
  redisSilentMs: count,
  admission: z
    .strictObject({
      admitted: z
        .array(z.strictObject({ signer: hexOf(20), endsAtMs: count, isEnding: z.boolean() }))
        .max(ADDRESSES_MAX),
      refused: z
        .array(z.strictObject({ signer: hexOf(20), code: z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/), atMs: count }))
        .max(ADDRESSES_MAX),
    })
    .optional(),
})

/** The JSON text of a status; uint64 as decimal strings. */
export const encodeMemberStatus = (status: MemberStatus): string =>
  JSON.stringify({ ...status, epoch: status.epoch.toString(), height: status.height.toString() })

/** @throws {MalformedStatusError} not what `encodeMemberStatus` gives, or beyond its bounds. */
export const decodeMemberStatus = (text: string, { url }: { url: string }): MemberStatus =>
  decodeJson(text, { shape: STATUS, refuse: (reason) => new MalformedStatusError({ url, reason }) })
