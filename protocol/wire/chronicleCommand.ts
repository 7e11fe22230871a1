import { fromHex, type Hex, isEqualBytes } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { deriveTypehash, packWords, packWordsAndBytes } from './typedData.ts'

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

const REQUEST_ANCHOR = fromHex(REQUEST_ANCHOR_TYPEHASH)
/** typehash, the statement's offset, its length. */
const HEAD_SIZE_BYTES = 96
/** All of them but the last four bytes of the length: a statement of 4 GiB and more has no encoding. */
const RECORD_STATEMENT_HEAD = packWords([RECORD_STATEMENT_TYPEHASH, 64, 0]).subarray(0, HEAD_SIZE_BYTES - 4)

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
  if (command.kind === 'requestAnchor') return Uint8Array.from(REQUEST_ANCHOR)
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
  if (isEqualBytes(bytes, REQUEST_ANCHOR)) return { kind: 'requestAnchor' }
  // By hand, because members decode each command of each envelope: typehash and where the statement stands, its length, the
  // statement, zeros up to a whole word.
  if (bytes.length < HEAD_SIZE_BYTES || !startsWith(bytes, RECORD_STATEMENT_HEAD)) throw new UnknownCommandError()
  const sizeBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(HEAD_SIZE_BYTES - 4)
  const end = HEAD_SIZE_BYTES + sizeBytes
  assertStatementSize({ length: sizeBytes })
  if (bytes.length !== HEAD_SIZE_BYTES + Math.ceil(sizeBytes / 32) * 32) throw new UnknownCommandError()
  for (let at = end; at < bytes.length; at++) if (bytes[at] !== 0) throw new UnknownCommandError()
  return { kind: 'recordStatement', statement: bytes.subarray(HEAD_SIZE_BYTES, end) }
}

function startsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  for (let at = 0; at < head.length; at++) if (bytes[at] !== head[at]) return false
  return true
}

function assertStatementSize({ length: sizeBytes }: { length: number }): void {
  if (sizeBytes < 1 || sizeBytes > STATEMENT_SIZE_MAX_BYTES) throw new StatementSizeError({ sizeBytes })
}
