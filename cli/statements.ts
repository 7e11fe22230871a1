import { CoalitionError } from '../protocol/errors.ts'
import { encodeChronicleCommand, StatementSizeError } from '../protocol/wire/chronicleCommand.ts'
import { ENVELOPE_COMMANDS_MAX } from '../protocol/wire/envelope.ts'
import { readInput } from './input.ts'

/** Bytes of one input of entries at the most. */
export const ENTRIES_SIZE_MAX_BYTES = 64 << 20
/** Entries of one input at the most: each waits for its proof. */
export const ENTRIES_MAX = 100_000

export class MalformedEntriesError extends CoalitionError {
  constructor({ where, reason, cause }: { where: string; reason: string; cause?: unknown }) {
    super('MALFORMED_ENTRIES', `${where} ${reason}.`, {
      fix: 'Give one JSON object a line (JSONL); nothing was sent.',
      cause,
    })
  }
}

/** One line of the input: what the log will hold is these bytes, exactly. */
export type Statement = { line: number; bytes: Uint8Array }

/**
 * Reads an operator's entries, one JSON object a line; empty lines are passed over. All are checked before any is sent.
 *
 * @param path a file, or `-` for standard input.
 * @throws {UnreadableInputError | InputTooLargeError} no such file, not UTF-8, or too large.
 * @throws {MalformedEntriesError} a line is no JSON object, or there is none.
 * @throws {StatementSizeError} an entry is too large for the log.
 */
export async function readStatements(path: string): Promise<Statement[]> {
  const name = path === '-' ? 'standard input' : path
  const text = await readInput(path, { sizeMaxBytes: ENTRIES_SIZE_MAX_BYTES })
  const lines = text.split(/\r?\n/)
  if (lines.length > ENTRIES_MAX + 1)
    throw new MalformedEntriesError({ where: name, reason: `has more than ${ENTRIES_MAX} lines` })
  const statements = lines.flatMap((content, index) => {
    if (content.trim() === '') return []
    return [toStatement({ content, line: index + 1, where: `${name}, line ${index + 1},` })]
  })
  if (statements.length === 0) throw new MalformedEntriesError({ where: name, reason: 'has no entry' })
  return statements
}

/** Small enough that a round of the committee does not wait for it, and far below what an envelope may have. */
const GROUP_SIZE_MAX_BYTES = 128 << 10

/** Splits statements into the commands of as few envelopes as their bounds allow, in order. */
export function groupCommands(statements: readonly Statement[]): Uint8Array[][] {
  const groups: Uint8Array[][] = []
  let sizeBytes = GROUP_SIZE_MAX_BYTES
  for (const { bytes } of statements) {
    const command = encodeChronicleCommand({ kind: 'recordStatement', statement: bytes })
    // Each command stands in the envelope behind an offset and its length; the envelope's own words come on top.
    const addedBytes = command.length + 64
    if (sizeBytes + addedBytes > GROUP_SIZE_MAX_BYTES || groups.at(-1)?.length === ENVELOPE_COMMANDS_MAX) {
      groups.push([])
      sizeBytes = 0
    }
    groups.at(-1)!.push(command)
    sizeBytes += addedBytes
  }
  return groups
}

function toStatement({ content, line, where }: { content: string; line: number; where: string }): Statement {
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch (cause) {
    throw new MalformedEntriesError({ where, reason: 'is not JSON', cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedEntriesError({ where, reason: 'is JSON, but no object' })
  }
  const bytes = new TextEncoder().encode(content)
  try {
    encodeChronicleCommand({ kind: 'recordStatement', statement: bytes })
  } catch (error) {
    if (error instanceof StatementSizeError) throw new StatementSizeError({ sizeBytes: bytes.length, where })
    throw error
  }
  return { line, bytes }
}
