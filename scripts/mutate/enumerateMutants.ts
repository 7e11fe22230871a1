import type { AstNode, SolidityBuild } from '../solidity/compiler.ts'
import type { Mutant } from './mutant.ts'
import { mutateSolidity } from './mutateSolidity.ts'
import { mutateYul } from './mutateYul.ts'

/** Every mutant of every source, in the order in which they stand; whether each compiles is not known yet. */
export function enumerateMutants(
  { sources }: Pick<SolidityBuild, 'sources'>,
  { trees }: { trees: ReadonlyMap<string, AstNode> },
): Mutant[] {
  return [...sources].flatMap(([source, text]) => {
    const bytes = Buffer.from(text, 'utf8')
    return [...walk(trees.get(source)!)]
      .flatMap((node) => (node.nodeType.startsWith('Yul') ? mutateYul(node, bytes) : mutateSolidity(node, bytes)))
      .map((edit) => ({
        ...edit,
        source,
        line: bytes.toString('latin1', 0, edit.offset).split('\n').length,
        original: bytes.toString('utf8', edit.offset, edit.offset + edit.sizeBytes),
      }))
  })
}

/** A node and all below it, in the order of the text's making. */
function* walk(value: unknown): Generator<AstNode> {
  if (Array.isArray(value)) for (const each of value) yield* walk(each)
  else if (typeof value === 'object' && value !== null) {
    if ('nodeType' in value) yield value as AstNode
    for (const each of Object.values(value)) yield* walk(each)
  }
}
