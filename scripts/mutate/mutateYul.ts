import type { AstNode } from '../solidity/compiler.ts'
import type { Edit } from './mutant.ts'
import { mutateNumber, spanOf } from './mutateSolidity.ts'

const ARITHMETIC: Record<string, string> = {
  add: 'sub',
  sub: 'add',
  mul: 'div',
  div: 'mul',
  mod: 'div',
  shl: 'shr',
  shr: 'shl',
  and: 'or',
  or: 'and',
  xor: 'and',
}

/** Yul has no `<=`: it is what `>` is not. */
const COMPARISONS: Record<string, string> = { lt: 'gt', gt: 'lt', slt: 'sgt', sgt: 'slt' }

/** The mutations of one node of an assembly block itself, not of those below it. */
export function mutateYul(node: AstNode, source: Buffer): Edit[] {
  const textOf = (part: AstNode): string => {
    const { offset, sizeBytes } = spanOf(part)
    return source.toString('utf8', offset, offset + sizeBytes)
  }
  switch (node.nodeType) {
    case 'YulFunctionCall':
      return mutateCall(node, textOf)
    case 'YulLiteral':
      return node.kind === 'number' ? mutateNumber(textOf(node), spanOf(node)) : []
    case 'YulAssignment':
    case 'YulExpressionStatement':
      return [{ kind: 'statement', ...spanOf(node), replacement: '' }]
    case 'YulIf':
      return [{ kind: 'check', ...spanOf(node), replacement: '' }]
    default:
      return []
  }
}

function mutateCall(node: AstNode, textOf: (part: AstNode) => string): Edit[] {
  const called = node.functionName as AstNode & { name: string }
  const { name } = called
  const whole = textOf(node)
  if (ARITHMETIC[name] !== undefined) return [{ kind: 'arithmetic', ...spanOf(called), replacement: ARITHMETIC[name] }]
  if (COMPARISONS[name] !== undefined) {
    const opposite = `${COMPARISONS[name]}${whole.slice(name.length)}`
    return [{ kind: 'comparison', ...spanOf(node), replacement: `iszero(${opposite})` }]
  }
  if (name === 'eq') return [{ kind: 'comparison', ...spanOf(node), replacement: `iszero(${whole})` }]
  if (name === 'iszero') return [{ kind: 'logic', ...spanOf(node), replacement: `iszero(${whole})` }]
  return []
}
