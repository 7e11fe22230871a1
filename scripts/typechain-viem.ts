import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import typechain, { type FileDescription } from 'typechain'

/**
 * A TypeChain target: each artifact becomes its ABI `as const`, from which viem infers every type, and the bytecode that
 * creates the contract, so that deploying needs no compiler.
 */
export default class ViemTarget extends typechain.TypeChainTarget {
  readonly name = 'viem'

  override transformFile({ path }: FileDescription): FileDescription {
    const artifact = JSON.parse(readFileSync(path, 'utf8')) as Artifact
    const contract = basename(path, '.json')
    const name = contract.charAt(0).toLowerCase() + contract.slice(1)
    const contents = [
      `// Made by scripts/build.ts from ${artifact.sourceName}. Do not edit.`,
      '',
      `export const ${name}Abi = ${JSON.stringify(artifact.abi.map(dropInternalTypes), undefined, 2)} as const`,
      '',
      '/** What creates the contract; its constructor arguments, if any, come after. */',
      `export const ${name}Bytecode =`,
      `  '${artifact.bytecode}' as const`,
      '',
    ].join('\n')
    return { path: join(this.cfg.outDir ?? this.cfg.cwd, `${name}.ts`), contents }
  }
}

type Artifact = { sourceName: string; abi: readonly unknown[]; bytecode: string }

/** Struct names of Solidity say nothing to viem and change without the ABI. */
function dropInternalTypes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dropInternalTypes)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== 'internalType')
      .map(([key, inner]) => [key, dropInternalTypes(inner)]),
  )
}
