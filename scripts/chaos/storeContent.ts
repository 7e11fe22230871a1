import { DatabaseSync } from 'node:sqlite'

/** What a member's store holds, read by nothing but SQLite. */
export type StoreContent = {
  name: string
  /** By height, from 1. */
  decisions: readonly { record: string; envelopes: readonly { digest: string; bytes: Uint8Array }[] }[]
  entries: readonly Uint8Array[]
  /** Write-ahead records since the last decision. */
  wal: readonly Uint8Array[]
  evidenceCount: number
  /** Why the member may never run again; null where it may. */
  halted: string | null
}

type DecisionRow = { height: number; record: string }
type EnvelopeRow = { height: number; digest: string; bytes: Uint8Array }
type BytesRow = { bytes: Uint8Array }

/** Reads the store at `path`. Its member must have ended. */
export function readStoreContent({ name, path }: { name: string; path: string }): StoreContent {
  const db = new DatabaseSync(path, { readOnly: true })
  const all = <Row>(sql: string): Row[] => db.prepare(sql).all() as Row[]
  try {
    const batches = new Map<number, { digest: string; bytes: Uint8Array }[]>()
    for (const { height, digest, bytes } of all<EnvelopeRow>(
      'SELECT height, digest, bytes FROM envelopes ORDER BY height, position',
    )) {
      const batch = batches.get(height) ?? []
      batch.push({ digest, bytes })
      batches.set(height, batch)
    }
    const rows = all<DecisionRow>('SELECT height, record FROM decisions ORDER BY height')
    return {
      name,
      decisions: rows.map(({ height, record }) => ({ record, envelopes: batches.get(height) ?? [] })),
      entries: all<BytesRow>('SELECT bytes FROM entries ORDER BY position').map(({ bytes }) => bytes),
      wal: all<BytesRow>('SELECT record AS bytes FROM wal ORDER BY id').map(({ bytes }) => bytes),
      evidenceCount: all<{ count: number }>('SELECT count(*) AS count FROM evidence')[0]!.count,
      halted: all<{ halted: string | null }>('SELECT halted FROM meta')[0]!.halted,
    }
  } finally {
    db.close()
  }
}
