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
  settings: { outputSelection: unknown; remappings?: readonly string[]; [name: string]: unknown }
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

/**
 * The compiler input that `npm run build` left, for all files at once: the same sources and settings give the bytecode that
 * is deployed. A build that followed on another compiled only what had changed, so its sources are put together again.
 */
export function readSolidityBuild(): SolidityBuild {
  const inputs = globSync('artifacts/build-info/*.json', { cwd: ROOT })
    .filter((path) => !path.endsWith('.output.json'))
    .sort()
    .map((path) => (JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as { input: CompilerInput }).input)
  const [first] = inputs
  if (first === undefined) throw new Error('the contracts are not built; run npm run build')
  const sources = new Map(
    globSync('{contracts,test/contracts}/**/*.sol', { cwd: ROOT })
      .sort()
      .map((source) => [source, readFileSync(join(ROOT, source), 'utf8')]),
  )
  const packages = inputs.flatMap((input) => Object.entries(input.sources).filter(([unit]) => unit.startsWith('npm/')))
  const units = [...sources].map(([source, content]) => [unitOf(source), { content }] as const)
  const remappings = [...new Set(inputs.flatMap(({ settings }) => settings.remappings ?? []))]
  const settings = { ...first.settings, remappings }
  const input = { ...first, settings, sources: Object.fromEntries([...packages, ...units]) }
  return { input, sources: new Map([...sources].filter(([source]) => source.startsWith('contracts/'))) }
}

export type CompileParameters = {
  /** Whose contracts are wanted, each by the path of its file. */
  sources: readonly string[]
  /** Texts in place of what the build read, by path. */
  changed: ReadonlyMap<string, string>
  /** A file more, which changed ones may import by this name. */
  library?: { name: string; content: string }
}

/**
 * Bytecode of the contracts of `sources` as the build makes it, but with `changed` in place of what the build read.
 *
 * @returns undefined where it does not compile.
 */
export function compile(
  { input }: SolidityBuild,
  { sources, changed, library }: CompileParameters,
): Map<string, Bytecode> | undefined {
  const select = (source: string) => ({ [nameOf(source)]: ['evm.bytecode.object', 'evm.deployedBytecode.object'] })
  const outputSelection = Object.fromEntries(sources.map((each) => [unitOf(each), select(each)]))
  const added = library === undefined ? {} : { [library.name]: { content: library.content } }
  const { contracts } = run({ ...input, sources: { ...input.sources, ...added } }, outputSelection, changed)
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
