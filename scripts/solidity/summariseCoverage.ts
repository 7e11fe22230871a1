import type { Statement } from './instrument.ts'

export type FileCoverage = {
  source: string
  statements: number
  reachedStatements: number
  lines: number
  reachedLines: number
  /** What was not reached, as `line: text`. */
  missed: readonly string[]
}

/** A line counts where a statement begins on it, and as reached where every one that does was. */
export function summariseCoverage(
  statements: readonly Statement[],
  { reached }: { reached: ReadonlySet<string> },
): FileCoverage[] {
  return [...Map.groupBy(statements, ({ source }) => source)].map(([source, all]) => {
    const missed = all.filter(({ tag }) => !reached.has(tag))
    const lines = new Set(all.map(({ line }) => line))
    const missedLines = new Set(missed.map(({ line }) => line))
    return {
      source,
      statements: all.length,
      reachedStatements: all.length - missed.length,
      lines: lines.size,
      reachedLines: lines.size - missedLines.size,
      missed: missed.map(({ line, text }) => `${line}: ${text.replace(/\s+/g, ' ').slice(0, 80)}`),
    }
  })
}

/** All files as one. */
export function sumCoverage(files: readonly FileCoverage[]): Omit<FileCoverage, 'source' | 'missed'> {
  const sum = (field: 'statements' | 'reachedStatements' | 'lines' | 'reachedLines'): number =>
    files.reduce((total, each) => total + each[field], 0)
  return {
    statements: sum('statements'),
    reachedStatements: sum('reachedStatements'),
    lines: sum('lines'),
    reachedLines: sum('reachedLines'),
  }
}
