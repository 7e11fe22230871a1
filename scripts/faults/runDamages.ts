import { join } from 'node:path'
import { createStores } from './createStore.ts'
import {
  DATABASE,
  type Damage,
  JOURNAL,
  type Outcome,
  readHistory,
  type StoreUnderTest,
  sizeOf,
  tryDamage,
} from './damage.ts'

export type DamageReport = {
  journalSizeBytes: number
  journalTruncations: Record<Outcome, number>
  journalFlips: Record<Outcome, number>
  databaseFlips: Record<Outcome, number>
  findings: { damage: Damage; reason: string }[]
}

/** Few, because a journal is cut at every byte. */
const HEIGHTS = 2

/** Cuts a store's journal at every `step` bytes, flips `flipCount` bits of it and of the database, and opens what is left. */
export async function runDamages(options: {
  dir: string
  flipCount: number
  step: number
  seed: number
  say(line: string): void
}): Promise<DamageReport> {
  const { dir, flipCount, step, seed, say } = options
  const { killed, closed } = await createStores(dir, { heights: HEIGHTS })
  const scratch = join(dir, 'scratch')
  const random = createRandom(seed)
  const journalSizeBytes = sizeOf(killed, JOURNAL)
  const findings: DamageReport['findings'] = []

  function tryAll(name: string, test: StoreUnderTest, damages: Iterable<Damage>): Record<Outcome, number> {
    const history = readHistory(test, scratch)
    const counts: Record<Outcome, number> = { whole: 0, earlier: 0, refused: 0, altered: 0 }
    for (const damage of damages) {
      const { outcome, reason } = tryDamage(test, damage, { scratch, history })
      counts[outcome] += 1
      if (outcome === 'altered') findings.push({ damage, reason })
    }
    say(`${name}: ${JSON.stringify(counts)}`)
    return counts
  }
  function* flips(test: StoreUnderTest, file: string): Iterable<Damage> {
    for (let index = 0; index < flipCount; index++) yield { kind: 'flip', file, bit: random(8 * sizeOf(test, file)) }
  }
  function* truncations(): Iterable<Damage> {
    for (let sizeBytes = 0; sizeBytes < journalSizeBytes; sizeBytes += step) {
      yield { kind: 'truncate', file: JOURNAL, sizeBytes }
    }
  }

  return {
    journalSizeBytes,
    journalTruncations: tryAll('journalTruncations', killed, truncations()),
    journalFlips: tryAll('journalFlips', killed, flips(killed, JOURNAL)),
    databaseFlips: tryAll('databaseFlips', closed, flips(closed, DATABASE)),
    findings,
  }
}

/** Numbers below `max` from one seed (mulberry32). */
function createRandom(state: number): (max: number) => number {
  return (max) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * max)
  }
}
