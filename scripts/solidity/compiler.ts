import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import solc from 'solc'
import type { Hex } from '../../protocol/bytes.ts'
import { ROOT } from '../services.ts'

/** What the last build gave the compiler, and what it gets again with a source changed. */
export type SolidityBuild = {
  input: CompilerInput
  /** Text of each file of contracts/, by its path in this repository. */
  sources: ReadonlyMap<string, string>
}

type CompilerInput = {
  language: string
  sources: Record<string, { content: string }>
  settings: { outputSelection: unknown; [name: string]: unknown }
}

export type Bytecode = { bytecode: Hex; deployedBytecode: Hex }

/** A node of the compiler's syntax tree, Solidity's or Yul's; `src` is `offset:length:file`, in bytes of UTF-8. */
export type AstNode = { nodeType: string; src: string; [field: string]: unknown }

/** The contracts that the tests deploy: those with code of their own, and the harnesses of the libraries. */
export const DEPLOYED_SOURCES = [
  'contracts/ComponentRegistry.sol',
  'contracts/TicketVerifier.sol',
  'contracts/CoalitionRegistry.sol',
  'contracts/examples/ChronicleEscrow.sol',
  'contracts/examples/OracleConsumer.sol',
  'contracts/examples/TicketGate.sol',
  'test/contracts/CertificatesHarness.sol',
  'test/contracts/Rfc9162Harness.sol',
] as const

export const nameOf = (source: string): string => basename(source, '.sol')
const unitOf = (source: string): string => `project/${source}`

/** The compiler input that `npm run build` left: the same sources and settings give the bytecode that is deployed. */
export function readSolidityBuild(): SolidityBuild {
  const [path] = globSync('artifacts/build-info/*.json', { cwd: ROOT }).filter((each) => !each.endsWith('.output.json'))
  if (path === undefined) throw new Error('the contracts are not built; run npm run build')
  const { input } = JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as { input: CompilerInput }
  const sources = new Map(
    globSync('contracts/**/*.sol', { cwd: ROOT })
      .sort()
      .map((source) => [source, readFileSync(join(ROOT, source), 'utf8')]),
  )
  for (const [source, text] of sources) {
    if (input.sources[unitOf(source)]?.content !== text) throw new Error(`${source} changed since npm run build`)
  }
  return { input, sources }
}

/**
 * Bytecode of the contracts of `sources` as the build makes it, but with `changed` in place of what the build read.
 *
 * @returns undefined where it does not compile.
 */
export function compile(
  { input }: SolidityBuild,
  { sources, changed }: { sources: readonly string[]; changed: ReadonlyMap<string, string> },
): Map<string, Bytecode> | undefined {
  const select = (source: string) => ({ [nameOf(source)]: ['evm.bytecode.object', 'evm.deployedBytecode.object'] })
  const { contracts } = run(input, Object.fromEntries(sources.map((each) => [unitOf(each), select(each)])), changed)
  const compiled = new Map<string, Bytecode>()
  for (const source of sources) {
    const evm = contracts?.[unitOf(source)]?.[nameOf(source)]?.evm
    if (evm === undefined) return undefined
    const { bytecode, deployedBytecode } = evm
    compiled.set(source, { bytecode: `0x${bytecode.object}`, deployedBytecode: `0x${deployedBytecode.object}` })
  }
  return compiled
}

/** The syntax trees of the files of contracts/, by path. */
export function parse({ input, sources }: SolidityBuild): Map<string, AstNode> {
  const output = run(input, { '*': { '': ['ast'] } }, new Map())
  return new Map([...sources.keys()].map((source) => [source, output.sources![unitOf(source)]!.ast]))
}

/** The deployed contracts whose code `source` may be part of: those that import it, through whatever files. */
export function findDependants(trees: ReadonlyMap<string, AstNode>, { source }: { source: string }): string[] {
  return DEPLOYED_SOURCES.filter((deployed) => collectImports(trees, deployed).has(source))
}

function collectImports(trees: ReadonlyMap<string, AstNode>, source: string, seen = new Set<string>()): Set<string> {
  if (seen.has(source)) return seen
  seen.add(source)
  for (const imported of importsOf(trees, source)) collectImports(trees, imported, seen)
  return seen
}

function importsOf(trees: ReadonlyMap<string, AstNode>, source: string): string[] {
  const tree = trees.get(source)
  // A harness is no file of contracts/, so its tree was not asked for; it says in its text what it imports.
  if (tree === undefined && source.startsWith('test/')) {
    const text = readFileSync(join(ROOT, source), 'utf8')
    return [...text.matchAll(/from "\.\.\/\.\.\/(contracts\/[^"]+)"/g)].map((match) => match[1]!)
  }
  const nodes = (tree?.nodes ?? []) as readonly AstNode[]
  return nodes
    .filter(({ nodeType }) => nodeType === 'ImportDirective')
    .map(({ absolutePath }) => String(absolutePath).replace(/^project\//, ''))
}

type CompilerOutput = {
  contracts?: Record<
    string,
    Record<string, { evm: { bytecode: { object: string }; deployedBytecode: { object: string } } }>
  >
  sources?: Record<string, { ast: AstNode }>
}

function run(input: CompilerInput, outputSelection: unknown, changed: ReadonlyMap<string, string>): CompilerOutput {
  const replaced = [...changed].map(([source, content]) => [unitOf(source), { content }] as const)
  const sources = { ...input.sources, ...Object.fromEntries(replaced) }
  const settings = { ...input.settings, outputSelection }
  return JSON.parse(solc.compile(JSON.stringify({ ...input, sources, settings }))) as CompilerOutput
}
