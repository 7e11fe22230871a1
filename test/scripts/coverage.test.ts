import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { compile, readSolidityBuild } from '../../scripts/solidity/compiler.ts'
import { instrument } from '../../scripts/solidity/instrument.ts'
import { createSandbox } from '../../scripts/solidity/sandbox.ts'
import { sumCoverage, summariseCoverage } from '../../scripts/solidity/summariseCoverage.ts'

const dir = mkdtempSync(join(tmpdir(), 'coalition-coverage-test-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const TEXT = `pragma solidity 0.8.37;
contract C {
    function f(uint256 a) external pure returns (uint256 b) {
        // Why it is so.
        if (a == 1) return 2;
        /* And this. */
        b = 3;
    }
}
`

test('instrument: a statement begins behind the comments before it', () => {
  const { statements } = instrument({ sources: new Map([['contracts/C.sol', TEXT]]) })
  assert.deepEqual(
    statements.map(({ line, text }) => [line, text]),
    [
      [5, 'if (a == 1) return 2;'],
      [5, 'return 2;'],
      [7, 'b = 3;'],
    ],
  )
})

test('summariseCoverage: a line is reached where all that begins on it is', () => {
  const { statements } = instrument({ sources: new Map([['contracts/C.sol', TEXT]]) })
  const [condition, early, late] = statements.map(({ tag }) => tag) as [string, string, string]
  const files = summariseCoverage(statements, { reached: new Set([condition, late]) })
  assert.deepEqual(files, [
    {
      source: 'contracts/C.sol',
      statements: 3,
      reachedStatements: 2,
      lines: 2,
      reachedLines: 1,
      missed: ['5: return 2;'],
    },
  ])
  const both = summariseCoverage(statements, { reached: new Set([condition, early]) })
  assert.deepEqual(sumCoverage([...files, ...both]), { statements: 6, reachedStatements: 4, lines: 4, reachedLines: 2 })
})

test('coverage: a test file reaches what it calls, and nothing of what it does not', async () => {
  const build = readSolidityBuild()
  const { statements, ...marked } = instrument(build)
  const deployed = [
    'contracts/ComponentRegistry.sol',
    'contracts/TicketVerifier.sol',
    'contracts/CoalitionRegistry.sol',
  ]
  const sandbox = createSandbox({ under: dir })
  sandbox.install(compile(build, { sources: deployed, ...marked })!)
  const path = join(dir, 'marks')
  writeFileSync(path, '')
  const files = ['test/contracts/coalitionRegistry.test.ts']
  const { outcome } = await sandbox.runTests({ files, timeoutMs: 60_000, env: { COVERAGE_FILE: path } })
  assert.equal(outcome, 'passed')
  const reached = new Set(readFileSync(path, 'utf8').split('\n'))
  const missedOf = (source: string) =>
    summariseCoverage(statements, { reached })
      .find((each) => each.source === source)!
      .missed.map((each) => each.split(':')[0])
  assert.deepEqual(missedOf('contracts/CoalitionRegistry.sol'), [])
  const verifier = statements.filter(({ source }) => source === 'contracts/TicketVerifier.sol')
  // The constructor is what a deployment reaches.
  assert.deepEqual(
    missedOf('contracts/TicketVerifier.sol'),
    verifier.slice(1).map(({ line }) => String(line)),
  )
})
