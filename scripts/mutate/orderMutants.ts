import { createRandom } from '../../test/simulation/random.ts'
import type { Mutant } from './mutant.ts'

/**
 * All mutants in an order drawn from the seed, in which the kinds take turns for as long as they last: more than half of
 * all are changed constants, most of them places in assembly that no test can miss.
 */
export function orderMutants(mutants: readonly Mutant[], { seed }: { seed: number }): Mutant[] {
  const random = createRandom(seed)
  const kinds = [...Map.groupBy(mutants, ({ kind }) => kind).values()].map((each) => random.sample(each, each.length))
  const rounds = Math.max(0, ...kinds.map(({ length }) => length))
  return Array.from({ length: rounds }, (_, round) => kinds.flatMap((each) => each.slice(round, round + 1))).flat()
}
