import { type ComponentRegistry, openComponentRegistry } from '../chain/componentRegistry.ts'
import type { Chain } from '../chain/connectChain.ts'
import type { Head } from '../chain/head.ts'
import type { Hex } from '../protocol/bytes.ts'
import { CoalitionError } from '../protocol/errors.ts'
import type { VerifiedCommit } from '../protocol/wire/certificate.ts'
import type { CommitRecord } from '../protocol/wire/commitRecord.ts'
import { createWriter, type SigningKey, type Writer } from './createWriter.ts'
import { createEpochs, type Epochs } from './epochs.ts'
import { findSuccessor, type Successor } from './findSuccessor.ts'
import { followEpochs } from './followEpochs.ts'
import type { LogReader } from './logReader.ts'
import { type ProvenEntry, proveEntries } from './proveEntries.ts'
import { readAnchored } from './readAnchored.ts'
import { readCertified } from './readCertified.ts'
import type { Component, ComponentKind } from './readComponent.ts'
import { NotAnchoredError } from './verifyEntry.ts'

/** Entries that one call reads at the most. */
export const ENTRIES_READ_MAX = 1_024

/**
 * What a read is to be proven by. `certified`: a quorum of the committee signed the commit that covers it. `anchored`: that
 * commit is the newest on the home chain, too, where no committee can rewrite it and any contract can check the same proof.
 */
export type Proof = (typeof PROOFS)[number]
const PROOFS = ['certified', 'anchored'] as const

/** The commit that a read was proven under. */
export type Basis = {
  /** As a member served it: what to show to somebody else. */
  record: CommitRecord
  commit: VerifiedCommit
  /** The newest head on chain, which is of that commit, where `anchored` was asked for. */
  head: Head | undefined
}

/** Entries with their proofs, in order of index. */
export type ProvenEntries = { basis: Basis; entries: readonly ProvenEntry[] }

export type ReadEntriesParameters = {
  /** First index; negative counts from the end of the log. @default 0 */
  start?: bigint
  /** How many at the most, up to 1,024. @default 256 */
  count?: number
  /** @default 'certified' */
  proof?: Proof
}

export class NotBoundError extends CoalitionError {
  constructor({ kind, missing }: { kind: string; missing: 'http' | 'redis' }) {
    const what = missing === 'http' ? 'no log of its members' : 'no Redis'
    super('NOT_BOUND', `This asks for more of ${kind} than it was bound to: ${what} was given.`, {
      fix:
        missing === 'http'
          ? `Give bind the URLs of members' logs as http.${kind}.`
          : 'Give bind the members’ Redis as redis.',
    })
  }
}

export class EntryRangeError extends CoalitionError {
  constructor({ count }: { count: number }) {
    super('ENTRY_RANGE', `${count} entries cannot be read at once.`, {
      fix: `Ask for 1 to ${ENTRIES_READ_MAX} at a time, and go on from the last.`,
    })
  }
}

/** What only a caller without types can give. */
export class InvalidReadError extends CoalitionError {
  constructor({ parameter, given, takes }: { parameter: string; given: unknown; takes: string }) {
    const shown = typeof given === 'string' ? JSON.stringify(given.slice(0, 64)) : `of type ${typeof given}`
    super('INVALID_READ', `The parameter ${parameter} of a read is ${shown}.`, { fix: `Give ${takes}.` })
  }
}

/** Whatever is not asked for by its name would be read as the weaker of the two. @throws {InvalidReadError} */
export function assertProof(proof: Proof): void {
  if (!PROOFS.includes(proof)) {
    throw new InvalidReadError({ parameter: 'proof', given: proof, takes: `${PROOFS.join(' or ')}, or leave it out` })
  }
}

/** @throws {InvalidReadError | EntryRangeError} */
function assertReadable({ start, count, proof, ...others }: Required<ReadEntriesParameters>): void {
  const [parameter] = Object.keys(others)
  if (parameter !== undefined) {
    const given = (others as Record<string, unknown>)[parameter]
    throw new InvalidReadError({ parameter, given, takes: 'start, count and proof alone' })
  }
  if (typeof start !== 'bigint')
    throw new InvalidReadError({ parameter: 'start', given: start, takes: 'a bigint, as 10n' })
  if (!Number.isSafeInteger(count) || count < 1 || count > ENTRIES_READ_MAX) throw new EntryRangeError({ count })
  assertProof(proof)
}

