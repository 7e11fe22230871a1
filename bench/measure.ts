/** One figure of a bench. */
export type Figure = { name: string; value: number; unit: string }

/**
 * How often a second `run` runs, in the median of `rounds` rounds of about `roundMs` each, after one that warms up:
 * a shared machine is slow at times, never fast.
 */
export function measureRate(run: () => unknown, { rounds = 5, roundMs = 200 } = {}): number {
  const rates: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const startMs = performance.now()
    let count = 0
    let elapsedMs = 0
    do {
      run()
      count += 1
      elapsedMs = performance.now() - startMs
    } while (elapsedMs < roundMs)
    if (round > 0) rates.push((1000 * count) / elapsedMs)
  }
  return rates.sort((a, b) => a - b)[Math.floor(rates.length / 2)]!
}

/** The value below which `fraction` of `values` lie; the greatest for 1. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))]!
}
