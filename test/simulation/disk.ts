import type { Block } from '../../committee/types.ts'
import type { Hex } from '../../protocol/bytes.ts'
import type { Certificate } from '../../protocol/wire/certificate.ts'
import type { Body, Commit } from '../../protocol/wire/commit.ts'
import type { ReplicaState } from './component.ts'

/** A decided height as a member keeps and serves it. */
export type Decision = {
  commit: Commit
  commitDigest: Hex
  certificate: Certificate
  body: Body
  block: Block
  /** Encoded vote extensions for it. */
  extensions: readonly Uint8Array[]
}

type Content = { wal: readonly Uint8Array[]; decisions: readonly Decision[]; state: ReplicaState }

/** What a member keeps: written first, durable at the next `sync`, and gone with the power until then (spec §5.4). */
export class Disk {
  #durable: Content
  #written: Content

  constructor(genesis: ReplicaState) {
    this.#durable = { wal: [], decisions: [], state: genesis }
    this.#written = this.#durable
  }

  append(record: Uint8Array): void {
    this.#written = { ...this.#written, wal: [...this.#written.wal, record] }
  }

  /** A decision replaces the write-ahead log that led to it, whole or not at all; the next record's sync is its own. */
  decide(decision: Decision, state: ReplicaState): void {
    this.#written = { wal: [], decisions: [...this.#written.decisions, decision], state }
  }

  sync(): void {
    this.#durable = this.#written
  }

  /** The power fails: what was not yet durable is lost. */
  lose(): void {
    this.#written = this.#durable
  }

  /** What its process reads: all that it wrote. */
  get written(): Content {
    return this.#written
  }

  /** All that is durable. Values: a backup is the thing itself. */
  read(): Content {
    return this.#durable
  }

  restore(backup: Content): void {
    this.#durable = backup
    this.#written = backup
  }
}
