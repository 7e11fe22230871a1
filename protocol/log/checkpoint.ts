import { CoalitionError } from '../errors.ts'
import { decodeBase64, encodeBase64, InvalidBase64Error } from './base64.ts'
import { LOG_SIZE_MAX } from './logSize.ts'
import { HASH_SIZE_BYTES } from './treeHash.ts'

/** A log's head as its signed note's text has it (C2SP tlog-checkpoint). */
export type Checkpoint = {
  /** Which log; `encodeLogOrigin` for a component's. One line. */
  origin: string
  /** Leaves, 0 to 2^64 − 1. */
  size: bigint
  /** Root at that size, 32 bytes. */
  root: Uint8Array
  /** Further lines, none empty; opaque, and best left out. */
  extensions: readonly string[]
}

export class MalformedCheckpointError extends CoalitionError {
  constructor({ reason }: { reason: string }) {
    super('MALFORMED_CHECKPOINT', `This is not a checkpoint: ${reason}.`, {
      fix: 'A checkpoint has an origin line, the size in decimal, the root in base64 and then no empty line.',
    })
  }
}

const SIZE_PATTERN = /^(?:0|[1-9][0-9]{0,19})$/

/**
 * The text of a checkpoint's note, its last newline included.
 *
 * @throws {MalformedCheckpointError} an empty or broken line, a size that is not a uint64, a root of another length.
 */
export function encodeCheckpoint({ origin, size, root, extensions }: Checkpoint): string {
  for (const line of [origin, ...extensions]) {
    if (line === '' || line.includes('\n')) throw new MalformedCheckpointError({ reason: 'a line is empty or broken' })
  }
  if (size < 0n || size > LOG_SIZE_MAX) throw new MalformedCheckpointError({ reason: 'its size is not a uint64' })
  if (root.length !== HASH_SIZE_BYTES) throw new MalformedCheckpointError({ reason: 'its root is not 32 bytes' })
  return [origin, size, encodeBase64(root), ...extensions].join('\n').concat('\n')
}

/**
 * Exact inverse of `encodeCheckpoint`. The text is worth nothing unless its note was verified: `verifyCheckpoint`.
 *
 * @throws {MalformedCheckpointError} anything else.
 */
export function decodeCheckpoint(text: string): Checkpoint {
  if (!text.endsWith('\n')) throw new MalformedCheckpointError({ reason: 'it does not end with a newline' })
  const [origin, size, root, ...extensions] = text.slice(0, -1).split('\n')
  if (origin === undefined || size === undefined || root === undefined) {
    throw new MalformedCheckpointError({ reason: 'it has fewer than three lines' })
  }
  if (!SIZE_PATTERN.test(size)) throw new MalformedCheckpointError({ reason: 'its size is not a decimal number' })
  const checkpoint = { origin, size: BigInt(size), root: decodeRoot(root), extensions }
  // The one place that knows which lines, sizes and roots there are is the encoder.
  encodeCheckpoint(checkpoint)
  return checkpoint
}

function decodeRoot(text: string): Uint8Array {
  try {
    return decodeBase64(text, 'root')
  } catch (error) {
    if (error instanceof InvalidBase64Error) throw new MalformedCheckpointError({ reason: 'its root is not base64' })
    throw error
  }
}
