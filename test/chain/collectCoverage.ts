import { appendFileSync } from 'node:fs'
import type { HardhatRuntimeEnvironment } from 'hardhat/types/hre'

/**
 * Where coverage is measured (scripts/coverage.ts), has the chain append to a file the mark of every statement that it
 * reaches, once each. Hardhat then lifts the limits on code size and gas, which marks would break.
 */
export function collectCoverage(hre: HardhatRuntimeEnvironment): void {
  const path = process.env.COVERAGE_FILE
  if (path === undefined) return
  const known = new Set<string>()
  hre.hooks.registerHandlers('network', {
    onCoverageData: async (_context, tags) => {
      for (const tag of tags) {
        if (!known.has(tag)) appendFileSync(path, `${tag}\n`)
        known.add(tag)
      }
    },
  })
}
