/**
 * How members of one component reach each other. A transport may lose, repeat, delay or reorder what it carries and
 * may carry what nobody of the committee sent: members believe signatures, not transports (spec §5.3).
 */
export interface Transport {
  /** Hands `frame` to every other member that listens, some day, perhaps. Resolves when it has left. */
  broadcast(frame: Uint8Array): Promise<void>
  /** Calls `receive` with each frame that arrives from now on, one's own perhaps among them. Once, before any broadcast. */
  listen(receive: (frame: Uint8Array) => void): Promise<void>
  close(): Promise<void>
}

/** Bytes of one frame at the most; what is larger is dropped undecoded. */
export const FRAME_SIZE_MAX_BYTES = 6 << 20
