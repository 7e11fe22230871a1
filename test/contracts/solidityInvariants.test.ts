import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Bytecode, compile, readSolidityBuild } from '../../scripts/solidity/compiler.ts'
import { createSandbox } from '../../scripts/solidity/sandbox.ts'
import { PLANTED_FAULTS, type PlantedFault } from './plantedFaults.ts'

/** The Solidity tests of test/fuzz/, in the size that a run of everything has time for; `npm run fuzz` makes more. */
const OPTIONS = { timeout: 300_000 }
const ROOT = join(import.meta.dirname, '../..')
const COMMAND = ['--config', 'test/fuzz/hardhat.config.ts', 'test', 'solidity']
const INVARIANTS = 8
const PROPERTIES = 13

test('ComponentRegistry: its invariants and properties hold over random honest and forged calls', OPTIONS, () => {
  const words = [...COMMAND, '--grep-exclude', 'invariant_all']
  const seed = process.env.FUZZ_SEED ?? `0x${randomBytes(8).toString('hex')}`
  const env = { ...process.env, FUZZ_SEED: seed }
  const { status, stdout, stderr } = spawnSync('hardhat', words, { cwd: ROOT, encoding: 'utf8', env })
  const context = `${stdout}${stderr}\nreplay with FUZZ_SEED=${seed}`
  assert.equal(status, 0, context)
  assert.match(stdout, new RegExp(`${INVARIANTS + PROPERTIES} passing`), context)
})

const PLANTED_SEED = '0x1'
const REGISTRY = 'contracts/ComponentRegistry.sol'

/** A copy of this repository with the Solidity tests that the test above built. */
function createFuzzSandbox(): { dir: string; artifact: string } {
  const under = mkdtempSync(join(tmpdir(), 'coalition-planted-'))
  after(() => rmSync(under, { recursive: true, force: true }))
  const { dir } = createSandbox({ under })
  cpSync(join(ROOT, 'cache/fuzz'), join(dir, 'cache/fuzz'), { recursive: true })
  return { dir, artifact: join(dir, 'cache/fuzz/artifacts', REGISTRY, 'ComponentRegistry.json') }
}

function compileWith({ source, edits }: PlantedFault): Bytecode {
  const build = readSolidityBuild()
  let text = build.sources.get(source)!
  for (const [from, to] of edits) {
    assert.equal(text.split(from).length, 2, `${source} must say once: ${from}`)
    text = text.replace(from, to)
  }
  const bytecode = compile(build, { sources: [REGISTRY], changed: new Map([[source, text]]) })?.get(REGISTRY)
  assert.ok(bytecode, 'the fault does not compile')
  return bytecode
}

/** The first two in every run of the tests; with PLANTED=all all, with an invariant's name that one, with `none` none. */
const chosen = process.env.PLANTED
const planted = PLANTED_FAULTS.filter(({ invariant }, index) =>
  chosen === undefined ? index < 2 : chosen === 'all' || chosen === invariant,
)
assert.ok(planted.length > 0 || chosen === 'none', `PLANTED names no invariant: ${chosen}`)

test('ComponentRegistry: a fault planted for an invariant is noticed by that one alone', OPTIONS, async (t) => {
  if (planted.length === 0) return
  const { dir, artifact } = createFuzzSandbox()
  const honest = JSON.parse(readFileSync(artifact, 'utf8')) as object
  for (const fault of planted) {
    await t.test(fault.invariant, () => {
      writeFileSync(artifact, JSON.stringify({ ...honest, ...compileWith(fault) }))
      const words = [...COMMAND, '--no-compile', 'test/fuzz/ComponentRegistryInvariants.t.sol']
      const env = { ...process.env, FUZZ_SEED: PLANTED_SEED, FUZZ_RUNS: '12', FUZZ_DEPTH: '64', FUZZ_SHRINK: '0' }
      const { stdout, stderr } = spawnSync('hardhat', words, { cwd: dir, encoding: 'utf8', env })
      const failed = [...stdout.matchAll(/^ *\d+\) invariant_(\w+)/gm)].map((match) => match[1])
      const passed = [...stdout.matchAll(/^ *✔ invariant_(\w+)/gm)].map((match) => match[1])
      assert.deepEqual(failed, [fault.invariant], `${stdout}${stderr}`)
      assert.equal(passed.length, INVARIANTS - 1, `${stdout}${stderr}`)
    })
  }
})
