import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import type { Verdict } from './slot.ts'

/**
 * What a run found, a line of JSON each, so that a later run goes on where it ended. The first line says which mutants they
 * are: a journal of others is refused.
 */
export type JournalEntry = Verdict & {
  /** The mutant's place in the seeded order. */
  index: number
  mutant: string
  /** Which tests it met. A survivor meets the tests again once they are others; what was killed stays so. */
  tests: string
}

export type Journal = {
  entries: ReadonlyMap<number, JournalEntry>
  write(entry: JournalEntry): void
}

export function openJournal(
  path: string | undefined,
  { population, tests }: { population: string; tests: string },
): Journal {
  const entries = new Map<number, JournalEntry>()
  const journal: Journal = {
    entries,
    write(entry) {
      entries.set(entry.index, entry)
      if (path !== undefined) appendFileSync(path, `${JSON.stringify(entry)}\n`)
    },
  }
  if (path === undefined) return journal
  if (!existsSync(path)) {
    appendFileSync(path, `${JSON.stringify({ population })}\n`)
    return journal
  }
  const [head, ...lines] = readFileSync(path, 'utf8').trim().split('\n')
  if ((JSON.parse(head!) as { population?: string }).population !== population)
    throw new Error(`${path} is of other contracts or of another seed; give another file`)
  for (const line of lines) {
    const entry = JSON.parse(line) as JournalEntry
    if (entry.status === 'survived' && entry.tests !== tests) entries.delete(entry.index)
    else entries.set(entry.index, entry)
  }
  return journal
}
