import { fromHex, type Hex, isEqualBytes, toHex } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { deriveTypehash, packWordsAndBytes } from './typedData.ts'

/**
 * Bytes of one statement at the most: an entry of a log has at most 65,535 (spec §6), and the leaf around a
 * statement takes six words, the padding of the last one included.
 */
export const STATEMENT_SIZE_MAX_BYTES = 65_312

/** What may be asked of a Chronicle. */
export type ChronicleCommand =
  /** Records the submitter's own statement, as bytes. */
  | { kind: 'recordStatement'; statement: Uint8Array }
  /** Marks the commit for the chain before its cadence is due. */
  | { kind: 'requestAnchor' }

export const RECORD_STATEMENT_TYPEHASH: Hex = deriveTypehash('RecordStatement(bytes statement)')
export const REQUEST_ANCHOR_TYPEHASH: Hex = deriveTypehash('RequestAnchor()')

export class StatementSizeError extends CoalitionError {
  constructor({ sizeBytes, where = 'A statement' }: { sizeBytes: number; where?: string }) {
    super('STATEMENT_SIZE', `${where} has ${sizeBytes} bytes; a statement has 1 to ${STATEMENT_SIZE_MAX_BYTES}.`, {
      fix: 'Record a digest and keep the document elsewhere, or split it into several statements.',
    })
  }
}

export class UnknownCommandError extends CoalitionError {
  constructor() {
    super('UNKNOWN_COMMAND', 'The bytes are no command that this Chronicle knows.', {
      fix: 'Encode commands with encodeChronicleCommand of the version that the committee runs.',
    })
  }
}

/** @throws {StatementSizeError} an empty statement, or one that no leaf could hold. */
export function encodeChronicleCommand(command: ChronicleCommand): Uint8Array {
  if (command.kind === 'requestAnchor') return fromHex(REQUEST_ANCHOR_TYPEHASH)
  assertStatementSize(command.statement)
  return packWordsAndBytes([RECORD_STATEMENT_TYPEHASH], command.statement)
}

/**
 * The exact inverse of `encodeChronicleCommand`.
 *
 * @throws {UnknownCommandError} another kind, or not the one canonical encoding.
 * @throws {StatementSizeError} as encoding does.
 */
export function decodeChronicleCommand(bytes: Uint8Array): ChronicleCommand {
  const typehash = toHex(bytes.subarray(0, 32))
  if (typehash === REQUEST_ANCHOR_TYPEHASH && bytes.length === 32) return { kind: 'requestAnchor' }
  if (typehash !== RECORD_STATEMENT_TYPEHASH) throw new UnknownCommandError()
  // typehash, where the statement stands, its length, the statement: what is not so is not what encoding it gives.
  const sizeBytes = bytes.length < 96 ? 0 : Number(BigInt(toHex(bytes.subarray(64, 96))))
  const statement = bytes.subarray(96, 96 + sizeBytes)
  const command = { kind: 'recordStatement', statement } as const
  if (!isEqualBytes(encodeChronicleCommand(command), bytes)) throw new UnknownCommandError()
  return command
}

function assertStatementSize({ length: sizeBytes }: Uint8Array): void {
  if (sizeBytes < 1 || sizeBytes > STATEMENT_SIZE_MAX_BYTES) throw new StatementSizeError({ sizeBytes })
}
