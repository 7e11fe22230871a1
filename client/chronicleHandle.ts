import { fromHex } from '../protocol/bytes.ts'
import type { CoalitionConfig } from '../protocol/identity/coalition.ts'
import { toHex as configToHex } from '../protocol/identity/configCodec.ts'
import { encodeChronicleCommand } from '../protocol/wire/chronicleCommand.ts'
import { type ChronicleEntry, decodeChronicleEntry } from '../protocol/wire/chronicleEntry.ts'
import type { RecordedEnd } from '../protocol/wire/recordedEnd.ts'
import {
  type Basis,
  type ComponentHandle,
  type ComponentHandleDeps,
  createComponentHandle,
  firstToHold,
  type ReadEntriesParameters,
} from './componentHandle.ts'
import type { SigningKey } from './createWriter.ts'
import type { ProvenEntry } from './proveEntries.ts'
import type { Component } from './readComponent.ts'
import { type ProvenPage, searchChronicle } from './searchChronicle.ts'
import type { SearchQuery } from './searchPage.ts'
import type { Submitted } from './submit.ts'

/** An entry with its proof, and what it says; `said` is undefined where it is of a kind that this release does not know. */
export type ReadEntry = ProvenEntry & { said: ChronicleEntry | undefined }

/** Writes to a Chronicle in one submitter's name; each call resolves with a proven acknowledgement, in the order of the calls. */
export type ChronicleRecorder = {
  /** Records statements of the submitter: 1 to 256, in one commit. @throws {StatementSizeError} @throws as `Writer.write`. */
  state(statements: readonly Uint8Array[]): Promise<Submitted>
  /** Publishes a config of this coalition; what it adds and removes follows from it. @throws {PublishedConfigSizeError} */
  publish(coalition: CoalitionConfig): Promise<Submitted>
  /** Records how an epoch of another component ended, as `prepareRecord` gives it. */
  record(end: RecordedEnd): Promise<Submitted>
  close(): Promise<void>
}

/** The audit log of a coalition (docs/integrators/chronicle.md). */
export type ChronicleHandle = ComponentHandle & {
  /** Entries, each proven, and what they say. @throws as `readEntries`. */
  read(parameters?: ReadEntriesParameters): Promise<{ basis: Basis; entries: readonly ReadEntry[] }>
  /**
   * Searches one member's index, and proves each hit. The next member is asked where one does not answer or is found lying;
   * that nothing was left out is no proof's to show (docs/integrators/chronicle.md).
   *
   * @throws as `searchChronicle`.
   */
  search(query: SearchQuery): Promise<ProvenPage>
  /** @throws as `createWriter`. */
  createRecorder(options: { key: SigningKey; timeoutMs?: number }): Promise<ChronicleRecorder>
}

export function createChronicleHandle(deps: ComponentHandleDeps, component: Component): ChronicleHandle {
  const handle = createComponentHandle(deps, component)
  return {
    ...handle,
    async read(parameters) {
      const { basis, entries } = await handle.readEntries(parameters)
      return { basis, entries: entries.map((proven) => ({ ...proven, said: decodeChronicleEntry(proven.entry) })) }
    },
    search: (query) =>
      firstToHold(handle.logs(), (log) => searchChronicle({ log }, { epochs: handle.knownEpochs(), query })),
    async createRecorder(options) {
      const writer = await handle.createWriter(options)
      return {
        state: (statements) =>
          writer.write(statements.map((statement) => encodeChronicleCommand({ kind: 'recordStatement', statement }))),
        publish: (coalition) =>
          writer.write([encodeChronicleCommand({ kind: 'publishCoalition', config: fromHex(configToHex(coalition)) })]),
        record: (end) => writer.write([encodeChronicleCommand(end)]),
        close: () => writer.close(),
      }
    },
  }
}
