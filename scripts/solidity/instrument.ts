import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { SolidityBuild } from './compiler.ts'

/** One statement of a source, and the mark that the chain reports when it was reached. */
export type Statement = {
  tag: string
  source: string
  /** Where it begins, from 1; comments before it are not part of it. */
  line: number
  text: string
}

/** What EDR, the chain inside Hardhat, offers for its `--coverage`; of the version that collects the marks. */
type Edr = {
  addStatementCoverageInstrumentation(
    text: string,
    sourceId: string,
    solidityVersion: string,
  ): {
    source: string
    metadata: readonly { kind: string; tag: Uint8Array; startUtf16: number; endUtf16: number }[]
  }
  latestSupportedSolidityVersion(): string
}
type EdrCoverage = { getCoverageLibrary(): { filename: string; content: string } }

const requireFromHardhat = createRequire(fileURLToPath(import.meta.resolve('hardhat')))
const edr = requireFromHardhat('@nomicfoundation/edr') as Edr
const { getCoverageLibrary } = requireFromHardhat('@nomicfoundation/edr/coverage') as EdrCoverage

/** The sources of contracts/ with a mark before each statement, the library that sets marks, and what the marks mean. */
export function instrument({ sources }: Pick<SolidityBuild, 'sources'>): {
  changed: Map<string, string>
  library: { name: string; content: string }
  statements: Statement[]
} {
  const changed = new Map<string, string>()
  const statements: Statement[] = []
  for (const [source, text] of sources) {
    const version = edr.latestSupportedSolidityVersion()
    const instrumented = edr.addStatementCoverageInstrumentation(text, source, version)
    changed.set(source, instrumented.source)
    for (const { kind, tag, startUtf16, endUtf16 } of instrumented.metadata) {
      if (kind !== 'statement') continue
      const start = skipTrivia(text, startUtf16)
      statements.push({
        tag: Buffer.from(tag).toString('hex'),
        source,
        line: text.slice(0, start).split('\n').length,
        text: text.slice(start, endUtf16).trim(),
      })
    }
  }
  const { filename, content } = getCoverageLibrary()
  return { changed, library: { name: filename, content }, statements }
}

/** Where, from `start` on, neither white space nor a comment stands. */
function skipTrivia(text: string, start: number): number {
  return start + /^(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/.exec(text.slice(start))![0].length
}
