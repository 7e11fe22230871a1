import { fromHex } from '../protocol/bytes.ts'
import { CoalitionError, countOf } from '../protocol/errors.ts'
import { hashLeaf } from '../protocol/log/treeHash.ts'
import { verifyInclusion } from '../protocol/log/verifyInclusion.ts'
import { decodeChronicleCommand } from '../protocol/wire/chronicleCommand.ts'
import type { Commit } from '../protocol/wire/commit.ts'
import type { Envelope } from '../protocol/wire/envelope.ts'
import { encodeOperatorStatement } from '../protocol/wire/operatorStatement.ts'
import { type LogReader, NotInLogError } from './logReader.ts'

export class EntryNotFoundError extends CoalitionError {
  constructor({ size }: { size: bigint }) {
    super(
      'ENTRY_NOT_FOUND',
      `The log of ${countOf(size, 'entry')} that was served does not hold what was acknowledged.`,
      {
        fix: 'Read from another member: this one serves a log that is not the certified one.',
        kind: 'refused',
      },
    )
  }
}

/**
 * Finds where the statements of a decided envelope stand in the log, and proves the first of them under the commit's
 * own root. A member's answer is only a hint: what is returned was verified.
 *
 * @param parameters.commit the certified commit that decided `envelope`.
 * @throws {EntryNotFoundError} the log served does not hold them.
 * @throws what the log reader throws.
 */
export async function locateStatements(
  { log }: { log: LogReader },
  { envelope, commit }: { envelope: Envelope; commit: Commit },
): Promise<{ firstIndex: bigint }> {
  const { submitter, sequence } = envelope
  const index = envelope.commands.findIndex((bytes) => decodeChronicleCommand(bytes).kind === 'recordStatement')
  const command = decodeChronicleCommand(envelope.commands[index] ?? new Uint8Array(0))
  if (command.kind !== 'recordStatement') throw new EntryNotFoundError({ size: commit.logSize })
  const wanted = encodeOperatorStatement({ submitter, sequence, index, statement: command.statement })
  const { index: firstIndex } = await locateEntry(
    { log },
    { commit, isWanted: (entry) => Buffer.compare(entry, wanted) === 0 },
  )
  return { firstIndex }
}

/**
 * Finds the first entry of a commit that is wanted, and proves it under the commit's own root.
 *
 * @param parameters.commit a certified commit.
 * @throws {EntryNotFoundError} the log served has none among the commit's.
 * @throws what the log reader throws, and `verifyInclusion`.
 */
export async function locateEntry(
  { log }: { log: LogReader },
  { commit, isWanted }: { commit: Commit; isWanted: (entry: Uint8Array) => boolean },
): Promise<{ index: bigint; entry: Uint8Array }> {
  const size = commit.logSize
  const start = await readSizeBefore(log, commit)
  for (let index = start; index < size; index++) {
    const entry = await log.readEntry({ index, size })
    if (!isWanted(entry)) continue
    const proof = await log.proveInclusion({ index, size })
    verifyInclusion({ index, size, root: fromHex(commit.logRoot), leafHash: hashLeaf(entry), proof })
    return { index, entry }
  }
  throw new EntryNotFoundError({ size })
}

async function readSizeBefore(log: LogReader, { height }: Commit): Promise<bigint> {
  if (height === 1n) return 0n
  try {
    return (await log.readCommit(height - 1n)).commit.logSize
  } catch (error) {
    if (error instanceof NotInLogError) return 0n
    throw error
  }
}
