import type { Hex } from '../protocol/bytes.ts'
import { toHex } from '../protocol/bytes.ts'
import { keccak256 } from '../protocol/hash.ts'
import { packWords } from '../protocol/wire/typedData.ts'

/** What the chain knows of a component after one anchor (spec §7.2); its fields and units are those of the contract. */
export type Head = {
  /** Who may certify what anchors next. */
  committeeHash: Hex
  /** Epoch of that committee; uint64, as all numbers here. */
  epoch: bigint
  /** Height of the anchored commit; 0 at registration. */
  height: bigint
  /** Leaves under `logRoot`. */
  logSize: bigint
  /** RFC 9162 root; that of the empty log at registration. */
  logRoot: Hex
  /** State root; zero at registration. */
  state: Hex
  /** The commit's own time, in milliseconds since the Unix epoch; 0 at registration. */
  timestampMs: bigint
  /** 0 at registration, then one more each anchor. */
  anchorIndex: bigint
  /** Time of the anchoring block, in seconds since the Unix epoch. */
  anchoredAt: bigint
  /** Whether this head is the component's last, for good. */
  retired: boolean
}

/** A head in five words, as events carry it and storage hashes it (contracts/types/Head.sol draws them). */
export type PackedHead = {
  committeeHash: Hex
  logRoot: Hex
  state: Hex
  /** `uint64 epoch ‖ uint64 height ‖ uint64 logSize ‖ uint64 timestampMs`. */
  progress: bigint
  /** `bool retired ‖ uint64 anchorIndex ‖ uint64 anchoredAt`. */
  place: bigint
}

/** Heads of a component that verify at any time: the newest eight. */
export const WINDOW_HEADS = 8n

const UINT64_MASK = (1n << 64n) - 1n

export const toPackedHead = (head: Head): PackedHead => ({
  committeeHash: head.committeeHash,
  logRoot: head.logRoot,
  state: head.state,
  progress: (head.epoch << 192n) | (head.height << 128n) | (head.logSize << 64n) | head.timestampMs,
  place: (head.retired ? 1n << 128n : 0n) | (head.anchorIndex << 64n) | head.anchoredAt,
})

/** The exact inverse of `toPackedHead` for what a registry emitted. */
export const fromPackedHead = ({ committeeHash, logRoot, state, progress, place }: PackedHead): Head => ({
  committeeHash,
  epoch: progress >> 192n,
  height: (progress >> 128n) & UINT64_MASK,
  logSize: (progress >> 64n) & UINT64_MASK,
  logRoot,
  state,
  timestampMs: progress & UINT64_MASK,
  anchorIndex: (place >> 64n) & UINT64_MASK,
  anchoredAt: place & UINT64_MASK,
  retired: place >> 128n !== 0n,
})

/** What the registry stores of a head: `uint32 lap ‖ 224-bit digest`, laps from 1 (contracts/types/Ring.sol), 32 bytes. */
export function deriveRingWord(head: Head): Hex {
  const { committeeHash, logRoot, state, progress, place } = toPackedHead(head)
  const digest = BigInt(toHex(keccak256(packWords([committeeHash, logRoot, state, progress, place]))))
  return toHex(packWords([((head.anchorIndex / WINDOW_HEADS + 1n) << 224n) | (digest >> 32n)]))
}
