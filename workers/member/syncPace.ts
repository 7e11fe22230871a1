import { PeerTooSlowError } from './syncErrors.ts'

/** What a peer is given: so long, and so much more for each answer and each byte. One that takes longer loses its turn. */
const GRACE_MS = 30_000
const PER_ANSWER_MS = 500
const PER_BYTE_MS = 1 / 64

/** Ends what is read of a peer that answers every time, and each time as late as it may. */
export type Pace = {
  /** An answer came. @throws {PeerTooSlowError} */
  came(sizeBytes: number): void
}

export function createPace({ nowMs }: { nowMs(): number }, { url }: { url: string }): Pace {
  const startedAtMs = nowMs()
  let allowedMs = GRACE_MS
  return {
    came(sizeBytes) {
      allowedMs += PER_ANSWER_MS + sizeBytes * PER_BYTE_MS
      if (nowMs() - startedAtMs > allowedMs) throw new PeerTooSlowError({ url })
    },
  }
}
