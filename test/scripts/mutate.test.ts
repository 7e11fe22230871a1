import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import solc from 'solc'
import { enumerateMutants } from '../../scripts/mutate/enumerateMutants.ts'
import { type JournalEntry, openJournal } from '../../scripts/mutate/journal.ts'
import { applyEdit, describeMutant, type Mutant } from '../../scripts/mutate/mutant.ts'
import { orderMutants } from '../../scripts/mutate/orderMutants.ts'
import { type AstNode, compile, findDependants, parse, readSolidityBuild } from '../../scripts/solidity/compiler.ts'
import { planSuite } from '../../scripts/solidity/planSuite.ts'
import { createSandbox } from '../../scripts/solidity/sandbox.ts'

const dir = mkdtempSync(join(tmpdir(), 'coalition-mutate-test-'))
after(() => rmSync(dir, { recursive: true, force: true }))

/** The bodies that the mutants of a function's body have. */
function mutantsOf(body: string): string[] {
  const head = 'pragma solidity 0.8.37; contract C { error E(); event V(); function f(uint256 a, uint256 b) external { '
  // What is not ASCII is longer in bytes than in characters.
  const text = `// ≤ ✓\n${head}${body} } }`
  const input = {
    language: 'Solidity',
    sources: { 'contracts/C.sol': { content: text } },
    settings: { outputSelection: { '*': { '': ['ast'] } } },
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input))) as { sources: Record<string, { ast: AstNode }> }
  const trees = new Map([['contracts/C.sol', output.sources['contracts/C.sol']!.ast]])
  const mutants = enumerateMutants({ sources: new Map([['contracts/C.sol', text]]) }, { trees })
  for (const { line } of mutants) assert.equal(line, 2)
  return mutants.map((mutant) => applyEdit(text, mutant).slice(`// ≤ ✓\n${head}`.length, -' } }'.length)).sort()
}

for (const [body, expected] of [
  ['if (a < b) revert E();', ['if (!(a < b)) revert E();', 'if (a <= b) revert E();', '{}']],
  ['if (a != b) { return; }', ['if (a == b) { return; }', '{}']],
  ['if (a == b) { a = b; }', ['if (a != b) { a = b; }', 'if (a == b) { {} }']],
  [
    'require(!(a > b && a > b));',
    [
      'require((a > b && a > b));',
      'require(!(a > b || a > b));',
      'require(!(a > b && a >= b));',
      'require(!(a >= b && a > b));',
      '{}',
    ],
  ],
  ['emit V();', ['{}']],
  ['a |= /* | */ b;', ['a &= /* | */ b;', '{}']],
  [
    'a /* + */ = b /* + */ + 5;',
    [
      'a /* + */ = b /* + */ + 0;',
      'a /* + */ = b /* + */ + 4;',
      'a /* + */ = b /* + */ + 6;',
      'a /* + */ = b /* + */ - 5;',
      '{}',
    ],
  ],
  ['for (; a > b; ++a) {}', ['for (; a > b; ) {}', 'for (; a > b; --a) {}', 'for (; a >= b; ++a) {}']],
  [
    'assembly { if lt(a, b) { revert(0, 0) } }',
    [
      'assembly {  }',
      'assembly { if iszero(gt(a, b)) { revert(0, 0) } }',
      'assembly { if lt(a, b) {  } }',
      'assembly { if lt(a, b) { revert(0, 1) } }',
      'assembly { if lt(a, b) { revert(1, 0) } }',
    ],
  ],
  [
    'assembly { a := eq(shl(a, b), iszero(b)) }',
    [
      'assembly {  }',
      'assembly { a := eq(shl(a, b), iszero(iszero(b))) }',
      'assembly { a := eq(shr(a, b), iszero(b)) }',
      'assembly { a := iszero(eq(shl(a, b), iszero(b))) }',
    ],
  ],
] as const)
  test(`enumerateMutants: ${body}`, () => assert.deepEqual(mutantsOf(body), [...expected].sort()))

test('orderMutants: a seed gives one order of all, in which the kinds take turns', () => {
  const make = (kind: Mutant['kind'], count: number): Mutant[] =>
    Array.from({ length: count }, (_, index) => ({ ...mutant, kind, line: index + 1 }))
  const all = [...make('constant', 20), ...make('check', 3), ...make('logic', 1)]
  const ordered = orderMutants(all, { seed: 7 })
  assert.deepEqual(ordered, orderMutants(all, { seed: 7 }))
  assert.notDeepEqual(ordered, orderMutants(all, { seed: 8 }))
  assert.deepEqual(new Set(ordered), new Set(all))
  const kinds = ordered.slice(0, 5).map(({ kind }) => kind)
  assert.deepEqual(kinds, ['constant', 'check', 'logic', 'constant', 'check'])
})

