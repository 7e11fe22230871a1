import { parentPort, workerData } from 'node:worker_threads'
import { compile, DEPLOYED_SOURCES, findDependants, parse, readSolidityBuild } from '../solidity/compiler.ts'
import { planSuite } from '../solidity/planSuite.ts'
import { createSandbox, type TestOutcome } from '../solidity/sandbox.ts'
import { applyEdit, type Mutant } from './mutant.ts'

/** What a slot is told once, and for each mutant. */
export type SlotOptions = {
  seed: number
  withFuzz: boolean
  /** Where it may put its copy of the repository. */
  sandboxesDir: string
}
export type SlotTask = { mutant: Mutant | undefined }

/** `uncounted` mutants are no change at all: they do not compile, or to what the build has. */
export type Verdict = {
  status: 'killed' | 'survived' | 'uncounted'
  /** The test that noticed, or why the mutant does not count. */
  reason: string
  tookMs: number
}

const GROUP_TIMEOUT_MS = 60_000
const FUZZ_TIMEOUT_MS = 300_000

const { seed, withFuzz, sandboxesDir } = workerData as SlotOptions
const build = readSolidityBuild()
const trees = parse(build)
const built = compile(build, { sources: DEPLOYED_SOURCES, changed: new Map() })!
const sandbox = createSandbox({ under: sandboxesDir })

parentPort!.on('message', ({ mutant }: SlotTask) => {
  const startedMs = performance.now()
  judge(mutant).then((verdict) =>
    parentPort!.postMessage({ ...verdict, tookMs: Math.round(performance.now() - startedMs) }),
  )
})

/** Without a mutant, the suite meets what the build made, which it must let live. */
async function judge(mutant: Mutant | undefined): Promise<Omit<Verdict, 'tookMs'>> {
  if (mutant === undefined) {
    sandbox.install(built)
    return await runSuite({ source: '', isFuzzed: false })
  }
  const { source } = mutant
  const changed = new Map([[source, applyEdit(build.sources.get(source)!, mutant)]])
  const sources = findDependants(trees, { source })
  const compiled = compile(build, { sources, changed })
  if (compiled === undefined) return { status: 'uncounted', reason: 'does not compile' }
  if (sources.every((each) => compiled.get(each)!.bytecode === built.get(each)!.bytecode))
    return { status: 'uncounted', reason: 'compiles to the same bytecode' }
  sandbox.writeSources(changed)
  sandbox.install(new Map([...built, ...compiled]))
  return await runSuite({ source, isFuzzed: withFuzz })
}

async function runSuite({ source, isFuzzed }: { source: string; isFuzzed: boolean }): Promise<Omit<Verdict, 'tookMs'>> {
  for (const files of planSuite({ source, withFuzz: isFuzzed })) {
    const timeoutMs = files.some((file) => file.includes('solidityInvariants')) ? FUZZ_TIMEOUT_MS : GROUP_TIMEOUT_MS
    const said = await sandbox.runTests({
      files,
      timeoutMs,
      env: { SEED: String(seed), FUZZ_SEED: String(seed), PLANTED: 'none' },
    })
    if (said.outcome !== 'passed') return { status: 'killed', reason: tell(said) }
  }
  return { status: 'survived', reason: '' }
}

const tell = ({ outcome, failedTest }: TestOutcome): string =>
  outcome === 'timedOut' ? 'timed out' : (failedTest ?? 'failed')
