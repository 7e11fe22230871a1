import type { DatabaseSync } from 'node:sqlite'

/** Does all that `write` does in one transaction, or nothing of it. @throws what `write` and SQLite throw. */
export function transact(db: DatabaseSync, write: () => void): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    write()
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}
