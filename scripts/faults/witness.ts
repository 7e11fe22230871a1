import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { deriveMessageDigest } from '../../committee/digest.ts'
import { decodeRecord } from '../../committee/record.ts'
import type { Hex } from '../../protocol/bytes.ts'
import { DATABASE } from './damage.ts'
import { createDisk, type Disk } from './disk.ts'
import { createSentReader, type Sent } from './sent.ts'
import type { TraceEvent } from './trace.ts'

/** Follows all that a member does from the day its store was made, and says where it promised what its disk did not hold. */
export type Witness = {
  take(event: TraceEvent): void
  disk: Disk
  findings: readonly string[]
  /** Different messages and acknowledgements that were held against the disk. */
  counts: Readonly<{ messages: number; acknowledgements: number }>
}

/** What would be left if the power went now. */
type Durable = { height: bigint; digests: ReadonlySet<Hex> }

/**
 * @param options.dir - the store, made and not opened yet.
 * @param options.scratch - a folder of its own.
 */
export function createWitness(options: {
  dir: string
  signer: Hex
  signers: readonly Hex[]
  scratch: string
}): Witness {
  const { dir, signer, signers, scratch } = options
  const disk = createDisk(dir)
  const read = createSentReader()
  const findings: string[] = []
  const counts = { messages: 0, acknowledgements: 0 }
  const known = new Set<Hex>()
  let durable: { version: number; content: Durable } | undefined

  function readDurable(): Durable {
    if (durable?.version !== disk.version()) {
      disk.writeDurable(scratch)
      durable = { version: disk.version(), content: readStore(join(scratch, DATABASE)) }
    }
    return durable.content
  }

  /**
   * What is decided binds more than any vote for it: a member signs nothing at a height that its store has decided. A
   * certificate holds for good where the precommits that it is made of do: what is decided again is the same.
   */
  function check(sent: Sent): void {
    if (sent.kind === 'acknowledgement') {
      counts.acknowledgements += 1
      const isOfSelf = ((sent.signers >> BigInt(signers.indexOf(signer))) & 1n) === 1n
      const { height, digests } = readDurable()
      if (isOfSelf && height < sent.height && !digests.has(sent.precommit)) {
        findings.push(`height ${sent.height} was acknowledged before the precommit for it was on disk`)
      }
      return
    }
    const { message } = sent
    if (message.signer !== signer) return
    const digest = deriveMessageDigest(message)
    if (known.has(digest)) return
    known.add(digest)
    counts.messages += 1
    const { height, digests } = readDurable()
    if (message.height <= height || digests.has(digest)) return
    findings.push(`a ${message.kind} for height ${message.height}, round ${message.round} left before it was on disk`)
  }

  return {
    disk,
    findings,
    counts,
    take(event) {
      disk.apply(event)
      if (event.effect.kind === 'send') for (const sent of read(event.path, event.effect.bytes)) check(sent)
    },
  }
}

function readStore(path: string): Durable {
  const db = new DatabaseSync(path)
  try {
    const { height } = db.prepare('SELECT coalesce(max(height), 0) AS height FROM decisions').get() as {
      height: number
    }
    const records = db.prepare('SELECT record FROM wal').all() as { record: Uint8Array }[]
    const digests = records.map(({ record }) => deriveMessageDigest(decodeRecord(record).message))
    return { height: BigInt(height), digests: new Set(digests) }
  } finally {
    db.close()
  }
}
