/** Addresses that are remembered at once: one that is forgotten begins anew. */
const ADDRESSES_MAX = 1_024

export type RateLimit = {
  /** Whether one more request of this address is within its rate; it counts where it is. */
  admit(address: string): boolean
}

/** A token bucket an address: `atOnce` requests at a time, and `perSecond` of them again each second. */
export function createRateLimit(
  { perSecond, atOnce }: { perSecond: number; atOnce: number },
  /** Milliseconds that never go back. */
  nowMs: () => number = () => performance.now(),
): RateLimit {
  const buckets = new Map<string, { tokens: number; atMs: number }>()
  return {
    admit(address) {
      const now = nowMs()
      const { tokens, atMs } = buckets.get(address) ?? { tokens: atOnce, atMs: now }
      const refilled = Math.min(atOnce, tokens + ((now - atMs) / 1_000) * perSecond)
      const isAdmitted = refilled >= 1
      // Put back last: the map begins with whoever asked longest ago.
      buckets.delete(address)
      buckets.set(address, { tokens: isAdmitted ? refilled - 1 : refilled, atMs: now })
      for (const oldest of buckets.keys()) {
        if (buckets.size <= ADDRESSES_MAX) break
        buckets.delete(oldest)
      }
      return isAdmitted
    },
  }
}
