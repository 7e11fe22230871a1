import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { endWithUs, ROOT } from '../services.ts'
import { type Bytecode, DEPLOYED_SOURCES, nameOf } from './compiler.ts'

/** A copy of this repository, in which contracts can be changed without a trace here, even after a SIGKILL. */
export type Sandbox = {
  dir: string
  /** What the build made, by the contract's file. */
  built: ReadonlyMap<string, Bytecode>
  /** Puts `contracts` in place of what the build made, and the build's own code in place of all others. */
  install(contracts: ReadonlyMap<string, Bytecode>): void
  /** Puts `changed` in place of the sources, and the true text in place of all others. */
  writeSources(changed: ReadonlyMap<string, string>): void
  /** Runs test files, one after the other, in one process. */
  runTests(options: RunTestsOptions): Promise<TestOutcome>
}

export type RunTestsOptions = {
  files: readonly string[]
  timeoutMs: number
  env?: Record<string, string>
  /** Whether the first failure ends the run. */
  isBailing?: boolean
}

export type TestOutcome = {
  outcome: 'passed' | 'failed' | 'timedOut'
  /** The name of the first test that failed, where one did. */
  failedTest?: string
}

/** The files that hold one contract's code, as a build left them. */
type Installed = {
  source: string
  built: Bytecode
  artifact: { path: string; text: string }
  /** None for a harness, which nobody but the tests calls. */
  generated: { path: string; text: string } | undefined
}

/** @param under Where the copy is made; whoever owns that directory removes it. */
export function createSandbox({ under }: { under: string }): Sandbox {
  const dir = mkdtempSync(join(under, 'sandbox-'))
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: ROOT })
  for (const file of listed.toString().split('\0')) {
    if (file !== '' && existsSync(join(ROOT, file))) copy(file, dir)
  }
  cpSync(join(ROOT, 'artifacts'), join(dir, 'artifacts'), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'))
  const contracts = DEPLOYED_SOURCES.map((source) => describe(source, dir))
  let changedSources: readonly string[] = []

  return {
    dir,
    built: new Map(contracts.map(({ source, built }) => [source, built])),
    install(changed) {
      for (const { source, artifact, generated, built } of contracts) {
        const { bytecode, deployedBytecode } = changed.get(source) ?? built
        const fields = JSON.parse(artifact.text) as object
        writeFileSync(join(dir, artifact.path), JSON.stringify({ ...fields, bytecode, deployedBytecode }))
        if (generated === undefined) continue
        writeFileSync(join(dir, generated.path), generated.text.replace(built.bytecode, bytecode))
      }
    },
    writeSources(changed) {
      for (const source of changedSources) copy(source, dir)
      for (const [source, text] of changed) writeFileSync(join(dir, source), text)
      changedSources = [...changed.keys()]
    },
    runTests: ({ files, timeoutMs, env = {}, isBailing = true }) =>
      runTests(dir, { files, timeoutMs, env: { ...env, ...(isBailing ? {} : { RUN_ALL: '1' }) } }),
  }
}

function copy(file: string, dir: string): void {
  mkdirSync(dirname(join(dir, file)), { recursive: true })
  cpSync(join(ROOT, file), join(dir, file))
}

function describe(source: string, dir: string): Installed {
  const name = nameOf(source)
  const read = (path: string) => ({ path, text: readFileSync(join(dir, path), 'utf8') })
  const artifact = read(join('artifacts', source, `${name}.json`))
  const { bytecode, deployedBytecode } = JSON.parse(artifact.text) as Bytecode
  const path = `chain/generated/${name.charAt(0).toLowerCase()}${name.slice(1)}.ts`
  const generated = existsSync(join(dir, path)) ? read(path) : undefined
  if (generated?.text.includes(`"${bytecode}"`) === false) throw new Error(`${path} is not of the last build`)
  return { source, built: { bytecode, deployedBytecode }, artifact, generated }
}

/** The process says of itself which test failed first; one that crashed says nothing and has failed all the same. */
function runTests(
  dir: string,
  { files, timeoutMs, env }: { files: readonly string[]; timeoutMs: number; env: Record<string, string> },
): Promise<TestOutcome> {
  const { promise, resolve } = Promise.withResolvers<TestOutcome>()
  const child: ChildProcess = spawn(
    process.execPath,
    [join(dir, 'scripts/solidity/runFiles.ts'), ...files.map((file) => join(dir, file))],
    { cwd: dir, env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env }, stdio: ['ignore', 'pipe', 'ignore'] },
  )
  endWithUs(child)
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    child.kill('SIGKILL')
  }, timeoutMs)
  child.once('close', (status) => {
    clearTimeout(timer)
    const failedTest = /^FAILED (.*)$/m.exec(output)?.[1]
    if (failedTest !== undefined) resolve({ outcome: 'failed', failedTest })
    else if (isLate) resolve({ outcome: 'timedOut' })
    else if (status === 0 && /^PASSED \d+$/m.test(output)) resolve({ outcome: 'passed' })
    else resolve({ outcome: 'failed', failedTest: `(the process ended with ${status})` })
  })
  return promise
}
