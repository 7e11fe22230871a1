import { CoalitionError } from '../../protocol/errors.ts'
import { planConsistency } from '../../protocol/log/proofPlan.ts'
import type { NoteSignature } from '../../protocol/log/signedNote.ts'
import { completeFromTiles, tilesOf } from '../../protocol/log/tileProof.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Publication, ShownHead } from './publication.ts'
import type { Store } from './store.ts'
import type { DropReason } from './vitals.ts'
import {
  addCheckpoint,
  CosignatureRefusedError,
  type Witness,
  WitnessConflictError,
  WitnessContradictsError,
} from './witness.ts'

/** Between two rounds. A round asks each witness that has not cosigned the newest checkpoint yet. */
const ROUND_INTERVAL_MS = 1_000
/** What one witness may take for one answer. */
const ANSWER_TIMEOUT_MS = 5_000
/** How long a witness that failed is left alone: twice as long each time. */
const BACKOFF_MIN_MS = 2_000
const BACKOFF_MAX_MS = 60_000
/** Requests to one witness in one round: other members ask it too, so what it has cosigned last may change between two. */
const TRIES_MAX = 3

export type WitnessesDependencies = {
  publication: Pick<Publication, 'head'>
  store: Pick<Store, 'readTile'>
  drop(reason: DropReason): void
  logger: Logger
  clock: { nowMs(): number }
}

export type WitnessesOptions = {
  witnesses: readonly Witness[]
  /** Milliseconds. @default 1,000 */
  intervalMs?: number
  /** Milliseconds. @default 5,000 */
  timeoutMs?: number
}

type Standing = {
  witness: Witness
  /** Leaves of what it has cosigned last, as far as is known. */
  size: bigint
  /** The text that it has cosigned for this member last, and how. */
  cosigned: { text: string; line: NoteSignature } | undefined
  failures: number
  retryMs: number
}

/**
 * Shows each new checkpoint to the witnesses and hands what they cosign to the publication (C2SP tlog-witness). Nothing waits
 * for it: one round at a time, one request to a witness at a time, and one that does not answer is left alone for longer and
 * longer.
 */
export function startWitnesses(
  { publication, store, drop, logger, clock }: WitnessesDependencies,
  { witnesses, intervalMs = ROUND_INTERVAL_MS, timeoutMs = ANSWER_TIMEOUT_MS }: WitnessesOptions,
): { close(): Promise<void> } {
  const standings = witnesses.map(
    (witness): Standing => ({ witness, size: 0n, cosigned: undefined, failures: 0, retryMs: 0 }),
  )
  const closing = new AbortController()
  const { signal } = closing
  async function runRounds(): Promise<void> {
    while (!signal.aborted) {
      try {
        const head = publication.head()
        if (head.size > 0n) await Promise.all(standings.map((standing) => show(standing, head)))
      } catch (error) {
        // A fault in here is no reason to stop voting.
        logger.error({ err: error }, 'showing a checkpoint to the witnesses failed')
      }
      await pause()
    }
  }

  async function show(standing: Standing, head: ShownHead): Promise<void> {
    const { witness, failures } = standing
    if (standing.cosigned?.text === head.text || clock.nowMs() < standing.retryMs) return
    const { name } = witness.key
    try {
      const line = await ask(standing, head)
      if (line === undefined) return
      if (failures > 0) logger.info({ witness: name, size: head.size }, 'this witness cosigns again')
      standing.failures = 0
      standing.cosigned = { text: head.text, line }
      const lines = standings.flatMap(({ cosigned }) => (cosigned?.text === head.text ? [cosigned.line] : []))
      head.cosign(lines)
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof CosignatureRefusedError) drop('cosignature')
      standing.failures += 1
      standing.retryMs = clock.nowMs() + Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (standing.failures - 1))
      const isGrave = !(error instanceof CoalitionError) || error instanceof WitnessContradictsError
      logger[isGrave ? 'error' : 'warn']({ err: error, witness: name, size: head.size }, 'a witness does not cosign')
    }
  }

  /** Its line; undefined where it has cosigned more than this checkpoint, for a member that was faster. */
  async function ask(standing: Standing, head: ShownHead): Promise<NoteSignature | undefined> {
    const { note, size } = head
    for (let tries = 1; tries <= TRIES_MAX; tries++) {
      // What it is said to have cosigned beyond this checkpoint may be forgotten or never have been: it is asked again.
      const oldSize = standing.size > size ? size : standing.size
      const proof = oldSize === 0n ? [] : prove({ size1: oldSize, size2: size })
      try {
        const line = await addCheckpoint(standing.witness, { note, size, oldSize, proof, timeoutMs, signal })
        standing.size = size
        return line
      } catch (error) {
        if (!(error instanceof WitnessConflictError)) throw error
        standing.size = error.size
        if (error.size > size) return undefined
      }
    }
    return undefined
  }

  function prove(sizes: { size1: bigint; size2: bigint }): Uint8Array[] {
    const plan = planConsistency(sizes)
    return completeFromTiles(
      plan,
      tilesOf(plan).map(({ level, index }) => store.readTile(level, index) ?? new Uint8Array(0)),
    )
  }

  function pause(): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, intervalMs)
      signal.addEventListener('abort', end)
      if (signal.aborted) end()
    })
  }

  const running = witnesses.length === 0 ? Promise.resolve() : runRounds()
  return {
    async close() {
      closing.abort()
      await running
    },
  }
}
