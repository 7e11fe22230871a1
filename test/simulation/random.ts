/** All that is left to chance in a simulation; every choice of a run is drawn from one of these, in order. */
export type Random = {
  /** Below 1, at least 0. */
  next(): number
  /** A whole number from 0 up to, not including, `count`. */
  below(count: number): number
  /** A whole number from `low` up to and including `high`. */
  between(low: number, high: number): number
  /** True in `ratio` of all cases. */
  chance(ratio: number): boolean
  pick<Item>(items: readonly Item[]): Item
  /** `count` of `items`, in random order. */
  sample<Item>(items: readonly Item[], count: number): Item[]
}

/**
 * xoshiro128** (Blackman and Vigna 2018; 128 bits of state, period 2^128 − 1), seeded by splitmix32 from the two halves of
 * the seed. Whole 32-bit arithmetic only, so that a seed gives the same run on every machine.
 *
 * @param seed a whole number, 0 up to 2^53 − 1.
 */
export function createRandom(seed: number): Random {
  let mix = (seed >>> 0) ^ Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b9)
  const splitmix = (): number => {
    mix = (mix + 0x9e3779b9) | 0
    let z = Math.imul(mix ^ (mix >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }
  let [a, b, c, d] = [splitmix(), splitmix(), splitmix(), splitmix()]
  const next = (): number => {
    const scrambled = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotate(d, 11)
    return scrambled / 2 ** 32
  }
  const below = (count: number): number => Math.floor(next() * count)
  return {
    next,
    below,
    between: (low, high) => low + below(high - low + 1),
    chance: (ratio) => ratio > 0 && next() < ratio,
    pick: (items) => items[below(items.length)]!,
    sample(items, count) {
      const rest = [...items]
      return Array.from({ length: Math.min(count, rest.length) }, () => rest.splice(below(rest.length), 1)[0]!)
    },
  }
}

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))
