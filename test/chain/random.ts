/** Numbers that look random and can be had again: the seed is SEED where that is set, else the time. */
export type Random = {
  readonly seed: number
  /** An integer from 0 to `bound` − 1. */
  below(bound: number): number
  pick<T>(choices: readonly T[]): T
}

/** Mulberry32: 32 bits of state, which is plenty for choosing test cases. */
export function createRandom(seed: number = Number(process.env.SEED ?? Date.now() % 2 ** 32)): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (bound: number): number => Math.floor(next() * bound)
  return { seed, below, pick: (choices) => choices[below(choices.length)]! }
}
