import { fromHex, type Hex, isEqualBytes } from '../protocol/bytes.ts'
import { CoalitionError, countOf } from '../protocol/errors.ts'
import { TILE_WIDTH } from '../protocol/log/tile.ts'
import { hashLeaf } from '../protocol/log/treeHash.ts'
import { verifyInclusion } from '../protocol/log/verifyInclusion.ts'
import { encodeTicketIssued } from '../protocol/wire/ticket.ts'
import type { LogReader } from './logReader.ts'

/** Bundles of 256 entries that are looked through: a million entries back from the newest. */
const BUNDLES_MAX = 4_096n

export class IssuanceNotFoundError extends CoalitionError {
  constructor({ ticketHash, size }: { ticketHash: Hex; size: bigint }) {
    super('ISSUANCE_NOT_FOUND', `The issuance of ${ticketHash} was not found among ${countOf(size, 'entry')}.`, {
      fix: 'Check that it is this issuer’s ticket and was issued; for one that is older than a million entries, give its index.',
      kind: 'refused',
      isRetryable: true,
    })
  }
}

export type FindIssuanceParameters = {
  ticketHash: Hex
  /** Leaves of the log that is looked through. */
  size: bigint
  /** Root of those leaves, of a commit or head that the caller trusts. */
  root: Hex
  /** Where it is said to be. @default it is looked for, from the newest entry back */
  index?: bigint | undefined
}

/** Place of an issuance in a log, and the proof: from its sibling upward (RFC 9162 §2.1.3). */
export type Issuance = { index: bigint; proof: readonly Uint8Array[] }

/**
 * Finds where a ticket's issuance stands in an issuer's log, and proves it under a root.
 *
 * @throws {IssuanceNotFoundError} the log that is served does not hold it.
 * @throws {InclusionNotProvenError | ProofLengthError} it serves another log than the root's.
 * @throws what the log reader throws.
 */
export async function findIssuance(log: LogReader, parameters: FindIssuanceParameters): Promise<Issuance> {
  const { ticketHash, size, root } = parameters
  const leaf = encodeTicketIssued(ticketHash)
  const index = parameters.index ?? (await lookFor(log, { leaf, size }))
  if (index === undefined || index >= size) throw new IssuanceNotFoundError({ ticketHash, size })
  const proof = await log.proveInclusion({ index, size })
  verifyInclusion({ index, size, root: fromHex(root), leafHash: hashLeaf(leaf), proof })
  return { index, proof }
}

/** From the newest entry back, because tickets are shown soon after they were issued. */
async function lookFor(
  log: LogReader,
  { leaf, size }: { leaf: Uint8Array; size: bigint },
): Promise<bigint | undefined> {
  const width = BigInt(TILE_WIDTH)
  const bundleCount = (size + width - 1n) / width
  const end = bundleCount > BUNDLES_MAX ? bundleCount - BUNDLES_MAX : 0n
  for (let bundle = bundleCount - 1n; bundle >= end; bundle--) {
    const entries = await log.readEntries({ index: bundle * width, size })
    // A hash is issued once at a time, and again at the earliest when it had ended: the newest is the one that counts.
    const place = entries.findLastIndex((entry) => isEqualBytes(entry, leaf))
    if (place >= 0) return bundle * width + BigInt(place)
  }
  return undefined
}