const mutant: Mutant = {
  kind: 'check',
  offset: 0,
  sizeBytes: 1,
  replacement: '{}',
  source: 'contracts/C.sol',
  line: 1,
  original: 'if (a)\n  revert E();',
}

test('describeMutant: says where, what kind, what and what instead, on one line', () =>
  assert.equal(describeMutant(mutant), 'contracts/C.sol:1 check: if (a) revert E(); → {}'))

test('openJournal: goes on where another run ended; survivors meet changed tests again, and other contracts none', () => {
  const path = join(dir, 'journal.jsonl')
  const population = 'seed 1'
  const entry = (index: number, status: JournalEntry['status']): JournalEntry => ({
    index,
    status,
    mutant: `mutant ${index}`,
    reason: '',
    tests: 'old',
    tookMs: 1,
  })
  const first = openJournal(path, { population, tests: 'old' })
  for (const each of [entry(0, 'killed'), entry(1, 'survived'), entry(2, 'uncounted')]) first.write(each)
  assert.deepEqual([...openJournal(path, { population, tests: 'old' }).entries.keys()], [0, 1, 2])
  const again = openJournal(path, { population, tests: 'new' })
  assert.deepEqual([...again.entries.keys()], [0, 2])
  again.write({ ...entry(1, 'killed'), tests: 'new' })
  assert.equal(openJournal(path, { population, tests: 'newer' }).entries.get(1)?.status, 'killed')
  assert.throws(() => openJournal(path, { population: 'seed 2', tests: 'new' }), /another seed/)
})

test('planSuite: every test of the contracts, once, a source’s own first and gas behind the others', () => {
  const files = planSuite({ source: 'contracts/libraries/Rfc9162.sol', withFuzz: true }).flat()
  assert.equal(files[0], 'test/contracts/rfc9162.test.ts')
  assert.equal(new Set(files).size, files.length)
  assert.deepEqual(files.slice(-3), [
    'test/contracts/gas.test.ts',
    'test/contracts/worstCaseGas.test.ts',
    'test/contracts/solidityInvariants.test.ts',
  ])
  assert.ok(files.includes('test/contracts/views.test.ts'))
})

test('sandbox: a mutant dies of the test that notices it, and what the build made lives', async () => {
  const build = readSolidityBuild()
  const trees = parse(build)
  const source = 'contracts/CoalitionRegistry.sol'
  const sources = findDependants(trees, { source })
  assert.deepEqual(sources, [source])
  const check = 'if (coalition == 0 || coalitionId == 0)'
  const mutate = (replacement: string) => new Map([[source, build.sources.get(source)!.replace(check, replacement)]])
  const sandbox = createSandbox({ under: dir })
  const run = () => sandbox.runTests({ files: ['test/contracts/coalitionRegistry.test.ts'], timeoutMs: 60_000 })

  assert.deepEqual(await run(), { outcome: 'passed' })
  assert.deepEqual(compile(build, { sources, changed: mutate(check) }), new Map([[source, sandbox.built.get(source)]]))
  sandbox.install(compile(build, { sources, changed: mutate('if (coalition == 0)') })!)
  assert.deepEqual(await run(), {
    outcome: 'failed',
    failedTest: 'test/contracts/coalitionRegistry.test.ts › CoalitionRegistryIdZero: zero as either id',
  })
  sandbox.install(new Map())
  assert.deepEqual(await run(), { outcome: 'passed' })
  assert.equal(compile(build, { sources, changed: mutate('if (coalition)') }), undefined)
})

test('findDependants: a library is part of each contract that imports it through whatever file', () => {
  const trees = parse(readSolidityBuild())
  assert.deepEqual(findDependants(trees, { source: 'contracts/libraries/Rfc9162.sol' }), [
    'contracts/ComponentRegistry.sol',
    'test/contracts/Rfc9162Harness.sol',
  ])
  assert.deepEqual(findDependants(trees, { source: 'contracts/types/Ticket.sol' }), [
    'contracts/TicketVerifier.sol',
    'contracts/examples/TicketGate.sol',
  ])
})
