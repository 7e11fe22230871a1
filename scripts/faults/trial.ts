import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import type { Heights } from '../chaos/heights.ts'
import type { Listener } from '../chaos/listener.ts'
import type { FaultyCommittee } from './committee.ts'
import { type Ending, type Injection, startTraced, type TracedRun } from './tracedRun.ts'
import type { Witness } from './witness.ts'

const REACH_MAX_MS = 12_000
const REJOIN_MAX_MS = 20_000
const POLL_MS = 20

/** What is done to one call of the member that is tried; `isPowerCut` loses, beside its life, all that is not on disk. */
export type Trial = Injection & { isPowerCut: boolean }

export type TrialOutcome =
  /** It ended by itself, or was killed as planned. */
  | 'stopped'
  /** It took no notice, and kept its promises. */
  | 'wentOn'
  /** The call was never made that often. */
  | 'notReached'

export type Bench = {
  committee: FaultyCommittee
  heights: Heights
  listener: Listener
  witness: Witness
  traceFile: string
}

/** Every act on `count` calls of each kind, from the `from`th on, and on those calls that a start or an orderly end makes. */
export function* planTrials({ count, from = 1 }: { count: number; from?: number }): Iterable<Trial> {
  const plain = { isLasting: false, isPowerCut: false }
  for (let at = from; at < from + count; at++) {
    for (const call of ['pwrite64', 'fsync'] as const) yield* actsOn({ call, at })
  }
  if (count === 0) return
  for (const call of ['ftruncate', 'unlink'] as const) yield* actsOn({ call, at: 1 })

  function* actsOn(place: Pick<Trial, 'call' | 'at'>): Iterable<Trial> {
    yield { ...plain, ...place, act: { error: 'EIO' } }
    // A disk that is full stays full.
    yield { ...plain, ...place, act: { error: 'ENOSPC' }, isLasting: true }
    yield { ...plain, ...place, act: 'kill' }
    yield { ...plain, ...place, act: 'kill', isPowerCut: true }
  }
}

/** Starts the member that is tried; its witness hears all. */
export const startVictim = ({ committee, witness, traceFile }: Bench, injection?: Injection): TracedRun =>
  startTraced({ take: witness.take, traceFile }, { ...committee.victim, injection })

export type TrialResult = {
  outcome: TrialOutcome
  /** The file whose call it was; undefined where it was not reached. */
  file: string | undefined
  /** From its start without faults to its next signature; undefined where that did not come. */
  rejoinMs: number | undefined
  findings: string[]
}

/** Starts the member with a fault, waits for what comes of it, and starts it again without. */
export async function tryInjection(bench: Bench, trial: Trial): Promise<TrialResult> {
  const { committee, heights, witness } = bench
  const findings: string[] = []
  const logStart = sizeOf(committee.victim.logFile)
  const run = startVictim(bench, trial)
  const isClosing = trial.call === 'ftruncate' || trial.call === 'unlink'
  let ending = await Promise.race([run.ended, waitUntilItWentOn(bench, run, { isClosing })])
  const hasEndedByItself = ending !== undefined
  ending ??= await run.end('SIGTERM')
  const hit = run.injectedPath()
  const isHit = hit !== undefined
  const outcome = !isHit ? 'notReached' : hasEndedByItself || trial.act === 'kill' ? 'stopped' : 'wentOn'
  if (hasEndedByItself) {
    const codes = codesIn(committee.victim.logFile, logStart)
    findings.push(...judgeEnding({ trial, ending, isHit, codes }))
  }
  const differing = witness.disk.findDifferences()
  if (differing.length > 0) throw new Error(`the trace does not account for ${differing.join(', ')}`)
  if (trial.isPowerCut) witness.disk.cutPower()

  const again = startVictim(bench)
  const startedAtMs = Date.now()
  const rejoinedAtMs = await waitForVote(bench, again, heights.top() + 1n)
  if (rejoinedAtMs === undefined) findings.push('it did not sign again when it was started again')
  // Either what it leaves is all in the database, or the next one finds a journal.
  await again.end(trial.at % 2 === 0 ? 'SIGTERM' : 'SIGKILL')
  const file = hit === undefined ? undefined : basename(hit)
  return { outcome, file, rejoinMs: rejoinedAtMs === undefined ? undefined : rejoinedAtMs - startedAtMs, findings }
}

/** A member that cannot write says so by name and ends with a failure; one that is killed says nothing. */
function judgeEnding(options: { trial: Trial; ending: Ending; isHit: boolean; codes: readonly string[] }): string[] {
  const { trial, ending, isHit, codes } = options
  const said = `code ${ending.code}, signal ${ending.signal}`
  if (!isHit) return [`it ended although nothing was done to it: ${said}`]
  if (trial.act === 'kill') return ending.signal === 'SIGKILL' ? [] : [`it was killed, and ended otherwise: ${said}`]
  if (ending.code === 0 || ending.code === null) return [`it stopped, and that does not look like a failure: ${said}`]
  const isTyped = codes.some((code) => code === 'STORE' || code === 'STORE_DAMAGED')
  return isTyped ? [] : [`it stopped without saying that its store failed: ${codes.join() || 'no code at all'}`]
}

/** Codes of the errors that a member logged, or ended with, since its log was `from` bytes long. */
function codesIn(logFile: string, from: number): string[] {
  type Line = { err?: { code?: string }; error?: { code?: string } }
  const lines = readFileSync(logFile).subarray(from).toString().split('\n')
  return lines.flatMap((line) => {
    if (!line.startsWith('{')) return []
    const { err, error } = JSON.parse(line) as Line
    return [err?.code, error?.code].filter((code) => code !== undefined)
  })
}

/** Resolves, with nothing, when the member has signed at a new height since the fault, or the fault is out of reach. */
async function waitUntilItWentOn(
  bench: Bench,
  run: TracedRun,
  { isClosing }: { isClosing: boolean },
): Promise<undefined> {
  const deadline = Date.now() + REACH_MAX_MS
  if (!isClosing) while (run.injectedPath() === undefined && Date.now() < deadline) await sleep(POLL_MS)
  await waitForVote(bench, run, bench.heights.top() + 1n)
}

/** The time at which the member signed something above `height`; undefined where it ends, or takes too long. */
function waitForVote({ committee, listener }: Bench, run: TracedRun, height: bigint): Promise<number | undefined> {
  const { signer } = committee.victim
  const vote = listener.waitForVote({ signer, height, timeoutMs: REJOIN_MAX_MS })
  return Promise.race([vote, run.ended.then(() => undefined)])
}

const sizeOf = (file: string): number => {
  try {
    return statSync(file).size
  } catch {
    return 0
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
