import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { readArtifact } from '../chain/createTestChain.ts'

const ROOT = join(import.meta.dirname, '../..')

const measured = new Set<string>()

/** What the NatSpec of a contract promises of a function's gas holds, and is not much more than the truth. */
export function assertPromise(contract: string, functionName: string, gas: number): void {
  measured.add(`${contract}.${functionName}`)
  const promised = readPromise(contract, functionName)
  assert.ok(
    gas <= promised && promised <= 1.05 * gas + 1_000,
    `${functionName}: ${gas} gas, and its NatSpec says ${promised}`,
  )
}

/** Of the contracts that have code of their own, every function in the ABI was measured: getters are functions, too. */
export function assertAllMeasured(): void {
  const functions = globSync('contracts/{*,examples/*}.sol', { cwd: ROOT }).flatMap((source) =>
    readArtifact(source).abi.flatMap((item) =>
      item.type === 'function' ? [`${basename(source, '.sol')}.${item.name}`] : [],
    ),
  )
  assert.deepEqual([...measured].sort(), functions.sort())
}

/** What the comment above a function, or above the public variable whose getter it is, says that it costs at most. */
function readPromise(contract: string, functionName: string): number {
  const candidates = [`contracts/interfaces/I${contract}.sol`, `contracts/examples/${contract}.sol`]
  const source = candidates.find((path) => existsSync(join(ROOT, path)))
  assert.ok(source, `${contract} has neither an interface nor is it an example`)
  const lines = readFileSync(join(ROOT, source), 'utf8').split('\n')
  const declaration = new RegExp(`^ +(function ${functionName}\\(|.* public (immutable )?${functionName};)`)
  const declared = lines.findIndex((line) => declaration.test(line))
  const above = lines.slice(0, declared)
  const comment = above.slice(above.findLastIndex((line) => !/^ +\/\//.test(line)) + 1).join('\n')
  const promised = comment.match(/@custom:gas ([0-9,]+) at most/)?.[1]
  assert.ok(promised, `the NatSpec of ${functionName} says no gas`)
  return Number(promised.replaceAll(',', ''))
}
