import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createStores } from './faults/createStore.ts'
import {
  DATABASE,
  type Damage,
  JOURNAL,
  type Outcome,
  readHistory,
  type StoreUnderTest,
  sizeOf,
  tryDamage,
} from './faults/damage.ts'

/**
 * Damages a member's store and opens it again: cut at every byte of its journal, and with single bits flipped anywhere.
 * Ends with 1 where a damaged store was opened with something that it never held. Usage: npm run faults -- [--flips N]
 * [--step BYTES] [--seed S] [--json]
 */
const { values } = parseArgs({
  options: {
    flips: { type: 'string', default: '5000' },
    step: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean' },
  },
})
/** Few, because a journal is cut at every byte. */
const HEIGHTS = 2
const flipCount = Number(values.flips)
const step = Number(values.step)
const seed = Number(values.seed)
const areFlips = Number.isInteger(flipCount) && flipCount >= 0 && flipCount <= 10_000_000
if (!(areFlips && Number.isInteger(step) && step >= 1 && Number.isInteger(seed))) {
  console.error('faults: --flips takes a number up to 10,000,000, --step one from 1, --seed a whole number')
  process.exit(2)
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

const dir = mkdtempSync(join(tmpdir(), 'coalition-faults-'))
try {
  const { killed, closed } = await createStores(dir, { heights: HEIGHTS })
  const scratch = join(dir, 'scratch')
  const random = createRandom(seed)
  const journalSize = sizeOf(killed, JOURNAL)
  const flips = function* (test: StoreUnderTest, file: string): Iterable<Damage> {
    for (let index = 0; index < flipCount; index++) yield { kind: 'flip', file, bit: random(8 * sizeOf(test, file)) }
  }
  const truncations = function* (): Iterable<Damage> {
    for (let sizeBytes = 0; sizeBytes < journalSize; sizeBytes += step) {
      yield { kind: 'truncate', file: JOURNAL, sizeBytes }
    }
  }
  const kinds: { name: string; test: StoreUnderTest; damages: Iterable<Damage> }[] = [
    { name: 'journalTruncations', test: killed, damages: truncations() },
    { name: 'journalFlips', test: killed, damages: flips(killed, JOURNAL) },
    { name: 'databaseFlips', test: closed, damages: flips(closed, DATABASE) },
  ]
  const report: Record<string, Record<Outcome, number>> = {}
  const findings: { damage: Damage; reason: string }[] = []
  for (const { name, test, damages } of kinds) {
    const history = readHistory(test, scratch)
    const counts: Record<Outcome, number> = { whole: 0, earlier: 0, refused: 0, altered: 0 }
    for (const damage of damages) {
      const { outcome, reason } = tryDamage(test, damage, { scratch, history })
      counts[outcome] += 1
      if (outcome === 'altered') findings.push({ damage, reason })
    }
    report[name] = counts
    console.error(`${name}: ${JSON.stringify(counts)}`)
  }
  const result = { seed, journalSizeBytes: journalSize, ...report, findings }
  console.log(values.json ? JSON.stringify(result) : JSON.stringify(result, null, 2))
  process.exitCode = findings.length === 0 ? 0 : 1
} finally {
  rmSync(dir, { recursive: true, force: true })
}
