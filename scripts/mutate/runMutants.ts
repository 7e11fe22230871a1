import { Worker } from 'node:worker_threads'
import type { Journal, JournalEntry } from './journal.ts'
import { describeMutant, type Mutant } from './mutant.ts'
import type { SlotOptions, SlotTask, Verdict } from './slot.ts'

export type RunMutantsOptions = SlotOptions & {
  /** In the seeded order. */
  mutants: readonly Mutant[]
  /** How many count; those that are no change are left out and replaced by the next ones. */
  countMax: number
  journal: Journal
  tests: string
  slotCount: number
  /** No mutant is begun after this; by `performance.now()`. */
  deadlineMs: number
  say: (line: string) => void
}

/**
 * Shows mutants to the suite, `slotCount` at a time, until `countMax` of them counted or time is up.
 *
 * Which ones count does not depend on which slot is quicker: a mutant is begun only while all that are under way could
 * count and still leave room for it.
 *
 * @returns The verdicts that count, in order, and whether they are all that were asked for.
 * @throws where the suite fails without a mutant.
 */
export async function runMutants(options: RunMutantsOptions): Promise<{ counted: JournalEntry[]; isWhole: boolean }> {
  const { mutants, countMax, journal, tests, slotCount, deadlineMs, say } = options
  const isCounted = (index: number): boolean => (journal.entries.get(index)?.status ?? 'uncounted') !== 'uncounted'
  const { seed, withFuzz, sandboxesDir } = options
  const workerData: SlotOptions = { seed, withFuzz, sandboxesDir }
  const slots = Array.from(
    { length: slotCount },
    () => new Worker(new URL('./slot.ts', import.meta.url), { workerData }),
  )
  let next = 0
  let pending = 0
  let countedCount = 0

  /** The next mutant that no journal knows, if there is room and time for one. */
  const take = (): number | undefined => {
    while (next < mutants.length && countedCount + pending < countMax) {
      const index = next
      if (journal.entries.has(index)) {
        next += 1
        if (isCounted(index)) countedCount += 1
      } else {
        if (performance.now() > deadlineMs) return undefined
        next += 1
        pending += 1
        return index
      }
    }
    return undefined
  }

  const serve = async (slot: Worker): Promise<void> => {
    for (;;) {
      const index = take()
      if (index !== undefined) {
        const mutant = mutants[index]!
        const verdict = await ask(slot, { mutant })
        pending -= 1
        if (verdict.status !== 'uncounted') countedCount += 1
        journal.write({ index, mutant: describeMutant(mutant), tests, ...verdict })
        say(
          `${countedCount}/${countMax} ${verdict.status}  ${describeMutant(mutant)}  [${verdict.reason}] ${verdict.tookMs} ms`,
        )
      } else if (pending > 0 && performance.now() <= deadlineMs && next < mutants.length) {
        // What is under way may turn out not to count.
        await new Promise((resolve) => setTimeout(resolve, 50))
      } else return
    }
  }

  try {
    const [first] = slots
    const unchanged = await ask(first!, { mutant: undefined })
    if (unchanged.status !== 'survived') throw new Error(`the suite fails without a mutant: ${unchanged.reason}`)
    await Promise.all(slots.map(serve))
  } finally {
    await Promise.all(slots.map((slot) => slot.terminate()))
  }
  const counted = [...journal.entries.values()]
    .filter(({ index }) => index < next && isCounted(index))
    .sort((a, b) => a.index - b.index)
  return { counted, isWhole: counted.length >= countMax || next >= mutants.length }
}

function ask(slot: Worker, task: SlotTask): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const settle = (verdict: Verdict): void => {
      slot.off('error', reject)
      resolve(verdict)
    }
    slot.once('message', settle)
    slot.once('error', reject)
    slot.postMessage(task)
  })
}