/** One component that a config names, as an integrator holds it. Nothing is read before it is asked for, and no member is believed. */
export type ComponentHandle = {
  readonly kind: ComponentKind
  /** Component key. */
  readonly component: Hex
  readonly componentId: Hex
  /** Logs of its members. @throws {NotBoundError} none was given. */
  logs(): readonly LogReader[]
  /**
   * Who decides, each committee certified by the one before it, and its last word where it has retired: what was logged
   * stays readable then, and writing is refused.
   */
  readEpochs(): Promise<Epochs>
  /** The same as far as it was read so far; at first, the genesis committee. */
  knownEpochs(): Epochs
  /** The newest head on its home chain. @throws {ComponentUnknownError} nobody registered it. @throws {HeadUnprovenError} */
  readHead(): Promise<Head>
  /**
   * Entries of its log, each proven.
   *
   * @throws {EntryRangeError | InvalidReadError | NotBoundError}
   * @throws {NotAnchoredError} an anchored proof is asked for, and the first of them is not on the chain yet.
   * @throws {NotVerifiedError} no log shows what the commit covers.
   * @throws what `readCertified`, or for `anchored` the registry and `readAnchored`, throw.
   */
  readEntries(parameters?: ReadEntriesParameters): Promise<ProvenEntries>
  /** Brings commands of `key`. @throws {NotBoundError} no Redis was given. @throws as `createWriter`. */
  createWriter(options: { key: SigningKey; timeoutMs?: number }): Promise<Writer>
  /** Who took its place; undefined where it is at work. @throws as `findSuccessor` and `readEpochs`. */
  findSuccessor(): Promise<Successor | undefined>
}

export type ComponentHandleDeps = {
  chain: Chain
  logs: readonly LogReader[]
  redisUrl: string | undefined
  /** First block whose events heads are rebuilt from. */
  fromBlock: bigint
}

export function createComponentHandle(deps: ComponentHandleDeps, of: Component): ComponentHandle {
  const { chain, redisUrl, fromBlock } = deps
  const { kind, component, componentId, home } = of
  let epochs = createEpochs(of)

  const logs = (): readonly LogReader[] => {
    if (deps.logs.length === 0) throw new NotBoundError({ kind, missing: 'http' })
    return deps.logs
  }
  const openRegistry = (): Promise<ComponentRegistry> =>
    openComponentRegistry(chain, { address: home.registry, fromBlock })
  async function readEpochs(): Promise<Epochs> {
    epochs = await followEpochs({ logs: logs() }, epochs)
    return epochs
  }

  async function readBasis(proof: Proof): Promise<Basis> {
    if (proof === 'certified') {
      const { record, commit, epochs: followed } = await readCertified({ logs: logs() }, epochs)
      epochs = followed
      return { record, commit, head: undefined }
    }
    const registry = await openRegistry()
    const head = await registry.readHead({ component })
    if (head.anchorIndex === 0n) throw new NotAnchoredError({ index: 0n, size: 0n })
    const { record, commit } = await firstToHold(logs(), (log) => readAnchored({ registry, log }, { component, head }))
    return { record, commit, head }
  }

  return {
    kind,
    component,
    componentId,
    logs,
    readEpochs,
    knownEpochs: () => epochs,
    readHead: async () => (await openRegistry()).readHead({ component }),
    async readEntries({ start = 0n, count = 256, proof = 'certified', ...others } = {}) {
      assertReadable({ start, count, proof, ...others })
      const basis = await readBasis(proof)
      const { logSize: size, logRoot: root } = basis.commit.commit
      const first = start >= 0n ? start : size + start > 0n ? size + start : 0n
      if (basis.head !== undefined && first >= size) throw new NotAnchoredError({ index: first, size })
      const end = first + BigInt(count) < size ? first + BigInt(count) : size
      const entries = await firstToHold(logs(), (log) => proveEntries(log, { start: first, end, size, root }))
      return { basis, entries }
    },
    async createWriter({ key, timeoutMs }) {
      if (redisUrl === undefined) throw new NotBoundError({ kind, missing: 'redis' })
      return await createWriter({ redisUrl, logs: logs() }, { epochs, key, timeoutMs })
    },
    async findSuccessor() {
      const { retirement } = await readEpochs()
      if (retirement === null) return undefined
      return await findSuccessor({ chain }, { successor: retirement.successor, registry: home.registry })
    },
  }
}

/** What the first log gives that holds; else why the first did not. */
export async function firstToHold<T>(logs: readonly LogReader[], read: (log: LogReader) => Promise<T>): Promise<T> {
  let fault: unknown
  for (const log of logs) {
    try {
      return await read(log)
    } catch (error) {
      if (!(error instanceof CoalitionError)) throw error
      fault ??= error
    }
  }
  throw fault
}
