import { defineConfig } from 'hardhat/config'
import root from '../../hardhat.config.ts'

// The Solidity tests build apart: a file more in the contracts' own build could shift the bytecode that is deployed, and
// what coverage instruments must never be taken for it.
export default defineConfig({
  ...root,
  paths: {
    tests: { solidity: './test/fuzz', nodejs: './test/fuzz' },
    artifacts: './cache/fuzz/artifacts',
    cache: './cache/fuzz',
  },
  test: {
    solidity: {
      fuzz: { runs: Number(process.env.FUZZ_RUNS ?? 256), ...seed() },
      invariant: {
        runs: Number(process.env.FUZZ_RUNS ?? 256),
        depth: Number(process.env.FUZZ_DEPTH ?? 64),
        // The driver itself reverts where an honest call is refused.
        failOnRevert: true,
        // Actions take seeds alone, and words seen on the chain make no better ones.
        dictionaryWeight: 0,
        includeStorage: false,
        includePushBytes: false,
        // A failing run says what broke at once; minutes spent on a shorter one say no more.
        shrinkRunLimit: Number(process.env.FUZZ_SHRINK ?? 200),
        failurePersistDir: './cache/fuzz/failures',
      },
    },
  },
})

function seed(): { seed?: string } {
  return process.env.FUZZ_SEED === undefined ? {} : { seed: process.env.FUZZ_SEED }
}
