import { fromHex, type Hex, isEqualBytes } from '../bytes.ts'
import { CoalitionError } from '../errors.ts'
import { decodeRecordedEnd, encodeRecordedEnd, type RecordedEnd } from './recordedEnd.ts'
import { deriveTypehash, packWords, packWordsAndBytes } from './typedData.ts'

/**
 * Bytes of one statement at the most: an entry of a log has at most 65,535 (spec §6), and the leaf around a
 * statement takes six words, the padding of the last one included.
 */
export const STATEMENT_SIZE_MAX_BYTES = 65_312

/** Canonical bytes of a config that a Chronicle takes at the most: as many as the CoalitionRegistry does. */
export const PUBLISHED_CONFIG_SIZE_MAX_BYTES = 122_880

/** What may be asked of a Chronicle. */
export type ChronicleCommand =
  /** Records the submitter's own statement, as bytes. */
  | { kind: 'recordStatement'; statement: Uint8Array }
  /** Marks the commit for the chain before its cadence is due. */
  | { kind: 'requestAnchor' }
  /** Publishes a config of this Chronicle's coalition: `config` are its canonical bytes (spec §3.1). */
  | { kind: 'publishCoalition'; config: Uint8Array }
  /** Records that another component's committee rotated, or that the component retired. */
  | RecordedEnd

export const RECORD_STATEMENT_TYPEHASH: Hex = deriveTypehash('RecordStatement(bytes statement)')
export const REQUEST_ANCHOR_TYPEHASH: Hex = deriveTypehash('RequestAnchor()')
export const PUBLISH_COALITION_TYPEHASH: Hex = deriveTypehash('PublishCoalition(bytes config)')

const REQUEST_ANCHOR = fromHex(REQUEST_ANCHOR_TYPEHASH)
/** typehash, the offset of what it carries, its length. */
const HEAD_SIZE_BYTES = 96
/** All of them but the last four bytes of the length: what has 4 GiB and more has no encoding. */
const headOf = (typehash: Hex): Uint8Array => packWords([typehash, 64, 0]).subarray(0, HEAD_SIZE_BYTES - 4)
const RECORD_STATEMENT_HEAD = headOf(RECORD_STATEMENT_TYPEHASH)
const PUBLISH_COALITION_HEAD = headOf(PUBLISH_COALITION_TYPEHASH)

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

export class PublishedConfigSizeError extends CoalitionError {
  constructor({ sizeBytes }: { sizeBytes: number }) {
    super(
      'PUBLISHED_CONFIG_SIZE',
      `The config has ${sizeBytes} canonical bytes; a Chronicle takes 1 to ${PUBLISHED_CONFIG_SIZE_MAX_BYTES}.`,
      { fix: 'Split the coalition, or record the digest of the config as a statement.' },
    )
  }
}

/**
 * @throws {StatementSizeError} an empty statement, or one that no leaf could hold.
 * @throws {PublishedConfigSizeError} an empty config, or one that is too large.
 */
export function encodeChronicleCommand(command: ChronicleCommand): Uint8Array {
  switch (command.kind) {
    case 'requestAnchor':
      return Uint8Array.from(REQUEST_ANCHOR)
    case 'recordStatement':
      assertStatementSize(command.statement)
      return packWordsAndBytes([RECORD_STATEMENT_TYPEHASH], command.statement)
    case 'publishCoalition':
      assertConfigSize(command.config)
      return packWordsAndBytes([PUBLISH_COALITION_TYPEHASH], command.config)
    default:
      return encodeRecordedEnd(command)
  }
}

/**
 * The exact inverse of `encodeChronicleCommand`. Whether a config or a certificate is one is not looked at.
 *
 * @throws {UnknownCommandError} another kind, or not the one canonical encoding.
 * @throws {StatementSizeError | PublishedConfigSizeError} as encoding does.
 */
export function decodeChronicleCommand(bytes: Uint8Array): ChronicleCommand {
  if (isEqualBytes(bytes, REQUEST_ANCHOR)) return { kind: 'requestAnchor' }
  if (startsWith(bytes, RECORD_STATEMENT_HEAD)) {
    return { kind: 'recordStatement', statement: decodeTail(bytes, assertStatementSize) }
  }
  if (startsWith(bytes, PUBLISH_COALITION_HEAD)) {
    return { kind: 'publishCoalition', config: decodeTail(bytes, assertConfigSize) }
  }
  const end = decodeRecordedEnd(bytes)
  if (end === undefined) throw new UnknownCommandError()
  return end
}

/**
 * What stands behind a head that was compared already. By hand, because members decode each command of each envelope: the
 * length, the bytes, zeros up to a whole word.
 */
function decodeTail(bytes: Uint8Array, assertSize: (of: { length: number }) => void): Uint8Array {
  if (bytes.length < HEAD_SIZE_BYTES) throw new UnknownCommandError()
  const sizeBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(HEAD_SIZE_BYTES - 4)
  const end = HEAD_SIZE_BYTES + sizeBytes
  assertSize({ length: sizeBytes })
  if (bytes.length !== HEAD_SIZE_BYTES + Math.ceil(sizeBytes / 32) * 32) throw new UnknownCommandError()
  for (let at = end; at < bytes.length; at++) if (bytes[at] !== 0) throw new UnknownCommandError()
  return bytes.subarray(HEAD_SIZE_BYTES, end)
}

function startsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  if (bytes.length < head.length) return false
  for (let at = 0; at < head.length; at++) if (bytes[at] !== head[at]) return false
  return true
}

function assertStatementSize({ length: sizeBytes }: { length: number }): void {
  if (sizeBytes < 1 || sizeBytes > STATEMENT_SIZE_MAX_BYTES) throw new StatementSizeError({ sizeBytes })
}

function assertConfigSize({ length: sizeBytes }: { length: number }): void {
  if (sizeBytes < 1 || sizeBytes > PUBLISHED_CONFIG_SIZE_MAX_BYTES) throw new PublishedConfigSizeError({ sizeBytes })
}
