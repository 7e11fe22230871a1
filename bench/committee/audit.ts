import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Hex } from '../../protocol/bytes.ts'
import { decodeEnvelope } from '../../protocol/wire/envelope.ts'

/** What the members' stores hold, after they stopped. */
export type Audit = {
  /** Distinct commands of `submitters` that are in every store. */
  countCommands(submitters: readonly Hex[]): number
  /** Records that each member made durable before it signed, since it began. */
  walRecords: number[]
  heights: number
}

/** Counts from the stores themselves: what a client was told counts for nothing here. */
export function auditStores(folders: readonly string[]): Audit {
  const stores = folders.map(readStore)
  return {
    countCommands(submitters) {
      const [first, ...others] = stores
      let count = 0
      for (const [digest, { submitter, commands }] of first!.envelopes) {
        if (submitters.includes(submitter) && others.every(({ envelopes }) => envelopes.has(digest))) count += commands
      }
      return count
    },
    walRecords: stores.map(({ walRecords }) => walRecords),
    heights: Math.min(...stores.map(({ heights }) => heights)),
  }
}

function readStore(folder: string) {
  const db = new DatabaseSync(join(folder, 'member.sqlite'))
  try {
    const envelopes = new Map<string, { submitter: Hex; commands: number }>()
    for (const row of db.prepare('SELECT digest, bytes FROM envelopes').iterate()) {
      const { submitter, commands } = decodeEnvelope(row.bytes as Uint8Array)
      const distinct = new Set(commands.map((command) => Buffer.from(command).toString('latin1')))
      envelopes.set(row.digest as string, { submitter, commands: distinct.size })
    }
    const base = db.prepare('SELECT id FROM wal_base').get()
    const newest = db.prepare('SELECT max(height) AS height FROM decisions').get()
    return { envelopes, walRecords: Number(base?.id ?? 0), heights: Number(newest?.height ?? 0) }
  } finally {
    db.close()
  }
}
