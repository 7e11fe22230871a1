import type { AstNode } from '../solidity/compiler.ts'
import type { Edit } from './mutant.ts'

const COMPARISONS: Record<string, string> = { '<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '==' }
const LOGIC: Record<string, string> = { '&&': '||', '||': '&&' }
const ARITHMETIC: Record<string, string> = {
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '%': '/',
  '**': '*',
  '<<': '>>',
  '>>': '<<',
  '&': '|',
  '|': '&',
  '^': '&',
}
const STEPS: Record<string, string> = { '++': '--', '--': '++' }

export type Span = { offset: number; sizeBytes: number }

export function spanOf({ src }: AstNode): Span {
  const [offset, sizeBytes] = src.split(':').map(Number)
  return { offset: offset!, sizeBytes: sizeBytes! }
}

/** The mutations of one node of Solidity's tree itself, not of those below it. */
export function mutateSolidity(node: AstNode, source: Buffer): Edit[] {
  const field = (name: string): AstNode => node[name] as AstNode
  switch (node.nodeType) {
    case 'BinaryOperation':
      return swapOperator(node, { left: field('leftExpression'), right: field('rightExpression'), source })
    case 'Assignment':
      return swapOperator(node, { left: field('leftHandSide'), right: field('rightHandSide'), source })
    case 'UnaryOperation':
      return mutateUnary(node)
    case 'Literal':
      return mutateLiteral(node, source)
    case 'Conditional':
      return negate(field('condition'), source)
    case 'IfStatement':
      return [
        ...negate(field('condition'), source),
        ...(isExit(field('trueBody')) ? [drop(node, source, 'check')] : []),
      ]
    case 'EmitStatement':
    case 'ExpressionStatement':
      return [drop(node, source, 'statement')]
    default:
      return []
  }
}

/** The operator stands between the operands; comments that stand there, too, come before it. */
function swapOperator(node: AstNode, operands: { left: AstNode; right: AstNode; source: Buffer }): Edit[] {
  const { left, right, source } = operands
  const operator = String(node.operator)
  // `+=` is `+` with something behind it; `=` alone is no operation.
  const isAssignment = node.nodeType === 'Assignment'
  const other = isAssignment ? ARITHMETIC[operator.slice(0, -1)] : swapped(operator)
  if (other === undefined) return []
  const start = endOf(left)
  const offset = start + source.toString('latin1', start, spanOf(right).offset).lastIndexOf(operator)
  const kind = operator in COMPARISONS ? 'comparison' : operator in LOGIC ? 'logic' : 'arithmetic'
  return [{ kind, offset, sizeBytes: operator.length, replacement: isAssignment ? `${other}=` : other }]
}

const swapped = (operator: string): string | undefined =>
  COMPARISONS[operator] ?? LOGIC[operator] ?? ARITHMETIC[operator]

function mutateUnary(node: AstNode): Edit[] {
  const operator = String(node.operator)
  const { offset } = spanOf(node)
  const sizeBytes = operator.length
  const at = node.prefix === true ? offset : endOf(node) - sizeBytes
  if (operator === '!') return [{ kind: 'logic', offset: at, sizeBytes, replacement: '' }]
  const other = STEPS[operator]
  return other === undefined ? [] : [{ kind: 'arithmetic', offset: at, sizeBytes, replacement: other }]
}

function mutateLiteral(node: AstNode, source: Buffer): Edit[] {
  const span = spanOf(node)
  if (node.kind === 'bool')
    return [{ kind: 'constant', ...span, replacement: node.value === 'true' ? 'false' : 'true' }]
  if (node.kind !== 'number') return []
  return mutateNumber(source.toString('utf8', span.offset, span.offset + span.sizeBytes), span)
}

/** One more, one less and none. A number with a point or an exponent is left alone. */
export function mutateNumber(text: string, span: Span): Edit[] {
  const digits = text.replaceAll('_', '')
  if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(digits)) return []
  const value = BigInt(digits)
  const values = new Set([value + 1n, value - 1n, 0n].filter((other) => other >= 0n && other !== value))
  return [...values].map((other) => ({ kind: 'constant', ...span, replacement: String(other) }))
}

/** Not of what another mutation negates: the operators `==`, `!=` and `!`. */
function negate(condition: AstNode, source: Buffer): Edit[] {
  if (['==', '!=', '!'].includes(String(condition.operator))) return []
  const { offset, sizeBytes } = spanOf(condition)
  const text = source.toString('utf8', offset, offset + sizeBytes)
  return [{ kind: 'logic', offset, sizeBytes, replacement: `!(${text})` }]
}

/** Whether a branch does nothing but leave the function. */
function isExit(body: AstNode): boolean {
  if (body.nodeType === 'RevertStatement' || body.nodeType === 'Return') return true
  const statements = (body.statements ?? []) as readonly AstNode[]
  return body.nodeType === 'Block' && statements.length === 1 && isExit(statements[0]!)
}

/** Takes a statement away, with the semicolon that the compiler does not count to it. */
function drop(node: AstNode, source: Buffer, kind: Edit['kind']): Edit {
  const { offset } = spanOf(node)
  const end = endOf(node)
  const isTerminated = source.toString('latin1', end, end + 1) === ';'
  // What a loop does between two rounds is a statement without one, and may be missing.
  const isStep = !isTerminated && source.toString('latin1', end - 1, end) !== '}'
  return { kind, offset, sizeBytes: end - offset + (isTerminated ? 1 : 0), replacement: isStep ? '' : '{}' }
}

const endOf = (node: AstNode): number => {
  const { offset, sizeBytes } = spanOf(node)
  return offset + sizeBytes
}
