/** What a mutation does, in kind. */
export type MutationKind = 'comparison' | 'check' | 'constant' | 'statement' | 'arithmetic' | 'logic'

/** A part of one source replaced by another text. */
export type Edit = {
  kind: MutationKind
  /** Where the part begins and how long it is, in bytes of UTF-8, as the compiler counts. */
  offset: number
  sizeBytes: number
  replacement: string
}

/** One change to one contract that its tests should notice. */
export type Mutant = Edit & {
  /** Path of the contract's file in this repository. */
  source: string
  /** From 1. */
  line: number
  /** The part that is replaced. */
  original: string
}

export function applyEdit(text: string, { offset, sizeBytes, replacement }: Edit): string {
  const bytes = Buffer.from(text, 'utf8')
  return `${bytes.subarray(0, offset)}${replacement}${bytes.subarray(offset + sizeBytes)}`
}

const onOneLine = (text: string): string => {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 80 ? `${line.slice(0, 79)}…` : line
}

/** `contracts/Ring.sol:68 comparison: a < b → a <= b` */
export const describeMutant = ({ source, line, kind, original, replacement }: Mutant): string =>
  `${source}:${line} ${kind}: ${onOneLine(original)} → ${replacement.trim() === '' ? 'nothing' : onOneLine(replacement)}`
