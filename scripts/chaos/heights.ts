/** What the members say of their heights, asked again and again. */
export type Heights = {
  /** The last that each member said. */
  each(): readonly bigint[]
  /** The greatest that any member ever said. */
  top(): bigint
  /** Resolves with the time at which some member said more than `height`; undefined where none does in time. */
  waitAbove(height: bigint, options: { timeoutMs: number }): Promise<number | undefined>
  /** The longest time without a commit since `sinceMs`, in milliseconds. */
  longestGapMs(sinceMs: number): number
  close(): void
}

const POLL_MS = 25
const ASK_MAX_MS = 500

export function watchHeights(urls: readonly string[]): Heights {
  const said = urls.map(() => 0n)
  const risenAtMs: number[] = [Date.now()]
  let top = 0n
  let isClosed = false

  async function ask(url: string, index: number): Promise<void> {
    while (!isClosed) {
      try {
        const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(ASK_MAX_MS) })
        const { height } = (await response.json()) as { height: string }
        said[index] = BigInt(height)
        if (said[index] > top) {
          top = said[index]
          risenAtMs.push(Date.now())
        }
      } catch {
        // It is down, paused, or not up yet.
      }
      await sleep(POLL_MS)
    }
  }
  urls.forEach((url, index) => void ask(url, index))

  return {
    each: () => [...said],
    top: () => top,
    async waitAbove(height, { timeoutMs }) {
      const deadline = Date.now() + timeoutMs
      while (top <= height) {
        if (Date.now() > deadline) return undefined
        await sleep(POLL_MS / 5)
      }
      return Date.now()
    },
    longestGapMs(sinceMs) {
      const times = [...risenAtMs.filter((atMs) => atMs > sinceMs), Date.now()]
      return times.reduce((longest, atMs, index) => Math.max(longest, atMs - (times[index - 1] ?? sinceMs)), 0)
    },
    close: () => {
      isClosed = true
    },
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
